"""Which argument is which, how a loss is called, and on what inputs it runs at all."""

import dataclasses
import inspect
import warnings
from collections import OrderedDict
from itertools import islice

import pytest
import torch
from torch import nn

from vaelib.audit.arguments import OPTIONAL, REQUIRED, ROLES, Binding, bind
from vaelib.audit.probe import (
    Probe,
    Unreadable,
    _copy,
    _differ,
    _entry,
    _seed,
    _stateful,
    _try,
    beginnings,
    chosen,
    entries,
)
from vaelib.audit.shapes import BINARY, Case, Layout

TELL = (
    'tell which is which: audit(loss, x_hat="…", x="…", mu="…", logvar="…"), '
    "by name or by place from 0; anything else it needs by its own name"
)


def plain(x_hat, x, mu, logvar):
    return ((x_hat - x) ** 2).sum() + (mu**2 + logvar).sum()


def with_arguments(text):
    """A function that gives back its arguments by name."""
    scope = {}
    exec(f"def loss({text}): return dict(locals())", scope)
    return scope["loss"]


def places(text, **told):
    return bind(with_arguments(text), told, {}).places


# which argument is which


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x_hat, x, mu, logvar", "x_hat, x, mu, logvar"),
        ("recon_x, x, mu, log_var", "recon_x, x, mu, log_var"),
        ("y_true, y_pred, z_mean, z_log_var", "y_pred, y_true, z_mean, z_log_var"),
        ("logvar, MU, Images, ReconStruction", "ReconStruction, Images, MU, logvar"),
        ("input, recons, mu, sigma", "recons, input, mu, sigma"),
        ("input, target, mean, log_variance", "input, target, mean, log_variance"),
        ("x, y, mu, logvar, recon", None),
        ("input, x, loc, scale", "input, x, loc, scale"),
    ],
)
def test_arguments_are_known_by_their_names(text, expected):
    if expected is None:
        with pytest.raises(ValueError, match=r"do not tell what they are"):
            places(text)
    else:
        assert places(text) == dict(zip(REQUIRED, expected.split(", "), strict=True))


def test_z_and_a_scale_are_known_where_a_loss_takes_them():
    found = places("z, x_hat, x, mu, logvar, log_sigma")
    assert found == {r: r for r in (*REQUIRED, "z")} | {"scale": "log_sigma"}
    assert places("x_hat, x, mu, log_sigma")["logvar"] == "log_sigma"
    assert ROLES == REQUIRED + OPTIONAL == ("x_hat", "x", "mu", "logvar", "z", "scale")


def test_arguments_with_a_default_and_those_of_any_number_are_left_alone():
    expected = {role: role for role in REQUIRED}
    assert places("x_hat, x, mu, logvar, z=None, beta=1.0, *more, **others") == expected
    assert places("x_hat, x, mu, logvar, z=None, beta=1.0", z="z") == expected | {"z": "z"}


def test_what_is_told_comes_first():
    assert places("a, b, mu, logvar", x_hat="b", x="a") == {
        "x_hat": "b", "x": "a", "mu": "mu", "logvar": "logvar",
    }  # fmt: skip
    assert places("x, x_hat, mu, logvar", x_hat="x", x="x_hat") == {
        "x_hat": "x", "x": "x_hat", "mu": "mu", "logvar": "logvar",
    }  # fmt: skip
    assert places("**k", x_hat="p", x="q", mu="m", logvar="v") == {
        "x_hat": "p", "x": "q", "mu": "m", "logvar": "v",
    }  # fmt: skip


def test_what_is_given_needs_no_role():
    bound = bind(
        with_arguments("x_hat, x, mu, logvar, beta, *, epoch"), {}, {"beta": 2, "epoch": 3}
    )
    assert bound == Binding({role: role for role in REQUIRED}, {"beta": 2, "epoch": 3})


