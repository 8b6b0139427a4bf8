"""A loss as a function of inputs that we choose, and on what inputs it runs at all."""

import dataclasses
import warnings
from collections import OrderedDict
from itertools import count

import pytest
import torch

from vaelib.audit.binding import REQUIRED, Binding
from vaelib.audit.probe import Probe, Unreadable, added, entries
from vaelib.audit.shapes import BINARY, Case, Layout
from vaelib.audit.trials import beginnings


def plain(x_hat, x, mu, logvar):
    return ((x_hat - x) ** 2).sum() + (mu**2 + logvar).sum()


BY_NAME = Binding({role: role for role in REQUIRED}, {})
ALONE = Binding({"mu": 0}, {})
MU = {"mu": torch.zeros(3, dtype=torch.float64)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Counting:
    """Keeps what it is called with, in a list that a copy shares unless it is deep."""

    everywhere = count()

    def __init__(self, of=lambda n: float(n)):
        self.calls, self.of = [], of

    def __call__(self, *inputs, **named):
        self.calls.append((inputs, named))
        return self.of(len(self.calls))


def noise(mu):
    return torch.randn(())


def drawn(seed):
    return torch.randn((), generator=seeded(seed)).item()


@pytest.mark.parametrize("call", [Probe.result, Probe.output, Probe.__call__])
def test_noise_follows_the_seed_told_and_is_the_callers_no_more(call):
    torch.manual_seed(5)
    probe = Probe(noise, ALONE)
    assert float(call(probe, MU)) == float(call(probe, MU, 0)) == pytest.approx(drawn(0))
    assert float(call(probe, MU, 7)) == float(call(probe, MU, seed=7)) == pytest.approx(drawn(7))
    assert torch.randn(()).item() == drawn(5)


def test_no_gpu_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: asked.append(1) or 0)
    Probe(noise, ALONE)(MU)
    assert not asked


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_come_in_the_type_of_the_probe(dtype):
    found = Probe(lambda *a, **k: (a, k), Binding({"mu": 0, "x": "x"}, {"beta": 2}), dtype=dtype)
    (mu,), named = found.result(MU | {"x": torch.ones(2, dtype=torch.float64)})
    assert mu.dtype == named["x"].dtype == dtype
    assert torch.equal(mu, torch.zeros(3, dtype=dtype))
    assert named["beta"] == 2


def test_equal_numbers_may_lie_apart_further_in_float32():
    single, double = (Probe(plain, BY_NAME, dtype=d) for d in (torch.float32, torch.float64))
    assert (single.tolerance, single.exact) == (3e-3, 1e-4)
    assert (double.tolerance, double.exact) == (1e-4, 1e-6)
    assert (Probe(plain, BY_NAME).tolerance, double.roles) == (1e-4, REQUIRED)


def test_a_fresh_loss_is_as_it_was_at_first_at_each_call():
    loss = Counting()
    probe = Probe(loss, ALONE)
    assert [probe(MU), probe(MU)] == [1, 2]
    probe = Probe(loss, ALONE, fresh=True)
    assert [probe(MU), probe(MU)] == [3, 3]
    assert len(loss.calls) == 2


def test_warnings_of_a_loss_are_not_passed_on():
    def warns(mu):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return 1.0

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert Probe(warns, ALONE)(MU) == 1
        assert not told
        warns(None)
        assert len(told) == 1


def test_the_value_of_a_loss_that_is_more_than_one_number_is_their_sum():
    many = torch.full((1000,), 0.1, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = Probe(lambda mu: many, ALONE)(MU)
    assert type(value) is float
    assert value == pytest.approx(1000 * many[0].item(), rel=1e-13)
    assert torch.equal(Probe(lambda mu: many, ALONE).output(MU), many)


def test_the_entry_told_is_the_value():
    def several(mu):
        return torch.tensor([1.0, 2.0]), 5.0, 7

    assert Probe(several, ALONE, 1)(MU) == 5
    assert Probe(several, ALONE, (0, 2))(MU) == 17
    assert Probe(several, ALONE, entry=(0, 2)).output(MU).tolist() == [8, 9]


@dataclasses.dataclass
class Parts:
    loss: float
    kl: torch.Tensor
    name: str = "elbo"


ONE = torch.ones(())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (2.5, {None: 2.5}),
        (3, {None: 3}),
        (ONE, {None: ONE}),
        ((1.0, "text", ONE), {0: 1.0, 2: ONE}),
        ([1.0, None, 2], {0: 1.0, 2: 2}),
        ({"loss": 1.0, "name": "elbo"}, {"loss": 1.0}),
        (OrderedDict(loss=ONE, log={}), {"loss": ONE}),
        (Parts(1.0, ONE), {"loss": 1.0, "kl": ONE}),
        ("text", {}),
        (None, {}),
    ],
)
def test_the_entries_of_a_result_are_its_numbers_by_name_or_place(result, expected):
    assert entries(result) == expected


