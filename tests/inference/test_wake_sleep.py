"""Both phases of wake-sleep against the gradients that a linear model has in closed form."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

from vaelib.distributions import diagonal_normal
from vaelib.inference import wake_sleep
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.validation import unexamined

NOISE = 0.7


class Linear(nn.Module):
    """A normal distribution around a linear function."""

    def __init__(self, matrix, offset, sigma):
        super().__init__()
        self.matrix, self.offset = (nn.Parameter(t.clone()) for t in (matrix, offset))
        self.sigma = sigma

    def forward(self, v):
        return diagonal_normal(v @ self.matrix.T + self.offset, self.sigma)


@pytest.fixture
def model():
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(shape, generator=generator).double()

    decoder, encoder = Linear(draw(3, 2), draw(3), NOISE), Linear(draw(2, 3), draw(2), 0.4)
    return VAE(StandardNormal(2).double(), encoder, decoder)


X = torch.tensor([[0.3, -1.0, 0.8], [1.5, 0.2, -0.4]]).double()


def gradients(model, value):
    parameters = [*model.decoder.parameters(), *model.encoder.parameters()]
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)])


def wake(model):
    """E_q[log p(x, z)] averaged over X, but for terms without theta."""
    W, b = model.decoder.parameters()
    q = model.encode(X)
    residual = (X - q.mean @ W.T - b).square().sum(-1)
    return -(residual + (q.variance @ W.square().T).sum(-1)).mean() / (2 * NOISE**2)


def sleep(model):
    """E_p[log q(z|x)], but for terms without phi."""
    (W, b), (A, c) = (part.parameters() for part in (model.decoder, model.encoder))
    spread = (torch.eye(2) - A @ W).square().sum() + NOISE**2 * A.square().sum()
    return -(spread + (A @ b + c).square().sum()) / (2 * 0.4**2)


def test_each_phase_has_the_gradient_of_its_own_expectation(model):
    torch.manual_seed(0)
    many = X.repeat(500, 1)
    seen = torch.stack([gradients(model, wake_sleep(model, many).mean()) for _ in range(200)])
    theta = sum(p.numel() for p in model.decoder.parameters())
    expected = torch.cat([gradients(model, wake(model) + 0 * sleep(model))[:theta],
                          gradients(model, sleep(model))[theta:]])  # fmt: skip
    error = seen.std(0) / len(seen) ** 0.5
    assert ((seen.mean(0) - expected).abs() < 5 * error).all()
    assert (expected.abs() > 50 * error).any()


def test_the_encoder_learns_from_dreams_alone_and_the_decoder_from_data(model):
    def at(x):
        torch.manual_seed(1)
        return gradients(model, wake_sleep(model, x).mean())

    theta = sum(p.numel() for p in model.decoder.parameters())
    here, there = at(X), at(X + 1)
    assert torch.equal(here[theta:], there[theta:])
    assert (here[:theta] != there[:theta]).all()


def test_its_value_is_that_of_both_phases(model):
    torch.manual_seed(1)
    value = wake_sleep(model, X)
    torch.manual_seed(1)
    z = model.encode(X).rsample()
    z_dreamt = model.prior.rsample((2,))
    x_dreamt = model.decode(z_dreamt).rsample()
    expected = model.decode(z).log_prob(X) + model.prior.log_prob(z)
    expected = expected + model.encode(x_dreamt).log_prob(z_dreamt)
    assert torch.allclose(value, expected, atol=1e-12)


def test_latents_may_be_discrete():
    w = torch.tensor([[1.0, -2.0]], requires_grad=True)

    def bits(logits):
        return Independent(Bernoulli(logits=logits), 1)

    model = Model(bits(torch.zeros(1)), lambda z: bits(z @ w), lambda x: bits(x @ w.T))
    wake_sleep(model, torch.ones(5, 2)).mean().backward()
    assert w.grad.isfinite().all()


def test_an_encoder_that_is_not_a_number_is_handed_on():
    """So that training can say where, instead of a message of torch's about its own sampler."""

    def broken(x):
        return diagonal_normal(x[..., :1] * math.nan, torch.full_like(x[..., :1], math.nan))

    model = VAE(StandardNormal(1), GaussianEncoder(4, [8], 1), BernoulliDecoder(1, [8], 4))
    with unexamined():
        value = wake_sleep(Model(model.prior, model.decode, broken), torch.ones(3, 4))
    assert value.isnan().all()


def test_bad_data_raise():
    model = VAE(StandardNormal(1), GaussianEncoder(4, [8], 1), BernoulliDecoder(1, [8], 4))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        wake_sleep(model, torch.full((2, 4), 0.5))
