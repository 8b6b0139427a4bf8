"""How an audit reads what a loss takes of μ, the second head and z."""

from math import exp, log

import pytest
import torch

from tests.audit.probes import begin, closed_form, powers, squares
from vaelib.audit import divergence
from vaelib.audit.divergence import (
    BACKWARD,
    FAR,
    FORWARD,
    NEAR,
    SAMPLED,
    Divergence,
    columns,
    per_coordinate,
    read_within,
    still,
    values,
)
from vaelib.audit.fit import Fit
from vaelib.audit.heads import READINGS

POINT = {
    "mu": torch.tensor([[3.0, -1.0]]),
    "logvar": torch.tensor([[log(4), 0.0]]),
    "z": torch.tensor([[[5.0, 1.0]]]),
}  # σ² = 4 and 1 where the head is log σ², 16 and 1 where it is log σ


@pytest.mark.parametrize(
    ("form", "name", "sums"),
    [
        (FORWARD, "log σ²", [10, 2, 5, log(4)]),
        (FORWARD, None, [10, 2, 5, log(4)]),
        (FORWARD, "log σ", [10, 2, 17, log(16)]),
        (BACKWARD, "log σ²", [9 / 4 + 1, 1 / 4 + 1, log(4)]),
        (BACKWARD, "log σ", [9 / 16 + 1, 1 / 16 + 1, log(16)]),
        (SAMPLED, "log σ²", [26, 2**2 / 4 + 2**2, log(4)]),
        (SAMPLED, "log σ", [26, 2**2 / 16 + 2**2, log(16)]),
    ],
)
def test_the_terms_of_a_form_are_summed_over_coordinates(form, name, sums):
    assert [float(term) for term in columns(form, name, POINT)] == pytest.approx(sums)


@pytest.mark.parametrize(
    ("found", "total"),
    [
        (Divergence(FORWARD, "log σ²", a=2, m=3, v=5, g=7), 20 + 6 + 25 + 7 * log(4)),
        (Divergence(FORWARD, None, a=2, m=3), 20 + 6),
        (Divergence(BACKWARD, "log σ", a=2, v=5, g=7), 3.125 + 5.3125 + 7 * log(16)),
        (Divergence(SAMPLED, "log σ²", a=2, v=5, g=7), 52 + 25 + 7 * log(4)),
    ],
)
def test_what_is_found_can_be_evaluated(found, total):
    assert float(found.terms(POINT)) == pytest.approx(total)


@pytest.mark.parametrize(
    ("form", "raw", "weight"),
    [
        (FORWARD, [0.5, 0, 0.5, -0.5], 1),
        (FORWARD, [3.0, 7, 5, -2], 4),
        (FORWARD, [3.0, 7, 5, 2], -4),
        (BACKWARD, [3.0, 5, 2], 4),
        (SAMPLED, [3.0, 5, -2], 4),
        (FORWARD, [3.0, 7, 5, 0], 6),
        (FORWARD, [3.0, 7, 5, 1e-9], 6),
        (FORWARD, [3e-4, 7e-4, 5e-4, -2e-4], 4e-4),
        (BACKWARD, [3.0, 5, 0], 6),
        (SAMPLED, [-3.0, 5, 0], -6),
    ],
)
def test_the_weight_of_a_coordinate_is_told_by_its_logarithm_else_by_the_mean(form, raw, weight):
    assert float(per_coordinate(form, torch.tensor(raw))) == pytest.approx(weight)


@pytest.mark.parametrize(
    ("form", "raw", "expected"),
    [
        (FORWARD, [6.0, 2, 3, -2], Divergence(FORWARD, "σ", a=1.5, m=0.5, v=0.75, g=-0.5)),
        (FORWARD, [6e-6, 2e-6, 3e-6, -2e-6], Divergence(FORWARD, "σ", 1.5, 0.5, 0.75, -0.5)),
        (FORWARD, [2.0, 0, 0, 0], Divergence(FORWARD, None, a=0.5)),
        (FORWARD, [2.0, 1, 1e-8, -1e-8], Divergence(FORWARD, None, a=0.5, m=0.25)),
        (FORWARD, [0.0, 0, 0, -2], Divergence(FORWARD, "σ", g=-0.5)),
        (FORWARD, [2.0, 0, 1, 0], Divergence(FORWARD, "σ", a=0.5, v=0.25)),
        (BACKWARD, [6.0, 3, 2], Divergence(BACKWARD, "σ", a=1.5, v=0.75, g=0.5)),
        (SAMPLED, [6.0, 3, -2], Divergence(SAMPLED, "σ", a=1.5, v=0.75, g=-0.5)),
        (FORWARD, [0.0, 0, 0, 0], Divergence(None)),
    ],
)
def test_coefficients_are_shares_of_the_weight_and_nothing_below_rounding(form, raw, expected):
    found = divergence._shares(form, "σ", Fit(torch.tensor([*raw, 99.0]).double(), 0.0))
    names = ("a", "m", "v", "g")
    assert (found.form, found.reading) == (expected.form, expected.reading)
    for name in names:
        share = getattr(expected, name)
        assert getattr(found, name) == (pytest.approx(share) if share else 0)


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
    ("form", "given", "shares"),
    [
        (FORWARD, {"a": 1, "m": 2, "v": 3, "g": -0.5}, [1, 2, 3, -0.5]),
        (FORWARD, {"a": -0.5, "v": -0.5, "g": 0.5}, [0.5, 0, 0.5, -0.5]),
        (BACKWARD, {"a": 0.5, "v": 0.5, "g": 0.5}, [0.5, 0, 0.5, 0.5]),
        (BACKWARD, {"a": 2, "v": 1, "g": 0.5}, [2, 0, 1, 0.5]),
    ],
)
def test_what_is_no_kl_is_told_by_its_coefficients(form, name, given, shares):
    found = read_within(*begin(loss_of(gaussian_terms(form, name, **given))), NEAR)
    weight = -5 if given["a"] < 0 else 5
    assert about(found) == (form, name, shares, weight)
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


