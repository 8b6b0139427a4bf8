"""Where the gradients of a loss reach and where they end, of losses whose ends are known."""

from math import inf, log

import pytest
import torch

from tests.audit.probes import closed_form as kl
from tests.audit.probes import squares
from tests.cases import cases
from vaelib.audit import audit

ALL = {"x_hat": True, "mu": True, "logvar": True}


def found(loss, **given):
    return audit(loss, x_hat=0, x=1, mu=2, logvar=3, **given).gradients


def linear(p, x, m, h):
    return squares(p, x).sum() + 3 * m.sum() + 4 * h.sum()


@cases(
    (linear, [], []),
    (lambda p, x, m, h: linear(p.detach(), x, m, h), ["x_hat"], []),
    (lambda p, x, m, h: linear(p, x, m.detach(), h), ["mu"], []),
    (lambda p, x, m, h: linear(p, x, m, 0 * h), ["logvar"], ["logvar"]),
    (lambda p, x, m, h: linear(p, x, 0 * m, h.detach()), ["mu", "logvar"], ["mu"]),
    (lambda *i: linear(*i).item(), [*ALL], []),
)
def test_what_the_gradient_does_not_reach_is_told_and_what_moves_the_value(loss, missed, still):
    told = found(loss)
    assert told.reached == {role: role not in missed for role in ALL}
    assert told.moves == {role: role not in still for role in ALL}
    assert (told.smallest, told.largest, told.edges) == (-30, 30, "finite")


def refuse(h):
    raise ValueError("σ out of range")


ENDS = {
    "refused": refuse,
    "a value that is not finite": lambda h: h.sum() + inf,
    "a gradient that is not finite": lambda h: (0 * h).sqrt().sum(),
}


@pytest.mark.parametrize(
    ("name", "bad", "smallest", "largest"),
    [
        *((name, lambda k: not -5.5 < k < 20.2, -5, 20) for name in ENDS),
        ("refused", lambda k: -4.5 < k < -3.5 or 8.5 < k < 9.5, -3, 8),
        ("refused", lambda k: k < -29.5 or k > 29.5, -29, 29),
        ("refused", lambda k: 0.5 < abs(k) < 1.5, 0, 0),
    ],
)
def test_the_decades_of_sigma_end_at_the_first_that_is_not_finite(name, bad, smallest, largest):
    def loss(p, x, m, h):
        decade = float(h.detach().mean()) / 2 / log(10)
        ends = h.dtype is torch.float32 and bad(decade)
        return squares(p, x).sum() + 3 * m.sum() + (ENDS[name](h) if ends else h.sum())

    told = found(loss)
    assert (told.smallest, told.largest) == (smallest, largest)


@pytest.mark.parametrize(("sign", "ends"), [(1, (-30, 19)), (-1, (-19, 30))])
def test_sigma_ends_as_float32_does(sign, ends):
    """σ² ends at 1e38."""
    told = found(lambda p, x, m, h: squares(p, x).sum() + m.sum() + (sign * h).exp().amax())
    assert (told.smallest, told.largest) == ends


def within(test):
    """Goes through only where a test of x̂ and x holds."""

    def error(p, x):
        if not test(p, x):
            raise ValueError("refused")
        return 0 * p

    return error


def opposite(p, x):
    """At the edges x̂ is as wrong as it can be."""
    return bool((p == 1 - x).all() or ((p > 0) & (p < 1)).any())


@cases(
    (lambda p, x: 0 * p, "finite"),
    (lambda p, x: torch.where(p.detach() == 0, inf, 0), "not finite"),
    (lambda p, x: 0 * p.sqrt(), "not finite"),
    (lambda p, x: 0 * (1 - p).sqrt(), "not finite"),
    (within(lambda p, x: p.min() > 0 and p.max() < 1), "refused"),
    (within(opposite), "finite"),
    ids=["finite", "value", "at 0", "at 1", "refused", "opposite"],
)
def test_it_is_told_what_the_loss_is_where_x_hat_is_0_or_1(error, edges):
    assert found(lambda p, x, m, h: error(p, x).sum() + linear(p, x, m, h)).edges == edges


def clamped(f, weight=1.0):
    return lambda p, x, m, h: squares(p, x).sum() + weight * kl(m, f(h)).sum()


@cases(
    (clamped(lambda h: h.clamp(-4, 10)), -4, 10),
    (clamped(lambda h: h.clamp(-4, 10), -2e-6), -4, 10),
    (clamped(lambda h: h.clamp(min=-0.5)), -0.5, None),
    (clamped(lambda h: h.clamp(max=1.6)), None, 1.6),
    (clamped(lambda s: 2 * s.clamp(0.01, 100).log()), 2 * log(0.01), 2 * log(100)),
    (clamped(lambda h: h), None, None),
)
def test_a_clamp_is_found_and_told_in_log_variance_whatever_the_head(loss, low, high):
    for seen, true in zip(found(loss).clamp, (low, high), strict=True):
        assert seen == (true and pytest.approx(true, abs=1e-4))


def test_a_loss_that_refuses_far_heads_has_no_clamp_there():
    def loss(p, x, m, h):
        if h.max() > 50:
            raise ValueError("too far")
        return clamped(lambda h: h.clamp(min=-4))(p, x, m, h)

    assert found(loss).clamp == (pytest.approx(-4, abs=1e-5), None)