@pytest.mark.parametrize(
    ("text", "told", "expected"),
    [
        ("*a", {"x_hat": 1, "x": 0, "mu": 2, "logvar": 3}, (1, 0, 2, 3)),
        ("a, x, mu, logvar", {"x_hat": 0}, (0, "x", "mu", "logvar")),
        ("x_hat, a, mu, logvar", {"x": 1}, (0, 1, 2, 3)),
        ("x_hat, x, a, *, logvar", {"mu": 2}, (0, 1, 2, "logvar")),
        ("a, b, /, mu, logvar", {"x_hat": "b", "x": "a"}, (1, 0, "mu", "logvar")),
        ("x_hat, x, mu, /, logvar", {}, (0, 1, 2, "logvar")),
        ("x_hat, x, /, mu, a", {"logvar": 3}, (0, 1, 2, 3)),
        ("x_hat, x, mu, logvar", {"x_hat": 3, "x": 2, "mu": 1, "logvar": 0}, (3, 2, 1, 0)),
    ],
)
def test_places_are_numbers_from_0_or_names(text, told, expected):
    assert places(text, **told) == dict(zip(REQUIRED, expected, strict=True))


def test_the_roles_of_a_binding_come_in_one_order():
    assert Binding({"scale": 1, "mu": 0, "x_hat": "a"}, {}).roles == ("x_hat", "mu", "scale")


def test_a_loss_is_called_by_place_and_name_and_with_what_is_given():
    bound = Binding({"x_hat": 1, "x": 0, "mu": "m", "logvar": "v"}, {"beta": 3})
    called = bound.call(lambda *a, **k: (a, k), {r: r.upper() for r in ROLES})
    assert called == (("X", "X_HAT"), {"m": "MU", "v": "LOGVAR", "beta": 3})


@pytest.mark.parametrize("text", ["a, b, /, c, *, d", "d, c, b, a", "c, a, *, d, b"])
def test_a_loss_bound_by_its_names_is_called_with_what_they_say(text):
    bound = bind(with_arguments(text), dict(zip(REQUIRED, "abcd", strict=True)), {})
    inputs = dict(zip(REQUIRED, range(4), strict=True))
    assert bound.call(with_arguments(text), inputs) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_module_is_read_by_its_forward():
    class Loss(nn.Module):
        def forward(self, recon, x, mu, logvar):
            return 0

    assert bind(Loss(), {}, {}).places == dict(
        zip(REQUIRED, ("recon", "x", "mu", "logvar"), strict=True)
    )


def test_a_loss_without_a_signature_is_told_by_places():
    with pytest.raises(ValueError, match="no signature found"):
        inspect.signature(torch.add)
    told = {role: i for i, role in enumerate(REQUIRED)}
    assert bind(torch.add, told, {}).places == told


def refused(text_or_loss, told=None, given=None):
    loss = with_arguments(text_or_loss) if isinstance(text_or_loss, str) else text_or_loss
    with pytest.raises((TypeError, ValueError)) as raised:
        bind(loss, told or {}, given or {})
    return f"{raised.type.__name__}: {raised.value}"


@pytest.mark.parametrize(
    ("loss", "told", "given", "message"),
    [
        (3, {}, {}, "TypeError: a loss must be callable, got int"),
        ("x_hat, x, mu, logvar", {"sigma": 0, "kl": 1}, {},
         "ValueError: no role kl, sigma; there are x_hat, x, mu, logvar, z, scale"),
        ("x_hat, x, mu, logvar", {"x_hat": "p", "x": "x"}, {"beta": 1},
         "ValueError: the loss has no argument p, beta; it has logvar, mu, x, x_hat"),
        ("x_hat, x, mu, logvar, *rest", {}, {"beta": 1},
         "ValueError: the loss has no argument beta; it has logvar, mu, rest, x, x_hat"),
        (torch.add, {"x_hat": "p"}, {},
         "ValueError: the loss has no argument p; it has args"),
        ("*a", {"x_hat": 0, "x": 1, "mu": 2, "logvar": 4}, {},
         "ValueError: places must be 0, 1, … without a hole, got [0, 1, 2, 4]"),
        ("*a", {"x_hat": 3, "x": 1, "mu": 2, "logvar": 1}, {},
         "ValueError: places must be 0, 1, … without a hole, got [1, 1, 2, 3]"),
    ],
)  # fmt: skip
def test_what_a_caller_may_not_tell(loss, told, given, message):
    assert refused(loss, told, given) == message


