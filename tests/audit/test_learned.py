"""A σ² and a prior that are parameters of the loss itself, found by moving them."""

from math import exp

import pytest
import torch
from torch import nn

from tests.audit.probes import closed_form, powers, squares
from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.likelihood import Likelihood


class Learned(nn.Module):
    """A Gaussian with a log σ² of its own, summed over pixels, averaged over images, weighted."""

    def __init__(self, weight=5.0, constant=0.0):
        super().__init__()
        self.weight, self.constant = weight, constant
        self.unused = nn.Parameter(torch.tensor(1.0))
        self.beta = nn.Parameter(torch.tensor(1.0))
        self.log_variance = nn.Parameter(torch.tensor(-1.0))

    def forward(self, x_hat, x, mu, logvar):
        p = self.log_variance.double()
        error = squares(x_hat, x) / p.exp() + p / 2
        kl = self.beta * closed_form(mu, logvar).sum()
        return self.weight * error.flatten(1).sum(1).mean() + kl + self.constant

    def twice(self, x_hat, x, mu, logvar):
        return 2 * self(x_hat, x, mu, logvar)


@cases(
    (Learned(weight=-2.0), -2),
    (Learned(weight=1e-4), 1e-4),
    (Learned(constant=-1e7), 5),
    (Learned().twice, 10),
)
@pytest.mark.parametrize("image", [None, (2, 3, 5)])
def test_a_variance_that_is_a_parameter_is_told_with_its_name_and_value(image, module, weight):
    found = audit(module, shape=image).likelihood
    assert found == Likelihood(
        "Gaussian", True, found.per_pixel, "the loss: its parameter log_variance",
        everywhere=True, current=found.current,
    )  # fmt: skip
    assert found.current == pytest.approx(exp(-1), rel=1e-5)
    assert found.per_pixel.factor == pytest.approx(weight, rel=1e-5)
    assert powers(found.per_pixel) == {"batch": -1}


class Weighed(nn.Module):
    """An error whose weight is a parameter, and a KL beside it."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x_hat, x, mu, logvar):
        return self.weight * squares(x_hat, x).sum() + closed_form(mu, logvar).sum()


@pytest.mark.parametrize("weight", [-0.3, -0.1])
def test_a_weight_that_a_small_step_brings_to_zero_or_beyond_is_no_variance(weight):
    found = audit(Weighed(weight))
    assert (found.likelihood.variance, found.likelihood.proper) == ("constant", True)
    assert found.divergence.learned == ""


class Prior(nn.Module):
    """A KL to N(m, e^h), and a decoder's σ² beside it."""

    def __init__(self, m=(0.0,), h=(0.0,)):
        super().__init__()
        self.idle, self.log_sigma = (nn.Parameter(torch.tensor(0.5)) for _ in range(2))
        self.m, self.h = (nn.Parameter(torch.tensor(v).double()) for v in (m, h))

    def forward(self, x_hat, x, mu, logvar):
        kl = closed_form((mu - self.m) / (self.h / 2).exp(), logvar - self.h)
        return squares(x_hat, x).sum() * self.log_sigma.exp() + 2 * kl.sum()


OWN = {"m": (0.5, 0.0, -1.0, 2.0), "h": (0.0, 0.3, -0.2, 0.1)}


@cases(
    (Prior(), "m", True),
    (Prior(**OWN), "m", True),
    (Prior().requires_grad_(False), "", True),
    (Prior(**OWN).requires_grad_(False), "", False),
    (lambda x_hat, x, mu, logvar: Prior(**OWN)(x_hat, x, mu, logvar), "", False),
)
def test_a_prior_is_learned_if_a_parameter_moves_it(loss, name, kl):
    found = audit(loss, latents=4).divergence
    assert (found.learned, found.kl) == (name, kl)
