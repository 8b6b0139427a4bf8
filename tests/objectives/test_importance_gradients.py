"""The gradient of the importance-weighted bound, plain and doubly reparameterized."""

import math

import numpy as np
import pytest
import torch

from tests.cases import seeded
from vaelib.checks import check
from vaelib.distributions import diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian
from vaelib.models import Model
from vaelib.objectives import iwae, log_joint

ROWS, COPIES = 1_000, 400
W = torch.tensor([[1.0], [-0.6]]).double()
LINEAR = LinearGaussian(W, torch.zeros(2).double(), 0.7)
X = torch.tensor([0.5, -1.0]).double()


def model_and_parameters():
    """One latent, two pixels; mean and log sigma of q, and the decoder's offset."""
    phi = torch.tensor([0.5, -0.3]).double().requires_grad_()
    theta = torch.tensor([0.2, -0.1]).double().requires_grad_()

    def decode(z):
        return diagonal_normal(z @ W.T + theta, 0.7)

    def encode(x):
        mu = phi[0].expand(*x.shape[:-1], 1)
        return diagonal_normal(mu, phi[1].exp())

    return Model(LINEAR.prior, decode, encode), phi, theta


def on_nodes(model, x, score):
    """log w at the nodes of Gauss–Hermite, and the average over pairs of them."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(60))
    q = model.encode(x)
    z = q.mean + q.stddev * nodes[:, None]
    if not score:
        q = diagonal_normal(q.mean.detach(), q.stddev.detach())
    log_w = log_joint(model, x, z) - q.log_prob(z)
    return log_w, lambda pairs: weights @ pairs @ weights / (2 * math.pi)


def exact_slopes(x, bound):
    """The gradient of the mean of a bound from two draws, by Gauss–Hermite."""
    model, phi, theta = model_and_parameters()
    log_w, average = on_nodes(model, x, score=True)
    return torch.autograd.grad(average(bound(log_w[:, None], log_w)), (phi, theta))


def not_squared(x):
    """What q's parameters get where shares are not squared though the score is left out."""
    model, phi, _ = model_and_parameters()
    log_w, average = on_nodes(model, x, score=False)
    share = (log_w[:, None] - torch.logaddexp(log_w[:, None], log_w)).exp().detach()
    return torch.autograd.grad(2 * average(share * log_w[:, None]), phi)[0]


def slopes(x, doubly):
    model, phi, theta = model_and_parameters()
    bounds = (iwae(model, x.expand(ROWS, 2), 2, doubly=doubly).mean() for _ in range(COPIES))
    found = [torch.autograd.grad(bound, (phi, theta)) for bound in bounds]
    return [torch.stack(parts) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize("doubly", [False, True])
def test_the_mean_gradient_is_that_of_the_mean_bound(doubly):
    exact, elbos = exact_slopes(X, torch.logaddexp), exact_slopes(X, lambda a, b: (a + b) / 2)
    for_q, for_decoder = slopes(X, doubly)
    wrong = {"shares not squared": not_squared(X)}
    check("eq-slope-in-q", wrong=wrong, exact=exact[0], here=Estimate.of(for_q))
    wrong = {"the ELBO's": elbos[1]}
    check("eq-slope-elsewhere", wrong=wrong, exact=exact[1], here=Estimate.of(for_decoder))


def test_the_doubly_reparameterized_gradient_is_quieter_in_q_and_the_same_elsewhere():
    once, twice = (seeded(slopes, X, doubly) for doubly in (False, True))
    assert (twice[0].var(0) < 0.5 * once[0].var(0)).all()
    check("eq-theta", once=once[1], twice=twice[1])


def test_at_the_posterior_the_doubly_reparameterized_gradient_has_no_noise():
    x = torch.stack([X, X + 1])
    posterior = LINEAR.encode(x)
    phi = torch.stack([posterior.mean, posterior.stddev.log()]).requires_grad_()
    model = Model(LINEAR.prior, LINEAR.decode, lambda x: diagonal_normal(phi[0], phi[1].exp()))
    slope = {
        doubly: torch.autograd.grad(iwae(model, x, 5, doubly=doubly).sum(), phi)[0]
        for doubly in (False, True)
    }
    assert slope[True].abs().max() < 1e-12
    assert slope[False].abs().max() > 0.1


@torch.no_grad()
def test_the_value_is_the_same_also_without_gradients():
    model, x = model_and_parameters()[0], torch.randn(4, 2).double()
    check("eq-iwae", once=seeded(iwae, model, x, 3), twice=seeded(iwae, model, x, 3, doubly=True))
