"""Distributions over levels: exact at any scale; their table, their draws and their mean agree."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from tests.cases import refused
from vaelib.distributions import (
    bernoulli,
    categorical_levels,
    discretised_logistic,
    logistic_mixture,
)
from vaelib.validation import unexamined

COUNT = 4
IMAGE, PIXEL = (3, 2, 2), (3,)


def numbers(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape))).double()


def mixture(event, *batch):
    front = (*batch, 2, *event)
    return logistic_mixture(numbers(*front), numbers(*front), -2.0, COUNT, rank=len(event))


def colour(event, *batch):
    """Components that lie near and beyond the edges, whose channels lean on one another."""
    front = (*batch, 5)
    mu, coefficients = numbers(*front, *event), numbers(*front, *event)
    logits = numbers(*front, *event[1:])
    return logistic_mixture(logits, mu, mu - 1.5, COUNT, coefficients, len(event))


KINDS = {
    "bernoulli": lambda event, *batch: bernoulli(numbers(*batch, *event), len(event)),
    "categorical": lambda event, *batch: categorical_levels(
        numbers(*batch, *event, COUNT), len(event)
    ),
    "logistic": lambda event, *batch: discretised_logistic(
        numbers(*batch, *event), numbers(*event) - 1, COUNT, len(event)
    ),
    "mixture": mixture,
    "colour": colour,
}


def some(p, *front):
    """Levels, drawn without regard to what is likely."""
    return torch.randint(p.levels, (*front, *p.event_shape)).double() / (p.levels - 1)


def every(p):
    """All that a pixel of three channels can be, and how likely each is."""
    x = torch.cartesian_prod(*[torch.linspace(0, 1, p.levels).double()] * 3)
    return x, p.log_prob(x).exp()


@pytest.mark.parametrize(("front", "batch"), [((), ()), ((6, 5), (5,)), ((5,), ()), ((), (5,))])
@pytest.mark.parametrize("kind", KINDS)
def test_the_table_adds_up_to_one_and_log_prob_is_what_it_says_of_x(kind, front, batch):
    p = KINDS[kind](IMAGE, *batch)
    x = some(p, *front)
    table, rows = p.conditional(x), front or batch
    assert (p.batch_shape, p.event_shape) == (batch, IMAGE)
    assert p.rounds == (3 if kind == "colour" else 1)
    assert table.shape == (*rows, *IMAGE, p.levels)
    torch.testing.assert_close(table.exp().sum(-1), torch.ones(*rows, *IMAGE).double())
    k = (x * (p.levels - 1)).round().long().expand(table.shape[:-1])
    own = table.gather(-1, k[..., None]).squeeze(-1)
    torch.testing.assert_close(p.log_prob(x), own.sum((-1, -2, -3)))


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_pixel_can_be_adds_up_to_one_and_is_drawn_as_often(kind):
    torch.manual_seed(0)
    p, count = KINDS[kind](PIXEL), 40_000
    x, expected = every(p)
    assert expected.sum() == pytest.approx(1)
    drawn = p.sample((count,))
    found = (drawn[:, None] - x).abs().amax(-1).lt(1e-6).double().mean(0)
    assert found.sum() == pytest.approx(1)
    deviation = (found - expected) / (expected * (1 - expected) / count).sqrt()
    assert deviation[expected > 1e-3].abs().max() < 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_that_of_all_that_a_pixel_can_be(kind):
    p = KINDS[kind](PIXEL)
    x, probability = every(p)
    mean = probability @ x
    exact = 1 if kind == "colour" else 3
    torch.testing.assert_close(p.mean[:exact], mean[:exact])
    assert (p.mean - mean).abs().max() < 0.5 / (COUNT - 1)


def test_between_the_edges_the_mean_of_a_channel_that_sees_others_is_exact_too():
    mu = torch.tensor([[0.4, 0.3, 0.4], [0.5, 0.2, 0.35]]).double()
    lean = torch.tensor([[0.3, 0.2, -0.2], [-0.2, 0.1, 0.4]]).double()
    p = logistic_mixture(torch.tensor([0.3, -0.5]).double(), mu, -4.0, 30, lean)
    x, probability = every(p)
    torch.testing.assert_close(p.mean, probability @ x, atol=1e-5, rtol=0)


def plainly(p, mu, s, last):
    """P(k / last) as the definition has it, by scipy."""
    k = np.arange(last + 1)
    edges = np.concatenate([[-np.inf], (k[1:] - 0.5) / last, [np.inf]])
    below = scipy.stats.logistic.cdf(edges, mu, s)
    above = scipy.stats.logistic.sf(edges, mu, s)
    return np.where(edges[1:] < mu, np.diff(below), -np.diff(above))


@pytest.mark.parametrize("levels", [2, 3, 256, 65_536])
@pytest.mark.parametrize("mu", [-0.4, 0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("s", [1e-4, 1e-2, 1.0, 1e3])
def test_levels_have_the_mass_of_scipys_logistic(levels, mu, s):
    p = discretised_logistic(torch.tensor([mu], dtype=torch.float64), math.log(s), levels)
    own = p.conditional(torch.zeros(1))[0].exp().numpy()
    np.testing.assert_allclose(own, plainly(p, mu, s, levels - 1), rtol=1e-6, atol=1e-14)


def test_channels_see_those_before_them_as_in_pixelcnn():
    """Against the definition, a component and a channel at a time."""
    p = colour(PIXEL)
    mu, lean, logits = numbers(5, 3), numbers(5, 3), numbers(5)
    x, probability = every(p)
    for (r, g, b), found in zip(x.tolist(), probability.tolist(), strict=True):
        total = 0.0
        for c, weight in enumerate(logits.softmax(-1).tolist()):
            (red, green, blue), (alpha, beta, gamma) = mu[c].tolist(), lean[c].tolist()
            centres = (red, green + alpha * r, blue + beta * r + gamma * g)
            for value, centre, s in zip((r, g, b), centres, (mu[c] - 1.5).exp(), strict=True):
                weight *= plainly(p, centre, float(s), COUNT - 1)[round(value * (COUNT - 1))]
            total += weight
        assert found == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_what_has_not_come_yet_does_not_matter(channel):
    p, x = colour(IMAGE, 5), some(colour(IMAGE), 5)
    later = x.clone()
    later[:, channel:] = torch.nan
    seen = [each[:, : channel + 1] for each in (p.conditional(x), p.conditional(later))]
    assert torch.equal(*seen)
    if channel:
        later[:, channel - 1] = 1 - x[:, channel - 1]
        assert not torch.allclose(seen[0], p.conditional(later)[:, : channel + 1])


@pytest.mark.parametrize("levels", [2, 17, 256, 65_536])
@pytest.mark.parametrize("s", [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 1e3])
def test_slopes_are_finite_in_float32_at_any_scale_in_between_and_at_both_edges(levels, s):
    """And those of float64, where float32 can tell a centre from its neighbour."""
    x = torch.tensor([0.0, 1 / (levels - 1), 1.0]).repeat_interleave(7)
    found = []
    for dtype in (torch.float32, torch.float64):
        mu = torch.tensor([-5.0, -0.01, 0.0, 0.3, 0.999, 1.0, 5.0]).to(dtype).repeat(3)
        parameters = mu, torch.full_like(mu, s).log(), torch.ones(2, len(mu), dtype=dtype)
        mu, log_scale, logits = (each.requires_grad_() for each in parameters)
        both, half = torch.stack([mu, mu + s / 2]), torch.tensor([0.0, 0.5])[:, None]
        p = logistic_mixture(logits, both, log_scale + half, levels)
        value = p.log_prob(x.to(dtype))
        value.backward()
        found.append([value, mu.grad, log_scale.grad, logits.grad])
    for single, double in zip(*found, strict=True):
        assert single.isfinite().all()
        torch.testing.assert_close(single.double(), double, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (7,), (2, 3)])
def test_samples_are_levels_and_a_larger_batch_has_the_same_law(kind, shape):
    p = KINDS[kind](IMAGE, 5)
    x = p.sample(shape)
    assert x.shape == (*shape, 5, *IMAGE)
    assert p.support.check(x).all()
    wide = p.expand((4, 5))
    assert (wide.batch_shape, wide.event_shape) == ((4, 5), IMAGE)
    x = some(p, 5)
    torch.testing.assert_close(wide.log_prob(x), p.log_prob(x).expand(4, 5))
    torch.testing.assert_close(wide.mean, p.mean.expand(4, 5, *IMAGE))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_have_no_log_prob_and_no_mean(kind):
    p = KINDS[kind](IMAGE, 0)
    assert p.log_prob(some(p, 0)).shape == (0,)
    assert p.conditional(some(p, 0)).shape == (0, *IMAGE, p.levels)
    assert p.sample().shape == p.mean.shape == (0, *IMAGE)


@pytest.mark.parametrize("levels", [2, 17, 256, 65_536])
def test_what_float32_makes_of_levels_is_taken_and_nothing_between_them(levels):
    x = torch.arange(levels) / (levels - 1)
    p = discretised_logistic(torch.zeros(levels), 0.0, levels)
    assert p.log_prob(x).isfinite()
    for wrong in (x + 0.4 / (levels - 1), x - 1 / (levels - 1), x + torch.nan):
        with pytest.raises(ValueError, match=f"x must hold the {levels} levels k / {levels - 1} "):
            p.log_prob(wrong)
        with unexamined():
            p.log_prob(wrong)


ONE, NAN = torch.zeros(1), torch.tensor([torch.nan])
THREE = torch.zeros(5, 3)


test_what_makes_no_levels_is_refused_by_name = refused(
    (lambda: discretised_logistic(torch.tensor(0.0), 0.0, 2), "mu must have an event dimens"),
    (lambda: discretised_logistic(NAN, 0.0, 2), "mu must be finite, got 1 v"),
    (lambda: discretised_logistic(ONE, NAN, 2), "log_scale must lie between -50 and 50"),
    (lambda: discretised_logistic(ONE, -51.0, 2), "log_scale must lie between -50 and 50"),
    (lambda: discretised_logistic(ONE, torch.zeros(2), 2), r"log_scale of shape \(2,\)"),
    (lambda: discretised_logistic(ONE, 0.0, 1), "levels must be a whole number of at least 2"),
    (lambda: discretised_logistic(ONE, 0.0, 65_537), "at most 65,536, got 65,537"),
    (lambda: discretised_logistic(ONE, 0.0, 2, rank=0), "rank must be a whole number"),
    (lambda: logistic_mixture(ONE, ONE, 0.0, 2), "mu must have 2 event dimensions"),
    (lambda: logistic_mixture(ONE, THREE, 0.0, 2), r"logits must have shape \(5, 3\), got"),
    (lambda: logistic_mixture(THREE + NAN, THREE, 0.0, 2), "logits must be finite, got 15"),
    (lambda: logistic_mixture(THREE, THREE, 0.0, 2, THREE), r"logits must have shape \(5\),"),
    (
        lambda: logistic_mixture(THREE[:, 0], THREE, 0.0, 2, THREE[:, 1:]),
        r"coefficients must have shape \(5, 3\), got \(5, 2\)",
    ),
    (
        lambda: logistic_mixture(THREE[:, 0], THREE, 0.0, 2, THREE + NAN),
        "coefficients must be finite",
    ),
    (lambda: categorical_levels(ONE), "logits must have 2 event dimensions"),
    (lambda: categorical_levels(THREE[:, :1]), "levels must be a whole number of at least 2"),
    (lambda: categorical_levels(THREE + NAN), "logits must be finite"),
    (lambda: categorical_levels(THREE).log_prob(torch.zeros(4)), r"x must have .*\.\., 5\), g"),
    (lambda: colour(IMAGE).conditional(torch.zeros(3, 2)), r"x must have .* 3, 2, 2\), got"),
)
