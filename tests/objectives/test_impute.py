"""What is missing of a row, drawn from the model; and each of its cells given the others."""

import torch
from torch.distributions import Categorical, LogNormal, Normal, Poisson

from vaelib.distributions import columns, diagonal_normal, observed
from vaelib.exact import LinearGaussian, gauss_hermite
from vaelib.models import Model
from vaelib.objectives import impute, log_conditionals

nan = torch.nan


W = torch.tensor([[1.0, 0.5], [-0.7, 1.0], [0.4, 0.9]]).double()
B, SIGMA = torch.tensor([1.0, -2.0, 0.5]).double(), 0.6
X = torch.tensor([[2.0, nan, nan], [nan, -1.0, 0.3], [nan, nan, nan], [1.0, 2.0, 3.0]]).double()


def linear():
    """Two latents, and a q that is wrong."""
    exact = LinearGaussian(W, B, SIGMA)
    q = lambda x: diagonal_normal(0.2 + 0 * x[..., :2].nan_to_num(), 1.2)  # noqa: E731
    return Model(exact.prior, lambda z: observed(exact.decode(z)), q)


def conditional(x, there):
    """Mean and covariance of all else, given the cells of a row that are there."""
    S = W @ W.T + SIGMA**2 * torch.eye(3)
    slope = S[~there][:, there] @ S[there][:, there].inverse()
    mean = B[~there] + (x - B)[there] @ slope.T
    return mean, S[~there][:, ~there] - slope @ S[there][:, ~there]


def test_draws_have_the_exact_conditional_law_whatever_q_is():
    drawn = torch.cat([impute(linear(), X, draws=100, samples=4000) for _ in range(200)])
    assert drawn.shape == (20_000, 4, 3)
    assert (drawn == X).masked_fill(X.isnan(), True).all()
    for row, there in zip(drawn.unbind(1), ~X.isnan(), strict=True):
        mean, cov = conditional(row[0], there)
        found = row[:, ~there]
        torch.testing.assert_close(found.mean(0), mean, rtol=0, atol=0.06)
        torch.testing.assert_close(found.T.cov().reshape(cov.shape), cov, rtol=0, atol=0.08)


def near(found, exact):
    """Whether an estimate has holes where the exact values have, and its own error elsewhere."""
    away = (found.mean - exact).abs() / found.standard_error
    for value in found:
        assert torch.equal(value.isnan(), exact.isnan())
    assert away.nan_to_num(0).max() < 5
    assert found.standard_error.nan_to_num(0).max() < 0.05


def test_each_cell_has_its_exact_conditional_density_whatever_q_is():
    exact = torch.full_like(X, nan)
    for i, j in (~X.isnan()).nonzero().tolist():
        there = ~X[i].isnan()
        there[j] = False
        mean, cov = conditional(X[i], there)
        k = int((~there)[:j].sum())  # the place of j among all that are not there
        exact[i, j] = Normal(mean[k], cov[k, k].sqrt()).log_prob(X[i, j])
    near(log_conditionals(linear(), X, 100_000, 2**16), exact)


def test_each_cell_of_unlike_columns_has_its_conditional_by_quadrature():
    prior = diagonal_normal(torch.zeros(1).double(), 1.0)

    def decode(z):
        z = z[..., 0]
        logits = torch.stack([z, -z, 0 * z], -1)
        parts = [LogNormal(0.6 * z, 0.5), Poisson((1 + z).exp()), Categorical(logits=logits)]
        return observed(columns(parts))

    def log_p(x):
        return gauss_hermite(prior, lambda z: decode(z[:, None]).log_prob(x).exp(), 80).log()

    q = lambda x: diagonal_normal(0.5 + 0 * x[..., :1].nan_to_num(), 1.2)  # noqa: E731
    x = torch.tensor([[1.3, 4, 0], [0.4, 9, 1], [2.5, nan, 2], [1.0, nan, nan]]).double()
    others = [log_p(x.index_fill(-1, torch.tensor(j), nan)) for j in range(3)]
    exact = (log_p(x)[..., None] - torch.stack(others, -1)).masked_fill(x.isnan(), nan)
    assert exact[3, 0].isclose(log_p(x[3:])[0])
    near(log_conditionals(Model(prior, decode, q), x, 100_000, 2**16), exact)
