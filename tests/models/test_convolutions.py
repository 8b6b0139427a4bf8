"""Convolutions for images of any size, a sigma for float32, and starts that fit the data."""

import math

import pytest
import torch
from torch import nn

from tests.cases import refused
from vaelib.distributions import discretised_logistic
from vaelib.models import (
    DECODERS,
    VAE,
    BernoulliDecoder,
    Beside,
    GaussianDecoder,
    GaussianEncoder,
    StandardNormal,
    conv_decoder,
    conv_encoder,
    levelled,
)
from vaelib.models.network import channels, deviation
from vaelib.objectives import elbo, log_evidence

SHAPES = [(6,), (1, 8, 8), (3, 9, 13), (1, 28, 28), (2, 15, 64)]


def vae(shape, decoder=BernoulliDecoder, latent=2):
    observed, hidden = (shape, channels(shape)) if len(shape) > 1 else (*shape, [8, 4])
    encoder = GaussianEncoder(observed, hidden, latent, nn.ReLU)
    decoder = decoder(latent, hidden[::-1], observed, activation=nn.ReLU)
    return VAE(StandardNormal(latent), encoder, decoder)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("batch", [(), (5,), (2, 0), (2, 3)], ids=str)
def test_images_of_any_size_pass_with_any_batch_in_front(shape, name, batch):
    model = vae(shape, DECODERS[name])
    q = model.encode(torch.rand(*batch, *shape))
    assert (q.batch_shape, q.event_shape) == (batch, (2,))
    assert model(torch.rand(*batch, *shape)).batch_shape == batch
    p = model.decode(q.rsample((4,)))
    assert (p.batch_shape, p.event_shape) == ((4, *batch), shape)
    if 0 not in batch:  # torch sums no empty batch of more dimensions
        assert p.log_prob(torch.rand(*batch, *shape).round()).shape == (4, *batch)


def test_an_image_is_seen_alike_whatever_stands_before_it():
    model, x = vae((3, 9, 13)).double(), torch.rand(2, 3, 3, 9, 13).double()
    together = model.encode(x).mean
    alone = torch.stack([model.encode(image).mean for image in x.flatten(0, 1)])
    torch.testing.assert_close(together.flatten(0, 1), alone)
    mean = model.decode(together).mean
    torch.testing.assert_close(mean[1, 2], model.decode(together[1, 2]).mean)


test_what_convolutions_do_not_take_is_refused_by_name = refused(
    (lambda: conv_encoder((28, 28), [8], 2), r"\(channels, height, width\) .* \(28, 28\)"),
    (lambda: conv_encoder((1, 7, 28), [8], 2), "from 8 x 8 pixels"),
    (lambda: conv_decoder((1, 8, 8), [8] * 4, 2), "can be halved 3 times, not 4"),
    (lambda: conv_encoder((1, 8, 8), [0], 2), r"hidden\[0\] must be a whole number"),
    (lambda: conv_encoder((0, 8, 8), [4], 2), "channels must be a whole number"),
    (lambda: vae((3, 9, 13)).encode(torch.rand(5, 351)), r"x must have .* 3, 9, 13\), got"),
    (lambda: vae((3, 9, 13)).decode(torch.rand(5, 3)), r"z must have shape \(\.\.\., 2\)"),
)


@pytest.mark.parametrize("far", [10.0, 10.5, 11.0, 15.0, 1e3, 1e30])
def test_sigma_is_the_exponential_to_the_last_bit_or_stays_within_eleven(far):
    log_sigma = torch.linspace(-far, far, 401, requires_grad=True)
    sigma = deviation(log_sigma)
    (slope,) = torch.autograd.grad(sigma.sum(), log_sigma)
    within = log_sigma.detach().abs() <= 10
    for same in (sigma, slope):
        assert torch.equal(same[within], log_sigma.exp()[within])
    assert math.exp(-11.001) <= sigma.min() <= sigma.max() <= math.exp(11.001)
    assert 0 < (sigma**2).min() <= (sigma**2).max() < torch.inf
    assert far > 100 or slope.min() > 0  # and so leads back


@pytest.mark.parametrize("name", ["grey", "gaussian"])
@pytest.mark.parametrize("far", [-1e4, 1e4])
def test_no_head_can_make_a_sigma_that_float32_has_not(name, far):
    model = vae((6,), DECODERS[name])
    with torch.no_grad():
        model.encoder.network[-1].bias[2:] = far
        model.decoder.network[-1].bias[6:] = far
        if name == "gaussian":
            model.decoder.log_sigma.fill_(far)
    assert elbo(model, torch.rand(5, 6)).isfinite().all()


