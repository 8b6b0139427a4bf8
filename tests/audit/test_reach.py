"""Where the gradients of a loss reach and where they end, of losses whose ends are known."""

from math import inf, log

import pytest
import torch
from torch.nn import functional as F

from vaelib.audit.binding import Binding
from vaelib.audit.divergence import Divergence
from vaelib.audit.powers import Weight
from vaelib.audit.probe import Probe
from vaelib.audit.reach import Gradients, find_gradients
from vaelib.audit.shapes import Case, Layout
from vaelib.audit.terms import FORWARD

CASE = Case(Layout((2,)), batch=3, latents=2)
PLACES = {"x_hat": 0, "x": 1, "mu": 2, "logvar": 3}
ALL = {"x_hat": True, "mu": True, "logvar": True}


def probe(loss, **how):
    return Probe(loss, Binding(PLACES, {}), **how)


def divergence(reading="log σ", weight=1.0, g=-0.5):
    return Divergence(FORWARD, reading, g=g, per_latent=Weight(weight * 3, {"batch": -1}))


def found(loss, reading="log σ", case=CASE, **how):
    return find_gradients(probe(loss, **how), case, divergence(reading))


def clamp(loss, *how):
    return find_gradients(probe(loss), CASE, divergence(*how)).clamp


def linear(p, x, m, h):
    return 2 * p.sum() + 3 * m.sum() + 4 * h.sum()


def test_a_linear_loss_is_finite_and_reaches_everywhere():
    told = found(linear)
    assert told == Gradients(ALL, ALL, True, -30, 30, "finite", (None, None))
    assert all(told.reached.values())


@pytest.mark.parametrize(
    ("loss", "missed", "still"),
    [
        (lambda p, x, m, h: linear(p.detach(), x, m, h), ["x_hat"], []),
        (lambda p, x, m, h: linear(p, x, m.detach(), h), ["mu"], []),
        (lambda p, x, m, h: linear(p, x, m, 0 * h), ["logvar"], ["logvar"]),
        (lambda p, x, m, h: linear(p, x, 0 * m, h.detach()), ["mu", "logvar"], ["mu"]),
        (lambda *i: linear(*i).item(), [*ALL], []),
    ],
)
def test_what_the_gradient_does_not_reach_is_told_and_what_moves_the_value(loss, missed, still):
    told = found(loss)
    assert told.reached == {role: role not in missed for role in ALL}
    assert told.moves == {role: role not in still for role in ALL}
    assert not all(told.reached.values())
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
        ends = h.dtype is torch.float32 and bad(float(h.detach().mean()) / log(10))
        return 2 * p.sum() + 3 * m.sum() + (ENDS[name](h) if ends else h.sum())

    told = found(loss)
    assert (told.smallest, told.largest) == (smallest, largest)


def test_sigma_ends_as_float32_does():
    def largest_term(p, x, m, h):
        return p.sum() + m.sum() + h.exp().amax()

    told = found(largest_term, "log σ²")
    assert (told.smallest, told.largest) == (-30, 19)  # σ² = 1e38
    told = found(lambda p, x, m, h: largest_term(p, x, m, -h), "log σ²")
    assert (told.smallest, told.largest) == (-19, 30)


def test_the_entry_that_is_the_loss_is_differentiated():
    told = found(lambda *i: {"nothing": torch.tensor(inf), "loss": linear(*i)}, entry="loss")
    assert told == Gradients(ALL, ALL, True, -30, 30, "finite", (None, None))


class Counting:
    calls = 0

    def __call__(self, *inputs):
        self.calls += 1
        return linear(*inputs) if self.calls < 3 else torch.tensor(inf)


def test_a_loss_with_a_state_is_called_as_it_was_at_first():
    loss = Counting()
    assert found(loss, fresh=True) == Gradients(ALL, ALL, True, -30, 30, "finite", (None, None))
    assert loss.calls == 0


