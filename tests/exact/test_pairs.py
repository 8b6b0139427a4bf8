"""log p(x|z) of all data at all latents, whatever kind of distribution p is."""

import math

import pytest
import torch
from torch import distributions as dist
from torch.distributions import Bernoulli, Categorical, Independent, Laplace, Normal

from vaelib.distributions import bernoulli
from vaelib.exact import log_likelihoods

Z = torch.randn(5, 3, 4).double()
ROOT = torch.tensor([[2.0, 0.3], [0.3, 1.0]]).double()
KINDS = {
    "bernoulli": Independent(Bernoulli(logits=Z), 1),
    "normal": Independent(Normal(Z, 0.7), 1),
    "laplace": Independent(Laplace(Z, 0.7), 1),
    "continuous bernoulli": Independent(dist.ContinuousBernoulli(logits=Z), 1),
    "poisson": Independent(dist.Poisson(Z.exp()), 1),
    "categorical": Independent(Categorical(logits=torch.randn(5, 3, 4, 6).double()), 1),
    "not of single pixels": dist.MultivariateNormal(Z[..., :2], ROOT),
}


@pytest.mark.parametrize("p", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("values", [1, 2])
@pytest.mark.parametrize("known", [None, torch.tensor([0.0, 1.0, 5.0]).double()])
def test_each_pair_has_the_density_that_p_gives_it(p, values, known):
    if known is not None and p.support.check(torch.tensor([5.0])).logical_not().any():
        known = known[:2]
    x = torch.randint(0, values, (7, *p.event_shape)).double()
    each = torch.stack([p.log_prob(row) for row in x], -1)
    here = log_likelihoods(p, x, known)
    assert here.shape == (*p.batch_shape, 7)
    torch.testing.assert_close(here, each, rtol=1e-12, atol=1e-12)
    assert log_likelihoods(bernoulli(Z.float()), torch.eye(4)).dtype == torch.float32


@pytest.mark.parametrize("kind", [Normal, Laplace])
@pytest.mark.parametrize("spread", [lambda x: x, lambda x: x**20, lambda x: (x > 0.5) + 1e-6 * x])
def test_grey_pixels_have_their_density_whatever_values_they_take(kind, spread):
    """Few values in the middle of their range, or none, leave the polynomial as exact."""
    p, x = Independent(kind(Z, 0.7), 1), spread(torch.rand(40, 4).double())
    each = torch.stack([p.log_prob(row) for row in x], -1)
    torch.testing.assert_close(log_likelihoods(p, x), each, rtol=1e-12, atol=1e-12)


def counted(kind):
    """The same distribution, and a list of the values whose density it was asked for."""
    calls = []

    class Counted(kind):
        def log_prob(self, value):
            calls.append(value)
            return super().log_prob(value)

    return Counted, calls


@pytest.mark.parametrize(("kind", "asked"), [(Normal, 5), (Laplace, 44)])
def test_a_density_of_degree_two_is_asked_for_five_times_and_another_for_each_x(kind, asked):
    kind, calls = counted(kind)
    log_likelihoods(Independent(kind(Z, 0.7), 1), torch.rand(40, 4).double())
    assert len(calls) == asked


def test_a_pixel_that_cannot_be_leaves_the_others_alone():
    p = Independent(Categorical(logits=torch.tensor([[0.0, 0.0, -torch.inf]] * 3).double()), 1)
    x = torch.tensor([[0, 1, 1], [2, 0, 0], [1, 1, 0], [1, 1, 1]]).double()
    expected = 3 * math.log(0.5)
    assert log_likelihoods(p, x).tolist() == pytest.approx([expected, -torch.inf, *[expected] * 2])


@pytest.mark.parametrize(("rows", "asked"), [(50, 2), (2, 2), (1, 1)])
def test_a_density_is_asked_for_as_few_times_as_there_are_values_or_data(rows, asked):
    kind, calls = counted(Bernoulli)
    log_likelihoods(Independent(kind(logits=Z), 1), torch.eye(4).double().repeat(13, 1)[:rows])
    assert len(calls) == asked