def test_a_sigma_that_is_fixed_is_the_one_given():
    assert GaussianDecoder(2, [], 3, sigma=1e6).sigma == pytest.approx(1e6)


def some(name, shape):
    x = torch.rand(200, *shape, generator=torch.Generator().manual_seed(1)) ** 2
    if levelled(name):
        return (255 * x).round() / 255
    return x.round() if name == "bernoulli" else 40 * x - 9 if name == "gaussian" else x


@pytest.mark.parametrize("shape", [(6,), (2, 8, 9)], ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_starts_near_the_best_distribution_that_ignores_z(name, shape):
    x = some(name, shape)
    observed = shape if len(shape) == 3 else shape[0]
    decoder = DECODERS[name](2, [8], observed)
    decoder.start_at(x)
    started = decoder(torch.randn(200, 2)).log_prob(x).mean().item()
    mean, spread = x.mean(0), (x - x.mean(0)).square()
    if name == "bernoulli":
        best = torch.distributions.Bernoulli(mean.clamp(0.01, 0.99)).log_prob(x)
    elif levelled(name):
        s = spread.mean(0).sqrt() * 3**0.5 / math.pi
        best = discretised_logistic(mean.flatten(), s.log().flatten(), 256).log_prob(x.flatten(1))
        best = best[:, None]
    else:
        sigma = spread.mean(0).sqrt() if name == "grey" else spread.mean().sqrt()
        best = torch.distributions.Normal(mean, sigma).log_prob(x)
    best = best.flatten(1).sum(1).mean().item()
    assert started == pytest.approx(best, abs=0.03 * abs(best) + 0.2)


def test_a_start_is_the_same_model_in_other_units():
    """Data a thousand times as large give the same codes and the same images, as large."""
    x, found = some("gaussian", (6,)), []
    for unit in (1.0, 1000.0):
        torch.manual_seed(3)
        model = vae((6,), DECODERS["gaussian"]).double()
        model.start_at(unit * x)
        q = model.encode(unit * x.double())
        p = model.decode(q.mean)
        found.append((q.mean, q.stddev, p.mean / unit, p.stddev / unit))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("started", [True, False])
def test_a_start_is_part_of_what_is_saved_and_of_nothing_else(started):
    x, z = torch.rand(9, 6), torch.randn(4, 2)
    one, other = (vae((6,), DECODERS["gaussian"]) for _ in range(2))
    assert not {"encoder.place", "decoder.size"} & set(one.state_dict())
    other.start_at(x + 5)
    if started:
        one.start_at(x)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.encode(x).mean, one.encode(x).mean)
    torch.testing.assert_close(other.decode(z).mean, one.decode(z).mean)


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.2])
@pytest.mark.parametrize("name", DECODERS)
def test_pixels_that_never_change_make_no_start_that_is_not_finite(name, constant):
    x, model = torch.full((20, 6), constant), vae((6,), DECODERS[name])
    model.start_at(x)
    assert elbo(model, x if name != "bernoulli" else x.round()).isfinite().all()


def test_a_condition_stands_beside_x_and_z():
    c = torch.eye(4)[torch.tensor([0, 3, 1])]
    encoder = Beside(conv_encoder((1 + 4, 8, 8), [6], 2), rank=3)
    decoder = Beside(conv_decoder((1, 8, 8), [6], 2 + 4))
    model, x = VAE(StandardNormal(2), encoder, decoder), torch.rand(3, 1, 8, 8).round()
    q = model.given(c).encode(x)
    planes = c[:, :, None, None].expand(3, 4, 8, 8)
    torch.testing.assert_close(q.mean, encoder.module(torch.cat([x, planes], 1)).mean)
    z = torch.randn(5, 3, 2)
    p = model.given(c).decode(z)
    torch.testing.assert_close(p.mean[4, 1], decoder(z[4, 1], c[1]).mean)
    assert elbo(model.given(c), x, samples=5).shape == (3,)
    assert log_evidence(model.given(c), x, samples=10, chunk=3).mean.shape == (3,)
    with pytest.raises(ValueError, match=r"\(3, 4\) do not go .* log_evidence a chunk of as"):
        log_evidence(model.given(c), x, samples=10, chunk=2)
    with pytest.raises(ValueError, match=r"got torch.int64 .*: make labels so by .*one_hot"):
        model.given(torch.tensor([0, 3, 1])).encode(x)


def test_however_deep_at_the_start_codes_hear_of_the_image_and_images_of_the_code():
    model = vae((1, 130, 150), latent=8).requires_grad_(False)
    x, z = torch.randn(6, 1, 130, 150), torch.randn(6, 8)
    assert 0.1 < model.encode(x).mean.std(0).mean() < 10
    assert 0.1 < model.decoder.outputs(z).std(0).mean() < 10
