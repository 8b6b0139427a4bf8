"""Which argument is which: by its name, or as the caller tells."""

import inspect

import pytest
import torch
from torch import nn

from vaelib.audit.binding import OPTIONAL, REQUIRED, ROLES, Binding, bind


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
        ("input, x, loc, scale", "input, x, loc, scale"),
        ("x_decoded_mean, x, z_mean, z_log_var", "x_decoded_mean, x, z_mean, z_log_var"),
        ("recon_img, img, mu, logvar", "recon_img, img, mu, logvar"),
        ("x_bar, x, mu, logvar", "x_bar, x, mu, logvar"),
        ("reconstruction_x, x, mu, logvar", "reconstruction_x, x, mu, logvar"),
        ("x, z_decoded, z_mean, z_log_var", "z_decoded, x, z_mean, z_log_var"),
        ("data_reconstructed, data, mu, logvar", "data_reconstructed, data, mu, logvar"),
        ("x, y, z_mean, z_stddev", "y, x, z_mean, z_stddev"),
        ("ground_truth, logits, q_mu, log_sigma_sq", "logits, ground_truth, q_mu, log_sigma_sq"),
    ],
)
def test_arguments_are_known_by_their_names(text, expected):
    assert places(text) == dict(zip(REQUIRED, expected.split(", "), strict=True))


@pytest.mark.parametrize(
    ("text", "role", "name"),
    [
        ("x_hat, x, mu, s", "logvar", "s"),
        ("foo, x, mu, logvar", "x_hat", "foo"),
        ("z, x_hat, x, mu, s", "logvar", "s"),
        ("outputs, targets, mean=1, var=0", "mu", "mean"),
        ("x_hat, x, mu, logvar=0", "logvar", "logvar"),
    ],
)
def test_the_last_role_is_read_by_elimination_or_from_a_default(text, role, name):
    assert places(text)[role] == name


@pytest.mark.parametrize(
    "name", ["beta", "gamma", "kl_weight", "mask", "z", "log_sigma_x", "model"]
)
def test_what_has_another_name_is_not_the_last_role(name):
    assert "no logvar. Tell which is which" in refused(f"x_hat, x, mu, {name}")


@pytest.mark.parametrize(
    "pair", ["p_mu, p_logvar", "mu_p, logvar_p", "prior_mean, prior_log_var", "mu_prior, std_prior"]
)
def test_a_prior_is_known_where_a_loss_takes_one(pair):
    found = places(f"x_hat, x, mu_q, logvar_q, {pair}")
    assert [found[role] for role in ("prior_mu", "prior_logvar")] == pair.split(", ")
    assert (found["mu"], found["logvar"]) == ("mu_q", "logvar_q")


@pytest.mark.parametrize(
    ("text", "codes", "laws"),
    [
        ("x_hat, x, z", {"mu": "z"}, []),
        ("x_hat, x, logits", {"mu": "logits"}, []),
        ("x_hat, x, z_e, z_q", {"mu": "z_e", "z": "z_q"}, []),
        ("x_hat, x, q", {}, ["q"]),
        ("x_hat, x, q, p", {}, ["q", "p"]),
        ("x_hat, x, z, posterior, prior", {"z": "z"}, ["posterior", "prior"]),
    ],
)
def test_codes_and_laws_stand_for_the_mean_and_the_second_head(text, codes, laws):
    bound = bind(with_arguments(text), {}, {})
    assert {r: n for r, n in bound.places.items() if r not in ("x_hat", "x")} == {
        role: text.split(", ").index(n) if isinstance(bound.places[role], int) else n
        for role, n in codes.items()
    }  # fmt: skip
    assert sorted(bound.laws) == sorted(laws)
    inputs = {role: torch.full((2,), float(i)) for i, role in enumerate(ROLES)}
    called = bound.call(with_arguments(text), inputs)
    for name, (mean, head) in bound.laws.items():
        assert torch.equal(called[name].loc, inputs[mean])
        assert torch.equal(called[name].scale, (inputs[head] / 2).exp())


