"""What a loss takes of μ, the second head and z, of losses whose coefficients are written down."""

import pytest
import torch

from tests.audit.probes import begin, closed_form, drawn, powers, squares
from vaelib.audit import noisy
from vaelib.audit.divergence import RANGES, Divergence
from vaelib.audit.forms import read_within
from vaelib.audit.heads import READINGS
from vaelib.audit.noisy import find_noisy_divergence
from vaelib.audit.shapes import BINARY
from vaelib.audit.terms import BACKWARD, CATEGORICAL, CODEBOOK, FORWARD, GIVEN, SAMPLED

NEAR = RANGES[0]
OWN = torch.tensor([[0.5, 0, 0.5, -0.5], [0.25, -1, 0.25, -0.5]]).double()


def of(form, *shares, **more):
    return Divergence(form, "σ", *shares, **more)


@pytest.mark.parametrize(
    ("found", "standard", "prior"),
    [
        (of(FORWARD, 0.5, 0, 0.5, -0.5), True, (0, 1)),
        (of(FORWARD, 0.5, 0, 0.52, -0.5, error=0.005), True, (0, 1)),
        (of(FORWARD, 0.5, 0, 0.52, -0.5), False, None),
        (of(FORWARD, 0.5, 0.01, 0.5, -0.5), False, (-0.01, 1)),
        (of(FORWARD, 0.25, -1.0, 0.25, -0.5), False, (2, 2)),
        (of(FORWARD, 0.25, -1.0, 0.26, -0.5, error=0.003), False, (2, 2)),
        (of(FORWARD, 0.5, 0, 0.5, 0.5), False, None),
        (of(FORWARD, 0, 0, 0, -0.5), False, None),
        (of(FORWARD, each=OWN), False, ([0, 2], [1, 2])),
        (of(FORWARD, each=OWN * torch.tensor([[1.0], [0.2]])), False, None),
        (of(SAMPLED, 0.5, 0, 0.5, -0.5), True, (0, 1)),
        (of(SAMPLED, 0.5, 0, -0.5, -0.5), False, None),
        (of(BACKWARD, 0.5, 0, 0.5, -0.5), False, None),
        (of(CODEBOOK, 0.5, 0, 0.5, -0.5), False, None),
        (of(GIVEN, 0.5, 0, 0.5, -0.5), True, (0, 1)),
        (Divergence(None), False, None),
    ],
)
def test_the_prior_is_told_by_the_coefficients(found, standard, prior):
    assert (found.standard, found.kl) == (standard, standard)
    if prior is None:
        assert found.prior is None
    else:
        told = [t.squeeze().tolist() for t in found.prior]
        assert told == [pytest.approx(p) for p in prior]
    assert (found.other_prior is None) is (standard or prior is None)


def test_a_kl_to_a_learned_prior_is_that_to_the_models():
    found = of(FORWARD, 0.25, -1.0, 0.25, -0.5, learned="m")
    assert (found.standard, found.kl, found.other_prior) == (False, True, None)
    assert not of(FORWARD, 0.5, 0, 0, -0.5, learned="m").kl


def loss_of(terms, images=torch.mean):
    """A squared error, and five times the sum of terms of each coordinate."""
    return lambda x_hat, x, mu, logvar: (
        squares(x_hat, x).sum() + 5 * images(terms(mu, logvar).flatten(1).sum(1))
    )


def with_z(terms):
    return lambda x_hat, x, mu, logvar, z: loss_of(lambda m, h: terms(m, h, z))(
        x_hat, x, mu, logvar
    )


def to_prior(terms):
    return lambda x_hat, x, mu, logvar, prior_mu, prior_logvar: loss_of(
        lambda m, h: terms(m, h, prior_mu, prior_logvar)
    )(x_hat, x, mu, logvar)


def part(t, share):
    """The value of t, and a share of its gradient."""
    return (1 - share) * t.detach() + share * t


def square(m, h, z):
    return (z - m) ** 2 / h.exp()


def two(m, h, prior_m, prior_h):
    return (prior_h - h - 1 + (h.exp() + (m - prior_m) ** 2) / prior_h.exp()) / 2


def balanced(m, h, *p):
    return 0.8 * two(m.detach(), h.detach(), *p) + 0.2 * two(m, h, *(t.detach() for t in p))


def negentropy(m, h):
    return 5 * m.softmax(-1) * m.log_softmax(-1)


def codes(m, h, z):
    return (z - m.detach()) ** 2 / 5 + 0.25 * (z.detach() - m) ** 2 / 5


