"""Both phases of wake-sleep, each with the gradient of its own density."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from tests.cases import seeded
from vaelib.checks import check
from vaelib.distributions import diagonal_normal
from vaelib.inference import wake_sleep
from vaelib.models import VAE, GaussianDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.validation import unexamined


@pytest.fixture
def model():
    encoder, decoder = GaussianEncoder(3, [4], 2), GaussianDecoder(2, [4], 3, 0.7, learn_sigma=True)
    return VAE(StandardNormal(2), encoder, decoder).double()


X = torch.tensor([[0.3, -1.0, 0.8], [1.5, 0.2, -0.4]]).double()


def test_the_decoder_learns_from_data_and_the_encoder_from_dreams_alone(model):
    value = seeded(wake_sleep, model, X)
    z = seeded(model.encode(X).sample)
    z_dreamt = model.prior.sample((2,))
    x_dreamt = model.decode(z_dreamt).sample()
    wake = model.decode(z).log_prob(X) + model.prior.log_prob(z)
    sleep = model.encode(x_dreamt).log_prob(z_dreamt)
    check("eq-wake-sleep", here=value.detach(), by_hand=(wake + sleep).detach())
    theta, phi = [*model.decoder.parameters()], [*model.encoder.parameters()]
    slopes = torch.autograd.grad(value.mean(), theta + phi)
    by_hand = torch.autograd.grad(wake.mean(), theta) + torch.autograd.grad(sleep.mean(), phi)
    for here, expected in zip(slopes, by_hand, strict=True):
        torch.testing.assert_close(here, expected)


def test_latents_may_be_discrete_and_pixels_must_be_black_or_white():
    w = torch.tensor([[1.0, -2.0]], requires_grad=True)

    def bits(logits):
        return Independent(Bernoulli(logits=logits), 1)

    model = Model(bits(torch.zeros(1)), lambda z: bits(z @ w), lambda x: bits(x @ w.T))
    wake_sleep(model, torch.ones(5, 2)).mean().backward()
    assert w.grad.isfinite().all()
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        wake_sleep(model, torch.full((2, 2), 0.5))


def test_an_encoder_that_is_not_a_number_is_handed_on(model):
    """So that training can say where, instead of a message of torch's about its own sampler."""
    nan = torch.full((2, 2), math.nan).double()
    with unexamined():
        broken = Model(model.prior, model.decode, lambda x: diagonal_normal(nan, nan))
        assert wake_sleep(broken, X).isnan().all()