def test_entries_chosen_are_added():
    found = {None: 1.5, "a": torch.tensor([1.0, 2.0]), 0: 4}
    assert added(found, None).item() == 1.5
    assert added(found, 0).item() == 4
    assert added(found, ("a", 0, None)).tolist() == [6.5, 7.5]
    assert isinstance(added(found, None), torch.Tensor)


# on what inputs it runs


def begin(loss, entry=None):
    """The probe and the case that an audit begins with."""
    return next(beginnings(loss, BY_NAME, entry, None))


@pytest.mark.parametrize(
    ("axis", "bad"), [("batch", float("nan")), ("pixels", float("inf")), ("latents", float("inf"))]
)
def test_a_loss_that_is_not_finite_at_twice_a_size_does_not_run(axis, bad):
    twice = {"batch": 6, "pixels": 10, "latents": 8}[axis]

    def loss(x_hat, x, mu, logvar):
        latents = mu.shape[1] if mu.dim() == 2 else 8
        sizes = {"batch": len(x), "pixels": x[0].numel(), "latents": latents}
        return 1.0, torch.tensor([1.0, bad if sizes[axis] == twice else 1.0])

    if axis != "pixels":
        with pytest.raises(Unreadable, match="ValueError\\('the result is not finite'\\)"):
            begin(loss, 0)
    else:
        assert begin(loss, 0)[1] == Case(Layout((2, 3, 5)))


@pytest.mark.parametrize(
    ("of", "stateful"),
    [
        (lambda n: 1.0, False),
        (lambda n: float(n), True),
        (lambda n: {"loss": 1.0, "step": n}, True),
        (lambda n: (torch.tensor([1.0, n]), 1.0), True),
    ],
)
def test_a_loss_whose_equal_calls_differ_has_a_state_and_is_handed_on_as_it_was(of, stateful):
    loss = Counting(of)
    entry = {dict: "loss", tuple: 0}.get(type(of(1)))
    probe, _ = begin(loss, entry)
    assert probe.fresh is stateful
    assert probe.loss is not loss
    assert not loss.calls
    assert not (stateful and probe.loss.calls)


def test_noise_that_can_be_held_is_no_state_and_the_callers_is_left_alone():
    torch.manual_seed(5)
    assert not begin(lambda **k: torch.randn(()))[0].fresh
    assert torch.randn(()).item() == drawn(5)


def test_a_loss_whose_copies_differ_is_not_read():
    with pytest.raises(Unreadable) as raised:
        begin(lambda **k: next(Counting.everywhere))
    assert str(raised.value) == (
        "equal calls of the loss differ: it has a state, or noise not of torch: hold its counter "
        "and its noise, or pass the object itself that changes"
    )
    assert issubclass(Unreadable, ValueError)


X_HAT, MEAN, HEAD = (lambda k, r=r: k[r].sum() for r in ("x_hat", "mu", "logvar"))


def parts(**of):
    """A loss of several entries."""
    return lambda **k: {name: f(k) for name, f in of.items()}


def nearly(k):
    return 1e6 * X_HAT(k) + 1e-6 * MEAN(k)


@pytest.mark.parametrize(
    ("loss", "told", "entry"),
    [
        (lambda **k: 1.0, None, None),
        (lambda **k: 1.0, (None,), (None,)),
        (parts(total=lambda k: 1.0), None, "total"),
        (lambda **k: (2.0, X_HAT(k) + MEAN(k), X_HAT(k)), None, 1),
        (lambda **k: (2.0, X_HAT(k) + MEAN(k), X_HAT(k)), 0, 0),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k), kl=MEAN), None, "loss"),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) * HEAD(k), kl=HEAD), None, "loss"),
        (parts(error=nearly, loss=lambda k: X_HAT(k) + 1e-6 * MEAN(k)), None, "loss"),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k), kl=MEAN), "kl", "kl"),
        (parts(a=X_HAT, b=MEAN, c=HEAD), ("a", "b"), ("a", "b")),
    ],
)  # fmt: skip
def test_the_loss_is_the_entry_that_depends_on_both_sides(loss, told, entry):
    assert begin(loss, told)[0].entry == entry


