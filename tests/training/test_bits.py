"""Bits per dimension: of levels, of densities only where it is said how many levels they had."""

import math

import pytest
import torch
from torch.distributions import Distribution

from tests.cases import cases
from vaelib.distributions import bernoulli, categorical_levels, diagonal_normal
from vaelib.models import DECODERS, VAE, GaussianEncoder, StandardNormal
from vaelib.objectives import ELBO, iwae
from vaelib.training import bits_per_dimension, evaluate

X = torch.rand(20, 6, generator=torch.Generator().manual_seed(0)).round()


def vae(name):
    torch.manual_seed(0)
    return VAE(StandardNormal(2), GaussianEncoder(6, [8], 2), DECODERS[name](2, [8], 6))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_to_know_nothing_takes_the_logarithm_of_the_levels(levels):
    p = categorical_levels(torch.zeros(2, 3, 5, levels), 3)
    nats = p.log_prob(torch.zeros(2, 3, 5))
    torch.testing.assert_close(bits_per_dimension(nats, p), torch.tensor(math.log2(levels)))


def test_a_density_of_one_in_all_of_the_cube_knows_nothing_of_dequantised_levels():
    p = diagonal_normal(torch.zeros(4), 1.0)
    assert bits_per_dimension(0.0, p, dequantised=16) == 4
    assert bits_per_dimension(4 * math.log(2), p, dequantised=16) == 3


@cases(
    (diagonal_normal(torch.zeros(4), 1.0), {}, "p.x.z. is a density, .* dequantised=256"),
    (bernoulli(torch.zeros(4)), {"dequantised": 2}, "is of levels .*: leave dequantised out"),
)
def test_what_has_no_right_to_bits_gets_none(p: Distribution, how, message):
    with pytest.raises(ValueError, match=message):
        bits_per_dimension(-1.0, p, **how)


@pytest.mark.parametrize("name", DECODERS)
def test_an_evaluation_has_bits_where_pixels_are_levels(name):
    found = evaluate(vae(name), X, ELBO(samples=5))
    if name in ("bernoulli", "logistic", "mixture"):
        assert found.bits == pytest.approx(-found.elbo / 6 / math.log(2))
    else:
        assert found.bits is None


def test_another_objective_is_no_bound_that_is_known():
    assert evaluate(vae("bernoulli"), X, lambda model, x: iwae(model, x, 2)).bits is None
