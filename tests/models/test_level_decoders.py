"""Decoders of whole levels: what their networks say, where they start, what they learn."""

import pytest
import torch
from torch import nn

from tests.cases import refused
from vaelib.distributions import discretised_logistic, logistic_mixture
from vaelib.models import (
    DECODERS,
    VAE,
    GaussianEncoder,
    LogisticDecoder,
    MixtureDecoder,
    StandardNormal,
    conv_decoder,
    levelled,
)
from vaelib.training import evaluate, fit


def saying(decoder, numbers):
    """A decoder whose network gives the same numbers for every z and every pixel."""
    nn.init.zeros_(decoder.network[-1].weight)
    decoder.network[-1].bias.data = numbers
    return decoder(torch.randn(4, 2))


def everywhere(numbers, *sides):
    """Numbers of components and channels, of the same value in all pixels of a batch."""
    return numbers[..., None, None].expand(4, *numbers.shape, *sides)


def test_a_logistic_decoders_heads_are_centre_and_log_scale():
    numbers = torch.tensor([0.2, 0.9, 30.0, -3.0])
    p = saying(LogisticDecoder(2, [8], 2, levels=9), numbers)
    kept = torch.tensor([10 + 20 / 20.0, -3.0])  # the wide one, within ±11
    expected = discretised_logistic(numbers[:2], kept, 9)
    x = torch.tensor([0.25, 1.0])
    torch.testing.assert_close(p.log_prob(x), expected.log_prob(x).expand(4))
    assert (p.levels, p.rounds, p.batch_shape) == (9, 1, (4,))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_mixtures_components_have_a_weight_and_in_each_channel_a_centre_and_a_scale(channels):
    """And where channels see one another, coefficients, of which the network gives arctanh."""
    pairs = channels * (channels - 1) // 2
    sides = [1, channels, channels, pairs]
    parts = [torch.randn(5, n) for n in sides]
    decoder = conv_decoder((channels, 8, 9), [4], 2, DECODERS["mixture"])
    p = saying(decoder, torch.cat(parts, 1).flatten())
    logits, mu, log_scale, lean = (everywhere(part, 8, 9) for part in parts)
    seen = {"coefficients": lean.tanh()} if pairs else {}
    logits = logits[:, :, 0] if pairs else logits
    expected = logistic_mixture(logits, mu, log_scale, 256, rank=3, **seen)
    x = torch.randint(256, (4, channels, 8, 9)) / 255
    torch.testing.assert_close(p.log_prob(x), expected.log_prob(x))
    assert p.rounds == channels


def test_rows_of_pixels_have_a_mixture_each():
    parts = torch.randn(2, 3, 6)  # components, of which each has three numbers a pixel
    p = saying(MixtureDecoder(2, [8], 6, levels=4, components=2), parts.flatten())
    logits, mu, log_scale = parts.unbind(1)
    x = torch.randint(4, (6,)) / 3
    expected = logistic_mixture(logits, mu, log_scale, 4).log_prob(x)
    torch.testing.assert_close(p.log_prob(x), expected.expand(4))


@pytest.mark.parametrize("observed", [6, (3, 8, 8)], ids=str)
def test_a_mixture_starts_with_components_that_are_apart(observed):
    decoder = MixtureDecoder(2, [8], observed, components=3)
    x = torch.randint(256, (50, *decoder.event)) / 255
    decoder.start_at(x)
    centre = decoder.place.unflatten(0, (3, -1))[:, decoder.sides(decoder.event)[0]]
    spread = (x - x.mean(0)).square().mean(0).sqrt()[0]
    torch.testing.assert_close(centre[1:] - centre[:-1], (spread / 3).expand(2, *spread.shape))


@pytest.mark.parametrize("name", ["logistic", "mixture"])
def test_what_is_drawn_at_the_start_has_the_mean_and_the_spread_of_the_data(name):
    torch.manual_seed(0)
    x = (255 * (0.5 + 0.08 * torch.randn(500, 6))).round().clamp(0, 255) / 255
    decoder = DECODERS[name](2, [8], 6)
    decoder.start_at(x)
    drawn = decoder(torch.zeros(2)).sample((4000,))
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), x.std(0), atol=0, rtol=0.2)


def test_what_one_peak_cannot_say_a_mixture_learns():
    """Pixels of one of two levels, whatever z is: a bit each, to which no logistic comes near."""
    torch.manual_seed(0)
    x = torch.where(torch.rand(500, 4) < 0.5, 0.2, 0.8)
    reached = {}
    for name in ("logistic", "mixture"):
        decoder = DECODERS[name](1, [4], 4, levels=11)
        model = VAE(StandardNormal(1), GaussianEncoder(4, [4], 1), decoder)
        model.start_at(x)
        fit(model, x, epochs=60, batch_size=100, learning_rate=0.03, seed=0)
        reached[name] = evaluate(model, x).bits
    assert 0.9 < reached["mixture"] < 1.1
    assert reached["logistic"] > 1.5


def test_only_decoders_of_levels_are_told_how_many():
    assert [name for name in DECODERS if levelled(name)] == ["logistic", "mixture"]


test_bad_counts_raise_by_name = refused(
    (lambda: LogisticDecoder(2, [8], 6, levels=1), "levels must be a whole number of at least"),
    (lambda: MixtureDecoder(2, [8], 6, levels=10**6), "levels must be at most 65,536"),
    (lambda: MixtureDecoder(2, [8], 6, components=0), "components must be a whole number"),
)