def test_z_and_a_scale_are_known_where_a_loss_takes_them():
    found = places("z, x_hat, x, mu, logvar, log_sigma")
    assert found == {r: r for r in (*REQUIRED, "z")} | {"scale": "log_sigma"}
    assert places("x_hat, x, mu, log_sigma")["logvar"] == "log_sigma"
    assert ROLES == REQUIRED + OPTIONAL == (
        "x_hat", "x", "mu", "logvar", "z", "scale", "prior_mu", "prior_logvar",
    )  # fmt: skip


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
        ("a, x, mu, logvar", {"x_hat": 0}, ("a", "x", "mu", "logvar")),
        ("x_hat, a, mu, logvar", {"x": 1}, ("x_hat", "a", "mu", "logvar")),
        ("x_hat, x, a, *, logvar", {"mu": 2}, ("x_hat", "x", "a", "logvar")),
        ("a, b, /, mu, logvar", {"x_hat": "b", "x": "a"}, (1, 0, 2, 3)),
        ("x_hat, x, mu, /, *, logvar", {}, (0, 1, 2, "logvar")),
        ("x_hat, x, /, mu, a", {"logvar": 3}, (0, 1, 2, 3)),
        (
            "x_hat, x, mu, logvar",
            {"x_hat": 3, "x": 2, "mu": 1, "logvar": 0},
            ("logvar", "mu", "x", "x_hat"),
        ),
    ],
)
def test_places_are_names_or_numbers_from_0(text, told, expected):
    assert places(text, **told) == dict(zip(REQUIRED, expected, strict=True))


def test_the_roles_of_a_binding_come_in_one_order():
    roles = (*REQUIRED, "scale", "prior_mu", "prior_logvar")
    laws = {"p": ("prior_mu", "prior_logvar")}
    assert Binding({"scale": 1, "mu": 0, "x_hat": "a"}, {}, laws).roles == roles


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
         "ValueError: the arguments (x_hat, x, mu, logvar) have none of the name p, beta"),
        ("x_hat, x, mu, logvar, *rest", {}, {"beta": 1},
         "ValueError: the arguments (x_hat, x, mu, logvar, *rest) have none of the name beta"),
        (torch.add, {"x_hat": "p"}, {},
         "ValueError: the arguments (*args) have none of the name p"),
        ("*a", {"x_hat": 0, "x": 1, "mu": 2, "logvar": 4}, {},
         "ValueError: places must be 0, 1, … without a hole, got [0, 1, 2, 4]"),
        ("*a", {"x_hat": 3, "x": 1, "mu": 2, "logvar": 1}, {},
         "ValueError: places must be 0, 1, … without a hole, got [1, 1, 2, 3]"),
    ],
)  # fmt: skip
def test_what_a_caller_may_not_tell(loss, told, given, message):
    assert refused(loss, told, given) == message


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("x_hat, x, mu, logvar, kl_weight",
         "open: kl_weight. Give it: audit(loss, kl_weight=1.0)"),
        ("x_hat, x, mu, logvar, Beta, labels",
         "open: Beta, labels. Give them: audit(loss, Beta=1.0, labels=…)"),
        ("x_hat, x, mu, logvar, recon",
         "open: recon. Give it: audit(loss, recon=…), "
         'or tell which is which: audit(loss, x_hat="recon")'),
        ("self, x_hat, x, mu, logvar",
         "the first argument is self: pass the bound method, of an object"),
        ("input, y, mu, logvar",
         "the arguments (input, y, mu, logvar) can be read in 2 ways. "
         'Tell which is which, such as audit(loss, x_hat="input", x="y")'),
        ("input, y, mu, sigma, log_sigma",
         "the arguments (input, y, mu, sigma, log_sigma) can be read in 4 ways. "
         'Tell which is which, such as audit(loss, logvar="sigma", scale="log_sigma")'),
    ],
)  # fmt: skip
def test_what_is_open_is_named_with_the_call_that_tells_it(loss, message):
    assert refused(loss) == f"ValueError: {message}"


@pytest.mark.parametrize(
    ("loss", "shown", "names", "told"),
    [
        ("x_hat, x, a, b, c", "x_hat, x, a, b, c", "no mu, no logvar", "mu=2, logvar=3"),
        ("mu, logvar", "mu, logvar", "no x_hat, no x", "x_hat=0, x=1"),
        (torch.add, "*args", "no x_hat, no x, no mu, no logvar",
         "x_hat=0, x=1, mu=2, logvar=3"),
    ],
)  # fmt: skip
def test_roles_that_no_argument_has_are_asked_for(loss, shown, names, told):
    assert refused(loss) == (
        f"ValueError: the arguments ({shown}) name {names}. Tell which is which, by place or "
        f"name, such as audit(loss, {told}); if it takes them in another form, wrap it in a "
        "function of x_hat, x, mu, logvar"
    )
