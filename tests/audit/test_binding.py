"""Which argument is which: by its name, or as the caller tells."""

import inspect

import pytest
import torch
from torch import nn

from vaelib.audit.binding import OPTIONAL, REQUIRED, ROLES, Binding, bind

TELL = (
    'tell which is which: audit(loss, x_hat="…", x="…", mu="…", logvar="…"), '
    "by name or by place from 0; anything else it needs by its own name"
)


def with_arguments(text):
    """A function that gives back its arguments by name."""
    scope = {}
    exec(f"def loss({text}): return dict(locals())", scope)
    return scope["loss"]


def places(text, **told):
    return bind(with_arguments(text), told, {}).places


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
