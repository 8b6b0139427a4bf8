import math

import numpy as np
import pytest
import scipy.stats
import torch

from tests.cases import cases, refused
from vaelib.distributions import bernoulli, diagonal_normal, unit_normal

BATCH = torch.linspace(-2, 2, 24).double().reshape(4, 3, 2)


@cases(
    0.3,
    torch.tensor(0.3),
    torch.tensor([0.5, 2.0]),
    BATCH[:, :1].exp(),
    BATCH.exp(),
    ids=["number", "scalar", "vector", "broadcast", "full"],
)
def test_normal_density_is_scipys(sigma):
    p = diagonal_normal(BATCH, sigma)
    z = torch.randn(5, 4, 3, 2).double()
    expected = scipy.stats.norm.logpdf(z, BATCH, sigma).sum(-1)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-6)


def test_normal_samples_are_torchs():
    for p in (diagonal_normal(BATCH, BATCH.exp()), unit_normal(BATCH)):
        for shape in ((), (5,)):
            torch.manual_seed(0)
            ours = p.rsample(shape)
            torch.manual_seed(0)
            torch.testing.assert_close(ours, p.base_dist.rsample(shape), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("build", [bernoulli, unit_normal, lambda m: diagonal_normal(m, m.exp())])
def test_a_larger_batch_has_the_same_parameters(build):
    p = build(BATCH)
    wide = p.expand((5, 4, 3))
    assert type(wide) is type(p)
    assert (wide.batch_shape, wide.event_shape) == ((5, 4, 3), (2,))
    torch.testing.assert_close(wide.mean, p.mean.expand(5, 4, 3, 2))
    torch.testing.assert_close(wide.variance, p.variance.expand(5, 4, 3, 2))


@pytest.mark.parametrize("sigma", [0.5, torch.tensor(0.5)], ids=["number", "float32"])
def test_normal_keeps_the_precision_of_its_mean(sigma):
    p = diagonal_normal(BATCH, sigma)
    assert (p.rsample().dtype, p.stddev.dtype) == (torch.float64, torch.float64)


def test_normal_samples_carry_gradients_to_both_parameters():
    mu = BATCH.clone().requires_grad_()
    sigma = torch.tensor(0.5, requires_grad=True)
    diagonal_normal(mu, sigma).rsample().square().sum().backward()
    assert mu.grad.abs().min() > 0
    assert sigma.grad != 0


def test_bernoulli_density_is_scipys():
    p = bernoulli(BATCH)
    x = torch.randint(0, 2, (5, 4, 3, 2)).double()
    expected = scipy.stats.bernoulli.logpmf(x, 1 / (1 + (-BATCH).exp())).sum(-1)
    np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-12)


def test_densities_of_any_value_are_computed_and_not_examined():
    nan, grey = torch.tensor([torch.nan, 0.0]), torch.tensor([0.5, 0.5])
    assert diagonal_normal(torch.zeros(2), 1.0).log_prob(nan).isnan()
    assert bernoulli(torch.zeros(2)).log_prob(grey) == pytest.approx(-2 * math.log(2))
    assert bernoulli(torch.zeros(2)).base_dist.log_prob(grey).sum() == pytest.approx(-math.log(4))


def test_a_deviation_of_the_right_shape_is_kept_as_it_is():
    sigma = torch.ones(3)
    assert diagonal_normal(torch.zeros(3), sigma).base_dist.scale is sigma
    with pytest.raises(TypeError):
        diagonal_normal(torch.zeros(3), "wide")


NAN, INF = torch.tensor([0.0, torch.nan]), torch.tensor([0.0, -torch.inf])


test_bad_parameters_raise_by_name = refused(
    (lambda: diagonal_normal(torch.tensor(0.0), 1.0), "mu must have an event dimension"),
    (lambda: diagonal_normal(NAN, 1.0), "mu must be finite, got 1 values"),
    (lambda: diagonal_normal(torch.cat([NAN, NAN, NAN[:1]]), 1.0), "mu must be finite, got 2 v"),
    (lambda: diagonal_normal(INF, 1.0), "mu must be finite, got 1 values"),
    (lambda: diagonal_normal(torch.zeros(2), torch.ones(3)), r"sigma of shape \(3,\)"),
    (lambda: diagonal_normal(torch.zeros(2), torch.ones(3, 2)), r"sigma of shape \(3, 2\)"),
    (lambda: diagonal_normal(torch.zeros(2), 0.0), "sigma must be positive and finite, got 0"),
    (lambda: diagonal_normal(torch.zeros(2), -1.0), "sigma must be positive and finite, got -1"),
    (lambda: diagonal_normal(torch.zeros(2), -INF), "sigma must be positive and finite"),
    (lambda: diagonal_normal(torch.zeros(2), NAN + 1), "sigma must be positive and finite"),
    (lambda: diagonal_normal(torch.zeros(2), float("inf")), "positive and finite, got inf"),
    (lambda: unit_normal(torch.tensor(0.0)), "^mu must have an event dimension"),
    (lambda: unit_normal(NAN), "^mu must be finite, got 1 values"),
    (lambda: bernoulli(torch.tensor(0.0)), "logits must have an event dimension"),
    (lambda: bernoulli(NAN), "logits must be finite, got 1 values"),
)