@pytest.mark.parametrize(
    ("loss", "told", "names"),
    [
        ("a, b, mu, logvar", {}, "a, b, mu, logvar"),
        ("x_hat, x, mu", {}, "x_hat, x, mu"),
        ("x_hat, x, mu, logvar, beta, c=2.0", {}, "x_hat, x, mu, logvar, beta, c=2.0"),
        ("x_hat, x, mu, mean, **k", {}, "x_hat, x, mu, mean, **k"),
        ("x_hat, x, mu, logvar", {"mu": "logvar"}, "x_hat, x, mu, logvar"),
        (torch.add, {}, "*args"),
    ],
)
def test_arguments_that_do_not_tell_what_they_are(loss, told, names):
    message = f"ValueError: the arguments ({names}) do not tell what they are: {TELL}"
    assert refused(loss, told) == message


def test_arguments_that_can_be_read_in_two_ways():
    assert refused("input, y, mu, logvar") == (
        "ValueError: the arguments (input, y, mu, logvar) can be read in 2 ways: "
        "x_hat = input, x = y, mu = mu, logvar = logvar; or "
        f"x = input, x_hat = y, mu = mu, logvar = logvar: {TELL}"
    )


def test_of_many_ways_the_first_two_are_shown():
    assert refused("input, y, mu, sigma, log_sigma") == (
        "ValueError: the arguments (input, y, mu, sigma, log_sigma) can be read in 4 ways: "
        "x_hat = input, x = y, mu = mu, logvar = sigma, scale = log_sigma; or "
        f"x_hat = input, x = y, mu = mu, scale = sigma, logvar = log_sigma: {TELL}"
    )


# how a loss is called

BY_NAME = Binding({role: role for role in REQUIRED}, {})
ALONE = Binding({"mu": 0}, {})
MU = {"mu": torch.zeros(3, dtype=torch.float64)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Counting:
    """Keeps what it is called with, in a list that a copy shares unless it is deep."""

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


@pytest.mark.parametrize("in_use", [False, True])
def test_the_seed_is_set_on_gpus_where_they_are_in_use_alone(monkeypatch, in_use):
    seeds = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: in_use)
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    _seed(7)
    assert seeds == [7] * in_use
    if not in_use:
        assert torch.randn(()).item() == drawn(7)


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
    assert chosen(found, None).item() == 1.5
    assert chosen(found, 0).item() == 4
    assert chosen(found, ("a", 0, None)).tolist() == [6.5, 7.5]
    assert isinstance(chosen(found, None), torch.Tensor)


# on what inputs it runs

ROWS = Case(Layout((5,)))


def test_a_loss_is_tried_on_sizes_twice_as_large():
    loss = Counting()
    _try(Probe(loss, BY_NAME), Case(Layout((2, 3, 5))))
    shapes = [(tuple(n["x"].shape), tuple(n["mu"].shape)) for _, n in loss.calls]
    assert shapes == [
        ((3, 2, 3, 5), (3, 4)),
        ((6, 2, 3, 5), (6, 4)),
        ((3, 4, 3, 5), (3, 4)),
        ((3, 2, 6, 5), (3, 4)),
        ((3, 2, 3, 10), (3, 4)),
        ((3, 2, 3, 5), (3, 8)),
    ]
    first, other = (n["mu"] for _, n in (loss.calls[0], loss.calls[2]))
    assert not torch.equal(first, other)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), torch.tensor([1.0, float("nan")])])
@pytest.mark.parametrize("when", [1, 4])
def test_a_loss_that_is_not_finite_does_not_run(bad, when):
    loss = Counting(lambda n: (1.0, bad if n == when else torch.ones(2)))
    with pytest.raises(ValueError, match=r"^the result is not finite$"):
        _try(Probe(loss, BY_NAME), ROWS)
    assert len(loss.calls) == when


