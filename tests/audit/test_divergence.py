"""How an audit reads what a loss takes of μ, the second head and z."""

import pytest
import torch

from tests.audit.probes import begin, closed_form, powers, squares
from vaelib.audit.divergence import (
    BACKWARD,
    FAR,
    FORWARD,
    NEAR,
    SAMPLED,
    Divergence,
    read_within,
)
from vaelib.audit.heads import READINGS


@pytest.mark.parametrize(
    ("found", "standard", "prior"),
    [
        (Divergence(FORWARD, "σ", 0.5, 0, 0.5, -0.5), True, None),
        (Divergence(FORWARD, "σ", 0.5, 0, 0.52, -0.5, error=0.005), True, None),
        (Divergence(FORWARD, "σ", 0.5, 0, 0.52, -0.5), False, None),
        (Divergence(FORWARD, "σ", 0.5, 0.01, 0.5, -0.5), False, (-0.01, 1)),
        (Divergence(FORWARD, "σ", 0.25, -1.0, 0.25, -0.5), False, (2, 2)),
        (Divergence(FORWARD, "σ", 0.25, -1.0, 0.26, -0.5, error=0.003), False, (2, 2)),
        (Divergence(FORWARD, "σ", 0.5, 0, 0.5, 0.5), False, None),
        (Divergence(FORWARD, "σ", 0, 0, 0, -0.5), False, None),
        (Divergence(SAMPLED, "σ", 0.5, 0, -0.5, -0.5), True, None),
        (Divergence(SAMPLED, "σ", 0.5, 0, 0.5, -0.5), False, None),
        (Divergence(BACKWARD, "σ", 0.5, 0, 0.5, 0.5), False, None),
        (Divergence(None), False, None),
    ],
)
def test_the_prior_is_told_by_the_coefficients(found, standard, prior):
    assert found.standard is standard
    assert found.other_prior == (pytest.approx(prior) if prior else None)


def gaussian_terms(form, name, a=0.0, m=0.0, v=0.0, g=0.0):
    """The sums of a form with these coefficients, written without the room's own functions."""
    head = READINGS[name]

    def terms(mu, logvar, z=None):
        variance, logarithm = head.variance(logvar), head.log_variance(logvar)
        if form == FORWARD:
            return a * mu**2 + m * mu + v * variance + g * logarithm
        if form == BACKWARD:
            return (a * mu**2 + v) / variance + g * logarithm
        return a * z**2 + v * (z - mu) ** 2 / variance + g * logarithm

    return terms


def loss_of(terms, latents=torch.sum, images=torch.mean):
    """Five times the terms, and a squared error."""

    def loss(x_hat, x, mu, logvar):
        return squares(x_hat, x).sum() + 5 * images(latents(terms(mu, logvar), 1))

    return loss


def with_z(terms):
    def loss(x_hat, x, mu, logvar, z):
        return squares(x_hat, x).sum() + 5 * terms(mu, logvar, z).sum(1).mean()

    return loss


def about(found):
    """Its coefficients, rounded, and the weight of a coordinate."""
    shares = [round(share, 6) for share in (found.a, found.m, found.v, found.g)]
    return found.form, found.reading, shares, round(found.per_latent.factor, 6)


KL = {"a": 0.5, "v": 0.5, "g": -0.5}


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("where", [NEAR, FAR])
def test_the_kl_is_found_under_the_reading_that_makes_it_one(name, where):
    found = read_within(*begin(loss_of(gaussian_terms(FORWARD, name, **KL))), where)
    assert about(found) == (FORWARD, name, [0.5, 0, 0.5, -0.5], 5)
    assert found.standard
    assert powers(found.per_latent) == {"batch": -1}


@pytest.mark.parametrize("name", ["log σ²", "σ"])
@pytest.mark.parametrize(
    ("a", "v", "g", "standard"), [(0.5, -0.5, -0.5, True), (2, -1, -0.5, False)]
)
def test_a_divergence_at_a_sample_is_told(name, a, v, g, standard):
    terms = gaussian_terms(SAMPLED, name, a, v=v, g=g)
    found = read_within(*begin(with_z(terms)), NEAR)
    assert about(found) == (SAMPLED, name, [a, 0, v, g], 5)
    assert found.standard is standard


def test_a_penalty_on_the_means_alone_needs_no_reading_of_the_second_head():
    found = read_within(*begin(loss_of(lambda mu, logvar: mu**2 + mu / 2)), NEAR)
    assert about(found) == (FORWARD, None, [0.5, 0.25, 0, 0], 10)
    assert powers(found.per_latent) == {"batch": -1}


@pytest.mark.parametrize(
    ("terms", "near", "far"),
    [
        (lambda mu, h: closed_form(mu.clamp(max=3), h), True, False),
        (lambda mu, h: closed_form(mu, h) + (mu - 3).clamp(max=0) ** 4, False, True),
        (lambda mu, h: mu**4 + h**3, False, False),
    ],
)
def test_what_holds_in_one_range_of_the_means_is_found_there_alone(terms, near, far):
    begun = begin(loss_of(terms))
    for where, standard in ((NEAR, near), (FAR, far)):
        found = read_within(*begun, where)
        assert (found is not None and found.standard) is standard


@pytest.mark.parametrize(
    ("ripple", "standard", "found"),
    [(1e-5, True, True), (1e-5, False, False), (1e-8, False, True), (1e-2, True, False)],
)
def test_what_is_no_kl_must_fit_but_for_rounding(ripple, standard, found):
    """A KL may come from an approximation; anything else is told only where it is exact."""

    def terms(mu, logvar):
        right = gaussian_terms(FORWARD, "log σ²", **KL | ({} if standard else {"a": 2}))
        return right(mu, logvar) + ripple * (30 * mu).sin()

    assert (read_within(*begin(loss_of(terms)), NEAR) is not None) is found


def test_a_loss_that_takes_neither_head_has_no_divergence():
    found = read_within(*begin(lambda x_hat, x, mu, logvar: squares(x_hat, x).sum()), NEAR)
    assert found == Divergence(None)
