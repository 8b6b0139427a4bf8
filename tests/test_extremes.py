"""Encoder outputs and pixels as extreme as they come: a finite bound, or an error by name."""

import pytest
import torch

from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.models import Model
from vaelib.objectives import elbo, iwae

DTYPES = (torch.float64, torch.float32, torch.bfloat16)
LOG_VARIANCES = (-1e4, -1e3, -200, -80, -20, 0, 20, 80, 200, 1e3, 1e4)


def model_of(dtype, log_variance, mu=0.0, logits=1.0):
    """One that encodes everything alike, and decodes by a slope of 1."""
    prior = diagonal_normal(torch.zeros(3, dtype=dtype), 1.0)

    def encode(x):
        head = torch.full((len(x), 3), log_variance, dtype=dtype)
        return diagonal_normal(torch.full_like(head, mu), (head / 2).exp())

    def decode(z):
        return bernoulli(logits * z.sum(-1, keepdim=True).expand(*z.shape[:-1], 4))

    return Model(prior, decode, encode)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("log_variance", LOG_VARIANCES)
@pytest.mark.parametrize("objective", [elbo, lambda m, x: iwae(m, x, 3)], ids=["elbo", "iwae"])
def test_the_bound_is_finite_or_the_error_names_what_is_not(dtype, log_variance, objective):
    x = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0] * 4, [1.0] * 4], dtype=dtype)
    model = model_of(dtype, log_variance)
    sigma = torch.tensor(log_variance / 2, dtype=dtype).exp()
    if not 0 < sigma < torch.inf:
        with pytest.raises(ValueError, match="sigma must be positive and finite, got"):
            objective(model, x)
    elif not 0 < sigma * sigma < torch.inf:
        with pytest.raises(ValueError, match=f"sigma² must be positive and finite in {dtype}"):
            objective(model, x)
    else:
        assert objective(model, x).isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("logits", [-1e4, -100, 100, 1e4])
def test_certain_pixels_cost_what_they_must(dtype, logits):
    """At a logit ℓ of the wrong sign a pixel costs |ℓ|, at the right one nothing."""
    x = torch.tensor([[0.0, 1.0]], dtype=dtype)
    cost = -bernoulli(torch.full((1, 2), logits, dtype=dtype)).log_prob(x)
    torch.testing.assert_close(cost, torch.tensor([abs(logits)], dtype=dtype))


def test_no_deviation_at_all_is_no_error():
    assert diagonal_normal(torch.zeros(0, 3), torch.ones(0, 3)).batch_shape == (0,)