@pytest.mark.parametrize(
    ("told", "missing"), [("total", "'total'"), (0, "0"), (("kl", "a", "b"), "'a'")]
)
def test_an_entry_that_is_not_there_is_said_to_be_missing(told, missing):
    with pytest.raises(Unreadable) as raised:
        begin(parts(error=X_HAT, kl=MEAN), told)
    assert str(raised.value) == f"the result has no entry {missing}; it has ['error', 'kl']"


def test_a_result_without_a_number_is_not_read():
    with pytest.raises(Unreadable) as raised:
        begin(lambda **k: "text")
    assert str(raised.value) == "the result of the loss holds no number"


@pytest.mark.parametrize(
    ("of", "count"),
    [
        ({"a": X_HAT, "b": MEAN}, 0),
        ({"a": lambda k: X_HAT(k) + MEAN(k), "b": lambda k: X_HAT(k) * HEAD(k)}, 2),
    ],
)
def test_no_entry_is_guessed(of, count):
    with pytest.raises(Unreadable) as raised:
        begin(parts(**of))
    assert str(raised.value) == (
        f"which entry of the result is the loss? {count} of ['a', 'b'] depend on both x_hat and "
        "mu or logvar: tell it, audit(loss, entry='a'), or several that are added, "
        "audit(loss, entry=('a', 'b'))"
    )


def test_what_runs_everywhere_begins_with_rows_then_images():
    (first, case), (second, images) = beginnings(plain, BY_NAME, None, None)
    assert case == Case(Layout((5,)))
    assert images == Case(Layout((2, 3, 5)))
    for probe in (first, second):
        assert (probe.binding, probe.dtype, probe.fresh) == (BY_NAME, torch.float64, False)
        assert probe.entry is None
        assert probe.loss.__code__ is plain.__code__
    assert first is not second


def runs_on(*shapes):
    def loss(x_hat, x, mu, logvar):
        if tuple(x.shape[1:]) not in shapes:
            raise RuntimeError("another shape")
        return plain(x_hat, x, mu, logvar)

    return loss


def test_a_loss_begins_with_each_layout_that_it_runs_on():
    found = [*beginnings(runs_on((1, 28, 28), (3, 32, 32)), BY_NAME, None, None)]
    assert [case for _, case in found] == [
        Case(Layout((1, 28, 28), False)), Case(Layout((3, 32, 32), False)),
    ]  # fmt: skip


class Shared:
    """What no copy of a loss has for itself."""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("binary", [False, True])
def test_float64_and_grey_pixels_are_tried_first(dtype, binary):
    tried = Shared.seen = []

    def loss(x_hat, x, mu, logvar):
        if x_hat.shape != x.shape:
            raise RuntimeError("classes")
        Shared.seen.append((x.dtype, x.unique().numel() == 2))
        if Shared.seen[-1] != (dtype, binary):
            raise RuntimeError("another kind")
        return plain(x_hat, x, mu, logvar)

    probe, case = next(beginnings(loss, BY_NAME, None, None))
    assert probe.dtype == dtype
    assert case == Case(Layout((5,)), ranges={"x": BINARY} if binary else {})
    kinds = [(d, b) for d in (torch.float64, torch.float32) for b in (False, True)]
    before = kinds[: kinds.index((dtype, binary)) + 1]
    assert [*dict.fromkeys(tried)] == before


def test_a_loss_that_runs_on_nothing_says_what_it_raised_at_first():
    loss = Counting()

    def broken(x_hat, x, mu, logvar):
        loss()
        raise RuntimeError(f"no. {len(loss.calls)}")

    with pytest.raises(Unreadable) as raised:
        next(beginnings(broken, BY_NAME, None, None))
    assert str(raised.value) == (
        "the loss ran on no inputs; it came furthest with x_hat (3, 5), x (3, 5), mu (3, 4), "
        "logvar (3, 4), where it raised RuntimeError('no. 1'). If it takes one size alone, tell "
        "it: shape=(1, 28, 28) of an image, latents=20"
    )
    assert str(raised.value.__cause__) == "no. 1"