def strict(p, x, m, h):
    if p.min() <= 0 or p.max() >= 1:
        raise ValueError("x̂ must lie between 0 and 1")
    return linear(p, x, m, h)


@pytest.mark.parametrize(
    ("error", "edges"),
    [
        (lambda p, x: F.binary_cross_entropy(p, x, reduction="none"), "finite"),
        (lambda p, x: p.detach() - x, "finite"),
        (lambda p, x: -x * p.log() - (1 - x) * (1 - p).log(), "not finite"),
        (lambda p, x: p + torch.where(p.detach() == 0, inf, 0), "not finite"),
        (lambda p, x: p.sqrt(), "not finite"),
        (lambda p, x: (1 - p).sqrt(), "not finite"),
        (lambda p, x: strict(p, x, p, p), "refused"),
    ],
    ids=["clamped", "detached", "logarithms", "value", "at 0", "at 1", "refused"],
)
def test_it_is_told_what_the_loss_is_where_x_hat_is_0_or_1(error, edges):
    asked = probe(lambda p, x, m, h: error(p, x).sum() + m.sum() + h.sum())
    assert find_gradients(asked, CASE, divergence()).edges == edges


def test_at_the_edges_x_hat_is_as_wrong_as_it_can_be():
    seen = []

    def loss(p, x, m, h):
        seen.append((p.detach(), x))
        return linear(p, x, m, h)

    case = Case(Layout((1, 2, 3), flat=True), batch=8, latents=2)
    assert found(loss, case=case).edges == "finite"
    p, x = next((p, x) for p, x in seen if set(p.unique().tolist()) == {0, 1})
    assert (p.shape, x.shape) == ((8, 6), (8, 1, 2, 3))
    assert set(x.unique().tolist()) == {0, 1}
    assert torch.equal(p, 1 - x.flatten(1))


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-4, 10, (-4, 10)),
        (-0.5, 0.5, (-0.5, 0.5)),
        (-4, None, (-4, None)),
        (None, 10, (None, 10)),
        (None, -1, (None, 0)),
        (2, None, (0, None)),
    ],
)
@pytest.mark.parametrize("weight", [1, -2e-6])
def test_a_clamp_of_log_variance_is_found(low, high, told, weight):
    def loss(p, x, m, h):
        return p.sum() + weight * (m + h.clamp(low, high)).sum()

    for seen, true in zip(clamp(loss, "log σ²", weight), told, strict=True):
        assert seen == (true and pytest.approx(true, abs=1e-5))


def test_a_loss_that_refuses_far_heads_has_no_clamp_there():
    def loss(p, x, m, h):
        if h.max() > 50:
            raise ValueError("too far")
        return p.sum() + (m + h.clamp(min=-4)).sum()

    assert clamp(loss, "log σ²", 1) == (pytest.approx(-4, abs=1e-5), None)


def test_a_clamp_is_told_in_log_variance_whatever_the_head():
    told = clamp(lambda p, x, m, h: linear(p, x, m, h.clamp(0.01, 100).log()), "σ")
    assert told == pytest.approx((2 * log(0.01), 2 * log(100)), abs=1e-5)


@pytest.mark.parametrize(("slope", "high"), [(5e-7, pytest.approx(58, abs=1e-3)), (2e-6, None)])
def test_a_slope_below_a_millionth_is_flat(slope, high):
    def loss(p, x, m, h):
        return p.sum() + (h.clamp(max=10) + slope * h).sum()

    assert clamp(loss, "log σ²") == (None, high)


def test_what_ends_by_itself_is_no_clamp():
    def without_logarithm(p, x, m, h):
        return p.sum() + (m**2 + h.exp()).sum()

    assert clamp(without_logarithm, "log σ²", 1.0, 0.0) == (None, None)
    assert clamp(lambda p, x, m, h: p.sum() + (m**2).sum() + 0 * h.sum(), None) == (None, None)