KL = [0.5, 0, 0.5, -0.5]
READ = {  # the loss, its form, a, m, v, g, and the weight of a coordinate
    "KL": (loss_of(closed_form), FORWARD, KL, 5),
    "a fifth of its gradient": (loss_of(lambda m, h: part(closed_form(m, h), 0.2)), FORWARD, KL, 1),
    "its sign": (loss_of(lambda m, h: -closed_form(m, h)), FORWARD, KL, -5),
    "another prior": (loss_of(lambda m, h: two(m, h, 2, 0 * h)), FORWARD, [0.5, -2, 0.5, -0.5], 5),
    "μ without gradient": (
        loss_of(lambda m, h: closed_form(m.detach(), h)), FORWARD, [0, 0, 0.5, -0.5], 5,
    ),
    "a penalty on μ": (loss_of(lambda m, h: m**2 + m / 2), FORWARD, [0.5, 0.25, 0, 0], 10),
    "backward": (
        loss_of(lambda m, h: ((m**2 + 1) / h.exp() + h) / 2), BACKWARD, KL, 5,
    ),
    "log q − log p": (with_z(lambda m, h, z: (z**2 - square(m, h, z) - h) / 2), SAMPLED, KL, 5),
    "log q of detached heads": (
        with_z(lambda m, h, z: (z**2 - square(m.detach(), h.detach(), z)) / 2), SAMPLED, KL, 5,
    ),
    "the entropy exact": (with_z(lambda m, h, z: (z**2 - h) / 2), SAMPLED, KL, 5),
    "log p twice": (
        with_z(lambda m, h, z: (2 * z**2 - square(m, h, z) - h) / 2), SAMPLED, [1, 0, 1, -0.5], 5,
    ),
    "a given prior": (to_prior(two), GIVEN, KL, 5),
    "a fifth of a given prior's": (to_prior(balanced), GIVEN, KL, 1),
    "categorical": (loss_of(negentropy), CATEGORICAL, KL, 25),
    "codes": (with_z(codes), CODEBOOK, [0.5, 0, 0, 0], 0.5),
    "an unused z": (with_z(lambda m, h, z: closed_form(m, h)), FORWARD, KL, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_divergence_is_told_by_its_form_its_coefficients_and_its_weight(name):
    loss, form, shares, weight = READ[name]
    found = read_within(*begin(loss), NEAR)
    assert found.form == form
    assert [found.a, found.m, found.v, found.g] == pytest.approx(shares)
    assert found.per_latent.factor == pytest.approx(weight)
    assert powers(found.per_latent) == {"batch": -1}
    assert (found.each, found.floor, found.turn) == (None, 0, None)
    assert found.standard is (shares == KL and form != BACKWARD)
    assert found.balance == pytest.approx(4 if "fifth of a given" in name else 1)
    head_counts = bool(shares[2] or shares[3]) and form != CATEGORICAL
    assert found.reading == ("log σ²" if head_counts else None)


def test_what_a_codebook_and_a_prior_feel_is_told_apart():
    raw = read_within(*begin(with_z(codes)), NEAR).raw
    assert {name: float(c) for name, c in raw.items()} == pytest.approx(
        {"codebook": 2, "commitment": 0.5}
    )


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("where", RANGES)
def test_the_kl_is_found_under_the_reading_that_makes_it_one(name, where):
    head = READINGS[name]
    found = read_within(*begin(loss_of(
        lambda m, h: (m**2 + head.variance(h) - head.log_variance(h)) / 2
    )), where)  # fmt: skip
    assert (found.form, found.reading, found.standard) == (FORWARD, name, True)
    assert found.per_latent.factor == pytest.approx(5)


def of_each(least, most):
    return lambda t: t * torch.linspace(least, most, t.shape[-1]).double()


def test_each_coordinates_own_weight_is_told_and_is_no_kl():
    found = read_within(*begin(loss_of(lambda m, h: of_each(0.5, 2)(closed_form(m, h)))), NEAR)
    weights = found.each[:, 3] / found.each[:, 3].mean()
    assert weights.tolist() == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert found.per_latent.factor == pytest.approx(5 * 1.25)
    assert (found.kl, found.prior, found.other_prior) == (False, None, None)


def test_each_coordinates_own_prior_is_told():
    found = read_within(
        *begin(loss_of(lambda m, h: closed_form(of_each(0, 3)(m / m) - m, h))), NEAR
    )
    mean, variance = found.prior
    assert mean.tolist() == pytest.approx([0, 1, 2, 3], abs=1e-6)
    assert variance.tolist() == pytest.approx([1] * 4)
    assert not found.kl


TERMS = {
    "a KL of its own weights": loss_of(lambda m, h: of_each(0.5, 2)(closed_form(m, h))),
    **{name: READ[name][0] for name in ("another prior", "backward", "log q − log p", "codes")},
    **{name: READ[name][0] for name in ("a given prior", "categorical", "log p twice")},
}


@pytest.mark.parametrize("name", TERMS)
def test_its_terms_are_the_loss_but_for_the_error_and_constants(name):
    probe, case = begin(TERMS[name])
    found = read_within(probe, case, NEAR)
    weight = found.per_latent.at(case.sizes())
    left = [
        probe(i) - float(squares(i["x_hat"], i["x"]).sum() + weight * found.terms(i))
        for i in drawn(probe, case)
    ]
    assert left == pytest.approx([left[0]] * len(left), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("terms", "near", "far"),
    [
        (lambda m, h: closed_form(m.clamp(max=3), h), True, False),
        (lambda m, h: closed_form(m, h) + (m - 3).clamp(max=0) ** 4, False, True),
        (lambda m, h: m**4 + h**3, False, False),
    ],
)
def test_what_holds_in_one_range_of_the_means_is_found_there_alone(terms, near, far):
    for where, standard in ((NEAR, near), (RANGES[1], far)):
        found = read_within(*begin(loss_of(terms)), where)
        assert (found is not None and found.standard) is standard


@pytest.mark.parametrize(
    ("ripple", "standard", "found"),
    [(1e-6, True, True), (1e-5, False, False), (1e-9, False, True), (1e-3, True, False)],
)
def test_what_is_no_kl_must_fit_but_for_rounding(ripple, standard, found):
    """A KL may come from an approximation; anything else is told only where it is exact."""

    def terms(m, h):
        right = closed_form(m, h) if standard else ((m**2 + 1) / h.exp() + h) / 2
        return right + ripple * (30 * m).sin()

    assert (read_within(*begin(loss_of(terms)), NEAR) is not None) is found


def test_a_loss_that_takes_neither_head_has_no_divergence():
    found = read_within(*begin(lambda x_hat, x, mu, logvar: squares(x_hat, x).sum()), NEAR)
    assert found is None


def drawn_once(name="log σ²", weight=2.0, mean=0.0):
    """log q − log p with one ε for all coordinates, and a term of the mean."""
    head = READINGS[name]

    def loss(x_hat, x, mu, logvar):
        sigma, noise = head.variance(logvar).sqrt(), torch.randn((), dtype=mu.dtype)
        kl = 0.5 * ((mu + sigma * noise) ** 2 - noise**2) - sigma.log() + mean * mu
        return squares(x_hat, x).sum() + weight * kl.sum(1).mean()

    return loss


@pytest.mark.parametrize("name", ["log σ²", "σ"])
@pytest.mark.parametrize(("weight", "mean"), [(2.0, 0.0), (-0.5, 0.25)])
def test_a_sampled_kl_is_exact_but_for_the_variance_which_is_averaged(
    monkeypatch, name, weight, mean
):
    monkeypatch.setattr(noisy, "SEEDS", 7)
    found = find_noisy_divergence(*begin(drawn_once(name, weight, mean)))
    squared = torch.stack([
        torch.randn((), generator=torch.Generator().manual_seed(s), dtype=torch.float64) ** 2
        for s in range(7)
    ])  # fmt: skip
    assert (found.form, found.reading) == (FORWARD, name)
    assert (found.a, found.g) == pytest.approx((0.5, -0.5))
    assert found.m == (pytest.approx(mean) if mean else 0)
    assert found.v == pytest.approx(float(squared.mean()) / 2)
    assert found.error == pytest.approx(float(squared.std()) / 2 / 7**0.5)
    assert found.per_latent.factor == pytest.approx(weight)
    assert powers(found.per_latent) == {"batch": -1}


def test_black_and_white_pixels_stay_so_where_a_loss_draws_noise(monkeypatch):
    monkeypatch.setattr(noisy, "SEEDS", 2)

    def loss(x_hat, x, mu, logvar):
        assert ((x == 0) | (x == 1)).all()
        return drawn_once()(x_hat, x, mu, logvar)

    assert find_noisy_divergence(*begin(loss, ranges={"x": BINARY})).form == FORWARD


def test_noise_in_no_known_divergence_is_told_as_none():
    def loss(x_hat, x, mu, logvar):
        return (mu + logvar.exp() * torch.randn_like(mu)).sin().sum()

    assert find_noisy_divergence(*begin(loss)) == Divergence(None)
