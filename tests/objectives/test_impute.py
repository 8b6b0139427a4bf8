"""What is missing of a row, drawn from the model."""

import pytest
import torch

from vaelib.distributions import diagonal_normal, observed
from vaelib.exact import LinearGaussian
from vaelib.models import Model
from vaelib.objectives import impute

nan = torch.nan


def test_draws_have_the_exact_conditional_law_whatever_q_is():
    """Mean and covariance of x_missing given x_observed, in two latents, from a q that is wrong."""
    W = torch.tensor([[1.0, 0.5], [-0.7, 1.0], [0.4, 0.9]]).double()
    b, sigma = torch.tensor([1.0, -2.0, 0.5]).double(), 0.6
    exact = LinearGaussian(W, b, sigma)
    q = lambda x: diagonal_normal(0.2 + 0 * x[..., :2].nan_to_num(), 1.2)  # noqa: E731
    model = Model(exact.prior, lambda z: observed(exact.decode(z)), q)
    x = torch.tensor([[2.0, nan, nan], [nan, -1.0, 0.3], [nan, nan, nan], [1.0, 2.0, 3.0]]).double()
    drawn = torch.cat([impute(model, x, draws=100, samples=4000) for _ in range(200)])
    assert drawn.shape == (20_000, 4, 3)
    assert (drawn == x).masked_fill(x.isnan(), True).all()
    S = W @ W.T + sigma**2 * torch.eye(3)
    for row, there in zip(drawn.unbind(1), ~x.isnan(), strict=True):
        slope = S[~there][:, there] @ S[there][:, there].inverse()
        mean = b[~there] + (row[0] - b)[there] @ slope.T
        cov = S[~there][:, ~there] - slope @ S[there][:, ~there]
        found = row[:, ~there]
        torch.testing.assert_close(found.mean(0), mean, rtol=0, atol=0.06)
        torch.testing.assert_close(found.T.cov().reshape(cov.shape), cov, rtol=0, atol=0.08)


def test_no_draws_are_refused():
    model = Model(diagonal_normal(torch.zeros(1), 1.0), lambda z: z, lambda x: x)
    with pytest.raises(ValueError, match="draws must be a whole number of at least 1, got 0"):
        impute(model, torch.zeros(1), draws=0)
