"""Both weights of an audit together: of losses that are known in every coefficient."""

from math import log, pi

import pytest

from tests.audit.kinds import bce, kl, part
from tests.audit.probes import squares
from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.value import LEFT_OUT, THERE

LOG_2PI = log(2 * pi)
D, LATENTS = 5, 4  # as it is tried first


def told(w):
    """A weight's factor, and the powers that are not 0."""
    return w and (pytest.approx(w.factor), {a: p for a, p in w.powers.items() if p != 0})


def gauss(p, x):
    """With σ² = ¼, complete."""
    return 4 * squares(p, x) + (LOG_2PI - log(4)) / 2


# the loss; then β, σ² and scale, the normaliser, the −1, and nats in excess
READ = {
    "a mean over coordinates, without the −1": (
        lambda p, x, m, h: 2 * bce(p, x).sum() + 6 * (kl(m, h) + 0.5).mean(1).sum(),
        (3, {"latents": -1}), None, (2, {}), THERE, False, 1.5,
    ),
    "a −1 that is right for four coordinates alone": (
        lambda p, x, m, h: bce(p, x).sum() + (kl(m, h) + 0.5).sum() - 2 * len(x),
        (1, {}), None, (1, {}), None, None, 0,
    ),
    "a −1 that is right for three images alone": (
        lambda p, x, m, h: bce(p, x).sum() + (kl(m, h) + 0.5).sum() - 1.5 * m.shape[1],
        (1, {}), None, (1, {}), None, None, 0,
    ),
    "a floor under each coordinate": (
        lambda p, x, m, h: 2 * bce(p, x).sum() + 3 * kl(m, h).clamp(min=0.7).sum(),
        (1.5, {}), None, (2, {}), THERE, True, 0,
    ),
    "a Gaussian with its normaliser and minus the KL": (
        lambda p, x, m, h: gauss(p, x).sum() - kl(m, h).sum(),
        (-1, {}), (0.25, {}), (1, {}), THERE, True, 0,
    ),
    "half of a Gaussian without the −1": (
        lambda p, x, m, h: (gauss(p, x).sum() + (kl(m, h) + 0.5).sum()) / 2,
        (1, {}), (0.25, {}), (0.5, {}), THERE, False, LATENTS / 2,
    ),
    "a squared error at σ² = 1": (
        lambda p, x, m, h: squares(p, x).sum() + (kl(m, h) + 0.5).sum(),
        None, None, (1, {}), LEFT_OUT, False, (LATENTS - D * LOG_2PI) / 2,
    ),
    "a normaliser that is right for five pixels alone": (
        lambda p, x, m, h: 4 * squares(p, x).sum() + len(x) * 2.5 * (LOG_2PI - log(4))
        + kl(m, h).sum(),
        None, None, (1, {}), None, None, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_weights_scale_and_constants_are_those_of_the_loss(name):
    loss, beta, variance, scale, normaliser, minus_one, constant = READ[name]
    found = audit(lambda x_hat, x, mu, logvar: loss(x_hat, x, mu, logvar)).value
    assert (told(found.beta), told(found.variance)) == (beta, variance)
    assert told(found.scale) == scale
    assert (found.normaliser, found.minus_one) == (normaliser, minus_one)
    above = found.above({"pixels": D, "coordinates": LATENTS})
    assert above == pytest.approx(constant, abs=1e-6)


@cases(
    (1, 3.8e-3, True),
    (1, -4.2e-3, None),
    (1e-3, 1.8e-4, True),
    (1e-3, -2.2e-4, None),
)
def test_what_is_left_is_rounding_if_it_is_far_below_a_lost_minus_one(beta, nats, explained):
    def loss(x_hat, x, mu, logvar):
        return 2 * (bce(x_hat, x).sum() + beta * kl(mu, logvar).sum() + nats * len(x))

    assert audit(loss).value.minus_one is explained


@cases(
    (lambda e, k: e + 3 * k + 1000, True),
    (lambda e, k: e * (1 + 1e-5 * k) + k, True),
    (lambda e, k: e * k, False),
    (lambda e, k: e * (1 + k.detach()) + k, False),
    (lambda e, k: e + k * (1 + e.detach()), False),
)
def test_the_parts_are_consistent_if_none_moves_the_others_gradient(both, consistent):
    found = audit(lambda x_hat, x, mu, logvar: both(squares(x_hat, x).sum(), kl(mu, logvar).sum()))
    assert (found.value is not None, found.consistent) == (True, consistent)


@cases(
    (lambda e, k: e + 1.009 * part(k, 1 / 1.009) + 7, (1, 1), (1, 1)),
    (lambda e, k: e + part(k, 0.2), (1, 0.2), (1, 5)),
    (lambda e, k: part(e, 0.1) + 2 * k, (0.1, 2), (10, 1)),
    (lambda e, k: e + k - 2 * k.detach(), (1, 1), (1, -1)),
    (lambda e, k: e + k + k.detach() ** 2, (1, 1), None),
)
def test_what_the_value_says_beside_its_gradient_is_told(loss, shares, said):
    found = audit(
        lambda x_hat, x, mu, logvar: loss(bce(x_hat, x).sum(), kl(mu, logvar).sum())
    ).value
    assert found.said == (said and pytest.approx(said))
    assert found.ratio.factor == pytest.approx(shares[1] / shares[0])
    if said != (1, 1):  # of another value, no constants are told
        assert (found.normaliser, found.minus_one) == (None, None)
