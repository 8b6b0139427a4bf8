"""The best normal for each x, against a linear model where it is known."""

import pytest
import torch

from tests.cases import cases, seeded
from vaelib.distributions import diagonal_normal
from vaelib.exact import LinearGaussian
from vaelib.inference import local_normal
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal

X = torch.tensor([[0.3, -1.0, 0.8], [1.5, 0.2, -0.4]]).double()
FAR = diagonal_normal(torch.full((2, 2), 2.0).double(), 0.1)


@pytest.fixture
def linear():
    W = torch.tensor([[1.2, 0.9], [0.4, -0.7], [0.8, 1.0]]).double()
    return LinearGaussian(W, torch.zeros(3).double(), 0.6)


def test_finds_the_posterior_mean_and_the_inverse_of_each_precision(linear):
    q, posterior = local_normal(linear, X, FAR, steps=400, samples=256), linear.encode(X)
    precision = posterior.precision_matrix.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(q.mean, posterior.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(q.variance, 1 / precision, atol=0, rtol=0.03)


def test_what_stands_beside_an_x_does_not_matter(linear):
    other = torch.stack([X[0], 100 * X[1]])
    one, two = (seeded(local_normal, linear, x, FAR) for x in (X, other))
    assert torch.equal(one.mean[0], two.mean[0])
    assert not torch.equal(one.mean[1], two.mean[1])


def test_starts_where_the_encoder_is_and_leaves_the_model_alone():
    vae = VAE(StandardNormal(2), GaussianEncoder(6, [8], 2), BernoulliDecoder(2, [8], 6))
    x = torch.bernoulli(torch.full((3, 4, 6), 0.5))
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    with torch.no_grad():
        near = local_normal(vae, x, steps=1, learning_rate=1e-6)
    torch.testing.assert_close(near.mean, vae.encode(x).mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(near.stddev, vae.encode(x).stddev, atol=1e-5, rtol=0)
    assert not near.mean.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())
    assert all(p.grad is None for p in vae.parameters())
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        local_normal(vae, x / 2)


@cases(
    ({"steps": 0}, "steps must be"),
    ({"samples": 1.5}, "samples must be"),
    ({"learning_rate": 0.0}, "learning_rate must be positive"),
    ({"learning_rate": float("nan")}, "learning_rate must be positive"),
    ({"start": diagonal_normal(torch.zeros(3, 2), 1.0)}, r"of shape \(2, 2\)"),
    ({"start": torch.distributions.Normal(torch.zeros(2, 2), 1.0)}, "diagonal normal"),
    ({"start": None}, "diagonal normal"),  # the exact posterior is none,
)
def test_names_what_is_wrong(linear, wrong, message):
    with pytest.raises(ValueError, match=message):
        local_normal(linear, X, **({"start": FAR} | wrong))


def test_an_ascent_that_runs_off_is_an_error(linear):
    broken = Model(linear.prior, lambda z: diagonal_normal(z[..., :1] * torch.nan, 1.0), None)
    with pytest.raises((ValueError, FloatingPointError)):
        local_normal(broken, X[:, :1], FAR)
    steep = Model(linear.prior, lambda z: diagonal_normal((30 * z[..., :1]).exp(), 1e-9), None)
    said = r"^the best normal is not finite: try a smaller learning_rate$"
    with pytest.raises(FloatingPointError, match=said):
        local_normal(steep, X[:, :1], FAR, learning_rate=1e9)