def test_a_loss_that_leaves_z_out_is_read_without_it():
    found = read_within(*begin(with_z(lambda mu, logvar, z: closed_form(mu, logvar))), NEAR)
    assert about(found) == (FORWARD, "log σ²", [0.5, 0, 0.5, -0.5], 5)


def test_a_penalty_on_the_means_alone_needs_no_reading_of_the_second_head():
    found = read_within(*begin(loss_of(lambda mu, logvar: mu**2 + mu / 2)), NEAR)
    assert about(found) == (FORWARD, None, [0.5, 0.25, 0, 0], 10)
    assert powers(found.per_latent) == {"batch": -1}


@pytest.mark.parametrize(
    ("latents", "images", "expected"),
    [
        (torch.sum, torch.sum, {}),
        (torch.mean, torch.sum, {"latents": -1}),
        (torch.mean, torch.mean, {"batch": -1, "latents": -1}),
    ],
)
def test_the_weight_of_a_coordinate_tells_what_is_averaged(latents, images, expected):
    found = read_within(*begin(loss_of(closed_form, latents, images)), NEAR)
    assert found.per_latent.factor == pytest.approx(5)
    assert powers(found.per_latent) == expected


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


@pytest.mark.parametrize(
    ("terms", "forms"),
    [
        (lambda mu, logvar, z: z * logvar, [SAMPLED]),
        (lambda mu, logvar, z: mu * logvar, [FORWARD, BACKWARD]),
    ],
)
def test_forms_with_z_are_tried_where_the_loss_takes_z(terms, forms):
    probe, case = begin(with_z(terms))
    tried = divergence._forms(probe, *values(probe, case, 3))
    assert tried == [(form, name) for form in forms for name in READINGS]
    probe, case = begin(loss_of(lambda mu, logvar: mu))
    tried = divergence._forms(probe, *values(probe, case, 3))
    assert tried == [(form, name) for form in (FORWARD, BACKWARD) for name in READINGS]


def scaled(x_hat, x, mu, logvar, scale):
    error = squares(x_hat, x) / scale.exp() + scale / 2
    return error.sum() + 5 * closed_form(mu, logvar).sum()


def test_all_but_the_heads_is_held_still_at_a_middle_grey():
    probe, case = begin(scaled)
    held = still(probe, case, torch.Generator().manual_seed(0))
    assert set(held) == {"x_hat", "x", "scale"}
    assert torch.equal(held["x_hat"], torch.full((3, 5), 0.5, dtype=torch.float64))
    assert held["x"].shape == held["scale"].shape == (3, 5)
    inputs, y = values(probe, case, 3)
    assert len(inputs) == len(y) == 3
    assert [float(scaled(**each)) for each in inputs] == pytest.approx(y.tolist(), rel=1e-12)
    for role in ("x_hat", "x", "scale"):
        assert torch.equal(inputs[0][role], inputs[1][role])
    for role in ("mu", "logvar"):
        assert not torch.equal(inputs[0][role], inputs[1][role])


def test_a_decoders_scale_does_not_disturb_the_divergence():
    found = read_within(*begin(scaled), NEAR)
    assert about(found) == (FORWARD, "log σ²", [0.5, 0, 0.5, -0.5], 5)


def test_a_prior_of_another_mean_and_variance_is_told():
    """The KL to N(1, e) of each coordinate."""

    def terms(mu, logvar):
        return 0.5 * (((mu - 1) ** 2 + logvar.exp()) / exp(1) - logvar)

    found = read_within(*begin(loss_of(terms)), NEAR)
    assert not found.standard
    assert found.other_prior == pytest.approx((1, exp(1)))
    assert found.per_latent.factor == pytest.approx(5)


def test_the_callers_noise_is_left_alone():
    before = torch.get_rng_state()
    read_within(*begin(scaled), NEAR)
    assert torch.equal(torch.get_rng_state(), before)
