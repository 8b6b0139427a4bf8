"""How an audit reads floors and turns near the prior, and a divergence by a loss's own noise."""

import pytest
import torch

from tests.audit.probes import begin, closed_form, powers, squares
from vaelib.audit import divergence
from vaelib.audit.divergence import BACKWARD, FORWARD, Divergence, find_noisy_divergence
from vaelib.audit.heads import READINGS
from vaelib.audit.near_prior import find_divergence
from vaelib.audit.shapes import BINARY

STANDARD = (FORWARD, "log σ²", 0.5, 0.0, 0.5, -0.5)


def loss_of(divergence):
    """A squared error, and what a function makes of the KL of each coordinate, each image."""

    def loss(x_hat, x, mu, logvar):
        return squares(x_hat, x).sum() + divergence(closed_form(mu, logvar))

    return loss


def about(found):
    shares = (round(share, 6) + 0.0 for share in (found.a, found.m, found.v, found.g))
    return (found.form, found.reading, *shares)


@pytest.mark.parametrize(
    ("floor", "whose", "weight", "divergence", "expected"),
    [
        (0.1, "coordinate", 2, lambda kl: 2 * kl.clamp(min=0.1).sum(1).mean(), {"batch": -1}),
        (0.5, "coordinate", 3, lambda kl: 3 * kl.clamp(min=0.5).sum(), {}),
        (6, "image", 2, lambda kl: 2 * kl.sum(1).clamp(min=6).mean(), {"batch": -1}),
        (6, "image", 3, lambda kl: 3 * (kl.sum(1) - 6).relu().sum(), {}),
        (6, "batch", 2, lambda kl: 2 * kl.sum(1).mean().clamp(min=6), {"batch": -1}),
        (2, "coordinate", -2, lambda kl: -2 * kl.clamp(min=2).sum(1).mean(), {"batch": -1}),
    ],
)
def test_a_floor_is_told_in_nats_and_whose_it_is(floor, whose, weight, divergence, expected):
    found = find_divergence(*begin(loss_of(divergence)))
    assert about(found) == STANDARD
    assert (found.floor_of, found.turn) == (whose, None)
    assert found.floor == pytest.approx(floor)
    assert found.per_latent.factor == pytest.approx(weight)
    assert powers(found.per_latent) == expected


def sigma_with_a_floor(x_hat, x, mu, sigma):
    kl = 0.5 * (mu**2 + sigma**2 - 1) - sigma.log()
    return squares(x_hat, x).sum() + kl.clamp(min=0.5).sum()


def unused_z_with_a_floor(x_hat, x, mu, logvar, z):
    return squares(x_hat, x).sum() + closed_form(mu, logvar).clamp(min=0.5).sum()


@pytest.mark.parametrize(
    ("loss", "name"), [(sigma_with_a_floor, "σ"), (unused_z_with_a_floor, "log σ²")]
)
def test_a_floor_is_told_of_any_second_head_and_beside_an_unused_z(loss, name):
    found = find_divergence(*begin(loss))
    assert (found.reading, found.floor_of) == (name, "coordinate")
    assert found.floor == pytest.approx(0.5)


def bent(kl, first, second, at):
    """One weight up to a KL, another beyond."""
    return first * kl.clamp(max=at) + second * (kl - at).relu()


@pytest.mark.parametrize(
    ("divergence", "turn", "weight"),
    [
        (lambda kl: bent(kl.sum(1), 2, 6, 20).mean(), (20, 3), 2),
        (lambda kl: bent(kl.sum(1), 2, 3, 25).mean() + 7, (25, 1.5), 2),
        (lambda kl: bent(kl.sum(1), 6, 2, 20).sum(), (20, 1 / 3), 6),
        (lambda kl: bent(kl.sum(1), -3, 3, 20).sum(), (20, -1), -3),
    ],
)
def test_a_turn_is_told_by_its_nats_and_by_the_weight_beyond(divergence, turn, weight):
    found = find_divergence(*begin(loss_of(divergence)))
    assert about(found) == STANDARD
    assert found.turn == pytest.approx(turn)
    assert (found.floor, found.floor_of) == (0, "")
    assert found.per_latent.factor == pytest.approx(weight)