@pytest.mark.parametrize(
    ("of", "stateful"),
    [
        (lambda n: 1.0, False),
        (lambda n: (1, torch.ones(2)), False),
        (lambda n: float(n), True),
        (lambda n: float(n > 1), True),
        (lambda n: float(n > 2), True),
        (lambda n: {"loss": 1.0, "step": n}, True),
        (lambda n: (torch.tensor([1.0, n]), 1.0), True),
    ],
)
def test_a_loss_whose_equal_calls_differ_has_a_state(of, stateful):
    loss = Counting(of)
    probe = Probe(loss, BY_NAME)
    assert _stateful(probe, ROWS) is stateful
    assert probe.fresh is stateful
    assert len(loss.calls) == 3
    assert {len({str(n[role]) for _, n in loss.calls}) for role in REQUIRED} == {1}


def test_noise_that_can_be_held_is_no_state():
    assert not _stateful(Probe(lambda **k: torch.randn(()), BY_NAME), ROWS)


def test_a_loss_whose_copies_differ_is_not_read():
    everywhere = []
    probe = Probe(lambda **k: everywhere.append(1) or len(everywhere), BY_NAME)
    with pytest.raises(Unreadable) as raised:
        _stateful(probe, ROWS)
    assert str(raised.value) == (
        "equal calls of the loss differ: it has a state, or noise not of torch"
    )
    assert issubclass(Unreadable, ValueError)


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        (1, 1, False),
        (1, torch.tensor(1.0), False),
        (1.0, 1 + 1e-10, False),
        (1.0, 1 + 1e-8, True),
        (torch.tensor(1e6), 1e6 + 0.5, True),
        (1e-12, 2e-12, True),
        (0.0, 1e-300, True),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), True),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), False),
    ],
)
def test_values_differ_if_not_by_rounding(a, b, differ):
    assert _differ(a, b) is differ


X_HAT, MEAN, HEAD = (lambda k, r=r: k[r].sum() for r in ("x_hat", "mu", "logvar"))


def parts(**of):
    """A loss of several entries."""
    return Probe(lambda **k: {name: f(k) for name, f in of.items()}, BY_NAME)


@pytest.mark.parametrize(
    ("probe", "told", "entry"),
    [
        (Probe(lambda **k: 1.0, BY_NAME), None, None),
        (Probe(lambda **k: 1.0, BY_NAME), (None,), (None,)),
        (parts(total=lambda k: 1.0), None, "total"),
        (Probe(lambda **k: (2.0, X_HAT(k) + MEAN(k), X_HAT(k)), BY_NAME), None, 1),
        (Probe(lambda **k: (2.0, X_HAT(k) + MEAN(k), X_HAT(k)), BY_NAME), 0, 0),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k), kl=MEAN), None, "loss"),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) * HEAD(k), kl=HEAD), None, "loss"),
        (parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k), kl=MEAN), "kl", "kl"),
        (parts(a=X_HAT, b=MEAN, c=HEAD), ("a", "b"), ("a", "b")),
    ],
)  # fmt: skip
def test_the_loss_is_the_entry_that_depends_on_both_sides(probe, told, entry):
    assert _entry(probe, ROWS, told) == entry


@pytest.mark.parametrize(
    ("told", "missing"), [("total", "'total'"), (0, "0"), (("kl", "a", "b"), "'a'")]
)
def test_an_entry_that_is_not_there_is_said_to_be_missing(told, missing):
    with pytest.raises(Unreadable) as raised:
        _entry(parts(error=X_HAT, kl=MEAN), ROWS, told)
    assert str(raised.value) == f"the result has no entry {missing}; it has ['error', 'kl']"


