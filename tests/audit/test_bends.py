"""Floors and turns of the KL, wherever they lie, of losses that have them at a known place."""

from math import inf

import pytest
import torch

from tests.audit.probes import closed_form, powers, squares
from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.terms import BACKWARD, FORWARD, GIVEN


def found(divergence):
    """Of a squared error, and what a function makes of the KL of each coordinate, each image."""
    return audit(
        lambda x_hat, x, mu, logvar: squares(x_hat, x).sum() + divergence(closed_form(mu, logvar))
    ).divergence


IMAGE, BATCH, EACH = "an image's KL", "the batch's mean KL", "each coordinate's KL"
# what is made of a KL by a function of one number, and whose KL that number is
WHOSE = {
    EACH: lambda f, kl: f(kl).sum(1).mean(),
    IMAGE: lambda f, kl: f(kl.sum(1)).mean(),
    BATCH: lambda f, kl: f(kl.sum(1).mean()),
    f"{EACH}, averaged over the batch": lambda f, kl: f(kl.mean(0)).sum(),
    "the KL of each 2 coordinates": lambda f, kl: f(kl.unflatten(1, (-1, 2)).sum(2)).sum(1).mean(),
}


FLOORS = [(0.05, 2), (33, -2), (1, 1), (0.05, 1e-3), (100, 1)]


@pytest.mark.parametrize(("whose", "floor"), [*zip(WHOSE, FLOORS, strict=True)])
def test_a_floor_is_told_in_nats_and_whose_it_is(whose, floor):
    nats, weight = floor
    told = found(lambda kl: weight * WHOSE[whose](lambda t: t.clamp(min=nats), kl))
    assert (told.form, told.standard) == (FORWARD, True)
    assert told.floor == told.bend.nats
    assert told.bend == (pytest.approx(nats, rel=1e-3), inf, whose, False)
    assert told.per_latent.factor == pytest.approx(weight)
    assert powers(told.per_latent) == {"batch": -1}


@cases(
    (lambda kl: kl + (kl - 60).relu() ** 2 / 100, True),
    (lambda kl: kl.clamp(1, 50), True),
    (lambda kl: kl.clamp(min=1) + kl.clamp(min=70), True),
    (lambda kl: kl + 7, False),
    (lambda kl: kl + 0.9e-3 * kl.clamp(min=50), False),
    (lambda kl: kl.clamp(min=1e-5, max=1e4), False),
)
def test_a_weight_that_changes_otherwise_than_at_one_place_is_told_as_such(divergence, gradual):
    told = found(lambda kl: divergence(kl.sum(1)).mean())
    assert (told.standard, told.gradual) == (True, gradual)
    assert told.bend is None


def sigma(x_hat, x, mu, sigma):
    kl = 0.5 * (mu**2 + sigma**2 - 1) - sigma.log()
    return squares(x_hat, x).sum() + kl.clamp(min=0.5).sum()


def given(x_hat, x, mu, logvar, prior_mu, prior_logvar):
    kl = closed_form((mu - prior_mu) / (prior_logvar / 2).exp(), logvar - prior_logvar)
    return squares(x_hat, x).sum() + kl.clamp(min=0.5).sum()


@cases(
    (sigma, FORWARD, "σ"),
    (given, GIVEN, "log σ²"),
)
def test_a_floor_is_told_of_any_second_head_and_under_a_given_prior(loss, form, head):
    told = audit(loss).divergence
    assert (told.form, told.reading) == (form, head)
    assert told.bend == (pytest.approx(0.5, rel=1e-3), inf, EACH, False)


def joined(near, far):
    """One divergence for means near the prior, another for those beyond."""

    def loss(x_hat, x, mu, logvar):
        terms = torch.where(mu < 3.5, near(mu, logvar), far(mu, logvar))
        return squares(x_hat, x).sum() + 2 * terms.sum()

    return loss


def nameless(mu, logvar):
    return mu**4 + logvar**3


def doubled(mu, logvar):
    return closed_form(mu, logvar) + mu**2 / 2


def of_sigma(mu, sigma):
    return closed_form(mu, 2 * sigma.log())


def reverse(mu, logvar):
    return 0.5 * ((mu**2 + 1) * (-logvar).exp() + logvar - 1)


KL, DOUBLED, NONE = (FORWARD, 0.5, 0.5, -0.5), (FORWARD, 1, 0.5, -0.5), (None, 0, 0, 0)


@cases(
    (nameless, closed_form, KL),
    (nameless, of_sigma, KL),
    (doubled, closed_form, DOUBLED),
    (doubled, doubled, DOUBLED),
    (nameless, doubled, NONE),
    (reverse, reverse, (BACKWARD, 0.5, 0.5, -0.5)),
    (nameless, nameless, NONE),
)
def test_what_is_found_near_the_prior_comes_first_and_only_a_kl_is_looked_for_beyond(
    near, far, expected
):
    told = audit(joined(near, far)).divergence
    a, _, v, g = told.mean
    assert (told.form, a, v, g) == (expected[0], *map(pytest.approx, expected[1:]))