FAR_FROM_IT = 3.5  # beyond every mean that is tried near the prior


def joined(near, far):
    """One divergence for means below 3.5, another for those beyond."""

    def loss(x_hat, x, mu, logvar):
        terms = torch.where(mu < FAR_FROM_IT, near(mu, logvar), far(mu, logvar))
        return squares(x_hat, x).sum() + 2 * terms.sum()

    return loss


def nameless(mu, logvar):
    return mu**4 + logvar**3


def doubled(mu, logvar):
    return closed_form(mu, logvar) + mu**2 / 2


def reverse(mu, logvar):
    return 0.5 * ((mu**2 + 1) * (-logvar).exp() + logvar - 1)


KL, DOUBLED, NONE = STANDARD, (FORWARD, "log σ²", 1, 0, 0.5, -0.5), (None, None, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        (closed_form, closed_form, KL),
        (closed_form, nameless, KL),
        (closed_form, doubled, KL),
        (doubled, closed_form, DOUBLED),
        (doubled, doubled, DOUBLED),
        (nameless, doubled, DOUBLED),
        (reverse, reverse, (BACKWARD, "log σ²", 0.5, 0, 0.5, 0.5)),
        (nameless, nameless, NONE),
    ],
)
def test_what_is_found_near_the_prior_comes_first(near, far, expected):
    found = find_divergence(*begin(joined(near, far)))
    assert about(found) == expected
    assert (found.turn, found.floor, found.floor_of) == (None, 0, "")


def sampled(mu, sigma, noise):
    """log q − log p at z = μ + σε."""
    return 0.5 * ((mu + sigma * noise) ** 2 - noise**2) - sigma.log()


def drawn_once(name="log σ²", weight=2.0, mean=0.0):
    """log q − log p with one ε for all coordinates, and a term of the mean."""
    head = READINGS[name]

    def loss(x_hat, x, mu, logvar):
        sigma = head.variance(logvar).sqrt()
        kl = sampled(mu, sigma, torch.randn((), dtype=mu.dtype)) + mean * mu
        return squares(x_hat, x).sum() + weight * kl.sum(1).mean()

    return loss


def seeded(seeds):
    """ε² of each seed."""
    return torch.stack([
        torch.randn((), generator=torch.Generator().manual_seed(s), dtype=torch.float64) ** 2
        for s in range(seeds)
    ])  # fmt: skip


@pytest.mark.parametrize("name", ["log σ²", "σ"])
@pytest.mark.parametrize(("weight", "mean"), [(2.0, 0.0), (-0.5, 0.25)])
def test_a_sampled_kl_is_exact_but_for_the_variance_which_is_averaged(
    monkeypatch, name, weight, mean
):
    monkeypatch.setattr(divergence, "SEEDS", 7)
    found = find_noisy_divergence(*begin(drawn_once(name, weight, mean)))
    squared = seeded(7)
    assert (found.form, found.reading) == (FORWARD, name)
    assert (found.a, found.g) == pytest.approx((0.5, -0.5))
    assert found.m == (pytest.approx(mean) if mean else 0)
    assert found.v == pytest.approx(float(squared.mean()) / 2)
    assert found.error == pytest.approx(float(squared.std()) / 2 / 7**0.5)
    assert found.per_latent.factor == pytest.approx(weight)
    assert powers(found.per_latent) == {"batch": -1}


def test_black_and_white_pixels_stay_so_where_a_loss_draws_noise(monkeypatch):
    monkeypatch.setattr(divergence, "SEEDS", 2)
    right = drawn_once()

    def loss(x_hat, x, mu, logvar):
        assert ((x == 0) | (x == 1)).all()
        return right(x_hat, x, mu, logvar)

    found = find_noisy_divergence(*begin(loss, ranges={"x": BINARY}))
    assert (found.form, found.reading) == (FORWARD, "log σ²")


def test_noise_in_no_known_divergence_is_told_as_none():
    def loss(x_hat, x, mu, logvar):
        return (mu + logvar.exp() * torch.randn_like(mu)).sin().sum()

    assert find_noisy_divergence(*begin(loss)) == Divergence(None)