@pytest.mark.parametrize(
    ("of", "count"),
    [
        ({"a": X_HAT, "b": MEAN}, 0),
        ({"a": lambda k: X_HAT(k) + MEAN(k), "b": lambda k: X_HAT(k) * HEAD(k)}, 2),
    ],
)
def test_no_entry_is_guessed(of, count):
    with pytest.raises(Unreadable) as raised:
        _entry(parts(**of), ROWS, None)
    assert str(raised.value) == (
        f"which entry of the result is the loss? {count} of ['a', 'b'] depend on both x_hat and "
        "mu or logvar: tell it, audit(loss, entry=…), or several that are added, entry=(…, …)"
    )


def test_what_runs_everywhere_begins_with_rows_then_images():
    (first, case), (second, images), *more = islice(beginnings(plain, BY_NAME, None, None), 4)
    assert case == Case(Layout((5,)))
    assert images == Case(Layout((2, 3, 5)))
    assert [c for _, c in more] == [
        Case(Layout((784,), False)), Case(Layout((1, 28, 28), False)),
    ]  # fmt: skip
    for probe in (first, second):
        assert (probe.binding, probe.dtype, probe.fresh) == (BY_NAME, torch.float64, False)
        assert probe.entry is None
        assert probe.loss is plain
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


def test_a_loss_that_takes_the_callers_image_alone_is_read():
    ((_, case),) = beginnings(runs_on((3, 8, 8)), BY_NAME, None, (3, 8, 8))
    assert case == Case(Layout((3, 8, 8), False))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("binary", [False, True])
def test_float64_and_grey_pixels_are_tried_first(dtype, binary):
    tried = []

    def loss(x_hat, x, mu, logvar):
        tried.append((x.dtype, x.unique().numel() == 2))
        if tried[-1] != (dtype, binary):
            raise RuntimeError("another kind")
        return plain(x_hat, x, mu, logvar)

    probe, case = next(beginnings(loss, BY_NAME, None, None))
    assert probe.dtype == dtype
    assert case == Case(Layout((5,)), ranges={"x": BINARY} if binary else {})
    kinds = [(d, b) for d in (torch.float64, torch.float32) for b in (False, True)]
    before = kinds[: kinds.index((dtype, binary)) + 1]
    assert [*dict.fromkeys(tried)] == before


def test_a_loss_with_a_state_is_handed_on_as_it_was():
    loss = Counting()
    probe, _ = next(beginnings(loss, BY_NAME, None, None))
    assert probe.fresh
    assert not loss.calls
    assert not probe.loss.calls
    assert probe.loss is not loss


def test_a_loss_without_a_state_is_tried_on_copies():
    loss = Counting(lambda n: 1.0)
    probe, _ = next(beginnings(loss, BY_NAME, None, None))
    assert not probe.fresh
    assert probe.loss is not loss
    assert not loss.calls


def test_the_entry_of_a_beginning_is_found_or_told():
    loss = parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k)).loss
    assert next(beginnings(loss, BY_NAME, None, None))[0].entry == "loss"
    assert next(beginnings(loss, BY_NAME, "error", None))[0].entry == "error"


def test_trying_a_loss_leaves_the_callers_noise_alone():
    loss = parts(error=X_HAT, loss=lambda k: X_HAT(k) + MEAN(k)).loss
    torch.manual_seed(5)
    next(beginnings(loss, BY_NAME, None, None))
    assert torch.randn(()).item() == drawn(5)


def test_what_cannot_be_copied_is_used_itself():
    class Stubborn:
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    loss = Stubborn()
    assert _copy(loss) is loss
    counting = Counting()
    assert _copy(counting).calls is not counting.calls


def test_a_loss_that_runs_on_nothing_says_what_it_raised_at_first():
    loss = Counting()

    def broken(x_hat, x, mu, logvar):
        loss()
        raise RuntimeError(f"no. {len(loss.calls)}")

    with pytest.raises(Unreadable) as raised:
        next(beginnings(broken, BY_NAME, None, None))
    assert str(raised.value) == (
        "the loss ran on no inputs; with x_hat (3, 5), x (3, 5), mu (3, 4), logvar (3, 4) "
        "it raised RuntimeError('no. 1')"
    )
    assert str(raised.value.__cause__) == "no. 1"
