"""A loss as a function of inputs that we choose, and which of its results is the loss."""

import dataclasses
import warnings
from collections import OrderedDict
from itertools import count

import pytest
import torch

from tests.audit.kinds import linear, vae
from tests.cases import cases
from vaelib.audit import Unreadable, audit
from vaelib.audit.binding import Binding
from vaelib.audit.probe import Probe, entries
from vaelib.audit.shapes import Layout

right = vae()


def test_no_gpu_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: asked.append(1) or 0)
    audit(right)
    assert not asked


def test_warnings_of_a_loss_are_not_passed_on_and_those_of_others_are_left_alone():
    def warns(x_hat, x, mu, logvar):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return right(x_hat, x, mu, logvar)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert audit(warns).elbo
        assert not told
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        assert len(told) == 1


@dataclasses.dataclass
class Parts:
    loss: float
    kl: torch.Tensor
    name: str = "elbo"


ONE = torch.ones(())


@cases(
    (2.5, {None: 2.5}),
    (ONE, {None: ONE}),
    ((1.0, "text", ONE), {0: 1.0, 2: ONE}),
    ([1.0, None, 2], {0: 1.0, 2: 2}),
    ((0.1, (ONE, "text")), {0: 0.1, 1: ONE}),
    ({"loss": 1.0, "name": "elbo"}, {"loss": 1.0}),
    (OrderedDict(loss=ONE, log={}), {"loss": ONE}),
    (Parts(1.0, ONE), {"loss": 1.0, "kl": ONE}),
    ("text", {}),
    (None, {}),
)
def test_the_entries_of_a_result_are_its_numbers_by_name_or_place(result, expected):
    assert entries(result) == expected


@pytest.mark.parametrize(("entry", "value"), [(1, 5), ((0, 2), [8, 9]), ((0, 1, 2), [13, 14])])
def test_entries_chosen_are_added(entry, value):
    several = Probe(lambda: (torch.tensor([1.0, 2.0]), 5.0, 7), Binding({}, {}), entry)
    assert several.output({}).tolist() == value


@pytest.mark.parametrize(("alone", "given", "n"), [(True, 1, 6), (True, 6, 6), (False, 1, 1)])
def test_one_sample_is_given_as_often_as_the_loss_must_have_it(alone, given, n):
    layout = Layout((5,), samples=1, several=6, alone=alone)
    probe = Probe(lambda **k: k, Binding({"z": "z", "x": "x"}, {}), layout=layout)
    z, x = torch.rand(3, given, 5).double(), torch.rand(3, 1, 5).double()
    torch.testing.assert_close(probe.result({"z": z, "x": x}), {"z": z.expand(3, n, 5), "x": x})


X_HAT, MEAN, HEAD = (lambda i, n=n: i[n].sum() for n in (0, 2, 3))


def parts(**of):
    """A loss of several entries."""
    return lambda x_hat, x, mu, logvar: {name: f((x_hat, x, mu, logvar)) for name, f in of.items()}


def whole(i):
    return right(*i)


@cases(
        (lambda x_hat, x, mu, logvar: (2.0, right(x_hat, x, mu, logvar), x_hat.sum()), None),
        (parts(total=whole), None),
        (parts(error=X_HAT, loss=whole, kl=MEAN), None),
        (parts(error=X_HAT, loss=whole, kl=HEAD), None),
        (parts(seen=lambda i: whole(i).detach(), loss=whole), None),
        (parts(error=lambda i: vae(beta=0.0)(*i), kl=lambda i: vae(w=0.0)(*i)), ("error", "kl")),
        (parts(half=lambda i: vae(beta=0.5)(*i), loss=whole), "loss"),
)  # fmt: skip
def test_the_loss_is_the_entry_that_depends_on_both_sides_or_that_is_told(loss, entry):
    assert audit(loss, entry=entry).elbo


@cases(
        ({"error": X_HAT, "kl": MEAN}, "total", "no entry 'total'; it has ['error', 'kl']"),
        ({"error": X_HAT, "kl": MEAN}, 0, "no entry 0; it has ['error', 'kl']"),
        ({"error": X_HAT, "kl": MEAN}, ("kl", "a", "b"), "no entry 'a'; it has ['error', 'kl']"),
        ({"a": X_HAT, "b": MEAN}, None, "the loss? 0 of ['a', 'b'] depend on both x_hat and "),
        ({"a": whole, "b": whole}, None, "the loss? 2 of ['a', 'b'] depend on both x_hat and "
         "mu or logvar: tell it, audit(loss, entry='a'), or several that are added, "
         "audit(loss, entry=('a', 'b'))"),
        ({"a": lambda i: "text"}, None, "the result of the loss holds no number"),
)  # fmt: skip
def test_no_entry_is_guessed(of, told, said):
    with pytest.raises(Unreadable) as raised:
        audit(parts(**of), entry=told)
    assert said in str(raised.value)
    assert issubclass(Unreadable, ValueError)


class Counting:
    """Keeps what it is called with, in a list that a copy shares unless it is deep."""

    everywhere = count()

    def __init__(self, of):
        self.calls, self.of = [], of

    def __call__(self, x_hat, x, mu, logvar):
        self.calls.append(1)
        return self.of(len(self.calls), right(x_hat, x, mu, logvar))


@cases(
    (lambda n, y: y, None, False),
    (lambda n, y: y + n, None, True),
    (lambda n, y: {"loss": y, "step": n}, "loss", True),
    (lambda n, y: (torch.tensor([1.0, n]), y), 1, True),
)
def test_a_loss_whose_equal_calls_differ_has_a_state_and_is_left_as_it_was(of, entry, stateful):
    loss = Counting(of)
    assert audit(loss, entry=entry).stateful is stateful
    assert not loss.calls


def test_a_fresh_loss_is_as_it_was_at_first_at_each_call():
    def of(n, y):
        return linear(n + 20) * y

    assert audit(Counting(of)).value.scale.factor == pytest.approx(0.21)
    assert audit(Counting(of), after=9).value.scale.factor == pytest.approx(0.3)


def test_a_loss_whose_copies_differ_is_not_read():
    with pytest.raises(Unreadable) as raised:
        audit(Counting(lambda n, y: y + next(Counting.everywhere)))
    assert str(raised.value) == (
        "equal calls of the loss differ: it has a state, or noise not of torch: hold its counter "
        "and its noise, or pass the object itself that changes"
    )


def test_noise_that_can_be_held_is_no_state_and_the_callers_is_left_alone():
    torch.manual_seed(5)
    found = audit(lambda x_hat, x, mu, logvar: right(x_hat, x, mu, logvar) + torch.randn(()))
    assert (found.stateful, found.sampling) == (False, True)
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(torch.randn(()), torch.randn((), generator=generator))
