"""Which argument is which: by its name, or as the caller tells."""

import pytest
import torch
from torch import nn

from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.binding import OPTIONAL, REQUIRED, ROLES, bind


def with_arguments(text):
    """A function that gives back its arguments by name."""
    scope = {}
    exec(f"def loss({text}): return dict(locals())", scope)
    return scope["loss"]


def called(text, told=None, given=None):
    """What each argument gets, where each input is the name of its role."""
    loss = with_arguments(text)
    bound = bind(loss, told or {}, given or {})
    return bound.call(loss, {role: role for role in ROLES})


def names(text):
    """The argument of each role that is required."""
    got = {role: name for name, role in called(text).items() if isinstance(role, str)}
    return ", ".join(got[role] for role in REQUIRED)


@cases(
    ("x_hat, x, mu, logvar", "x_hat, x, mu, logvar"),
    ("recon_x, x, mu, log_var", "recon_x, x, mu, log_var"),
    ("y_true, y_pred, z_mean, z_log_var", "y_pred, y_true, z_mean, z_log_var"),
    ("logvar, MU, Images, ReconStruction", "ReconStruction, Images, MU, logvar"),
    ("input, recons, mu, sigma", "recons, input, mu, sigma"),
    ("input, target, mean, log_variance", "input, target, mean, log_variance"),
    ("input, x, loc, scale", "input, x, loc, scale"),
    ("reconstruction_x, x, mu, logvar", "reconstruction_x, x, mu, logvar"),
    ("x, z_decoded, z_mean, z_log_var", "z_decoded, x, z_mean, z_log_var"),
    ("x, y, z_mean, z_stddev", "y, x, z_mean, z_stddev"),
    ("ground_truth, logits, q_mu, log_sigma_sq", "logits, ground_truth, q_mu, log_sigma_sq"),
    ("x_hat, x, mu, log_sigma", "x_hat, x, mu, log_sigma"),
    # the last role is read by elimination or from a default
    ("x_hat, x, mu, s", "x_hat, x, mu, s"),
    ("foo, x, mu, logvar", "foo, x, mu, logvar"),
    ("z, x_hat, x, mu, s", "x_hat, x, mu, s"),
    ("outputs, targets, mean=1, var=0", "outputs, targets, mean, var"),
    ("x_hat, x, mu, logvar, z=None, beta=1.0, *more, **others", "x_hat, x, mu, logvar"),
)
def test_arguments_are_known_by_their_names(text, expected):
    assert names(text) == expected


@cases("p_mu, p_logvar", "mu_p, logvar_p", "prior_mean, prior_log_var", "mu_prior, std_prior")
def test_a_prior_is_known_where_a_loss_takes_one(pair):
    found = called(f"x_hat, x, mu_q, logvar_q, {pair}")
    assert [found[name] for name in pair.split(", ")] == ["prior_mu", "prior_logvar"]
    assert (found["mu_q"], found["logvar_q"]) == ("mu", "logvar")


@cases(
    ("x_hat, x, z", {"z": "mu"}, {}),
    ("x_hat, x, logits", {"logits": "mu"}, {}),
    ("x_hat, x, z_e, z_q", {"z_e": "mu", "z_q": "z"}, {}),
    ("x_hat, x, q", {}, {"q": ("mu", "logvar")}),
    ("x_hat, x, q, p", {}, {"q": ("mu", "logvar"), "p": ("prior_mu", "prior_logvar")}),
    ("x_hat, x, z, posterior", {"z": "z"}, {"posterior": ("mu", "logvar")}),
)
def test_codes_and_laws_stand_for_the_mean_and_the_second_head(text, codes, laws):
    loss = with_arguments(text)
    inputs = {role: torch.full((2,), float(i)) for i, role in enumerate(ROLES)}
    bound = bind(loss, {}, {})
    got = bound.call(loss, inputs)
    assert all(torch.equal(got[name], inputs[role]) for name, role in codes.items())
    for name, (mean, head) in laws.items():
        assert torch.equal(got[name].loc, inputs[mean])
        assert torch.equal(got[name].scale, (inputs[head] / 2).exp())
    drawn = {*REQUIRED, *codes.values(), *(role for law in laws.values() for role in law)}
    assert bound.roles == tuple(role for role in ROLES if role in drawn)
    assert ROLES == REQUIRED + OPTIONAL


def test_z_and_a_scale_are_known_where_a_loss_takes_them():
    assert called("z, x_hat, x, mu, logvar, log_sigma") == {r: r for r in (*REQUIRED, "z")} | {
        "log_sigma": "scale"
    }


PLAIN = "x_hat, x, mu, logvar"


@cases(
    ("a, b, mu, logvar", {"x_hat": "b", "x": "a"}, "x, x_hat, mu, logvar"),
    ("x, x_hat, mu, logvar", {"x_hat": "x", "x": "x_hat"}, PLAIN),
    ("a, x, mu, logvar", {"x_hat": 0}, PLAIN),
    ("x_hat, a, mu, logvar", {"x": 1}, PLAIN),
    ("x_hat, x, a, *, logvar", {"mu": 2}, PLAIN),
    ("a, b, /, mu, logvar", {"x_hat": "b", "x": "a"}, "x, x_hat, mu, logvar"),
    ("x_hat, x, mu, /, *, logvar", {}, PLAIN),
    ("x_hat, x, /, mu, a", {"logvar": 3}, PLAIN),
    (PLAIN, {"x_hat": 3, "x": 2, "mu": 1, "logvar": 0}, "logvar, mu, x, x_hat"),
    ("x_hat, x, mu, logvar, z=None", {"z": "z"}, f"{PLAIN}, z"),
)
def test_what_is_told_comes_first_by_name_or_by_place(text, told, expected):
    assert list(called(text, told).values()) == expected.split(", ")


def test_arguments_of_any_number_are_told_by_place_or_by_name():
    places = {"x_hat": 1, "x": 0, "mu": 2, "logvar": 3}
    assert called("*a", places) == {"a": ("x", "x_hat", "mu", "logvar")}
    assert called("**k", {"x_hat": "p", "x": "q", "mu": "m", "logvar": "v"}) == {
        "k": {"p": "x_hat", "q": "x", "m": "mu", "v": "logvar"}
    }
    assert bind(torch.add, places, {}).places == places


def test_what_is_given_needs_no_role():
    got = called("x_hat, x, mu, logvar, beta, *, epoch", given={"beta": 2, "epoch": 3})
    assert got == {role: role for role in REQUIRED} | {"beta": 2, "epoch": 3}


def test_a_module_is_read_by_its_forward():
    class Loss(nn.Module):
        def forward(self, recon, x, mu, logvar):
            return recon, x, mu, logvar

    inputs = {role: role for role in REQUIRED}
    assert bind(Loss(), {}, {}).call(Loss(), inputs) == REQUIRED


def refused(loss, **told):
    with pytest.raises((TypeError, ValueError)) as raised:
        audit(with_arguments(loss) if isinstance(loss, str) else loss, **told)
    return str(raised.value)


@cases("beta", "gamma", "kl_weight", "mask", "z", "log_sigma_x", "model", "self")
def test_what_has_another_name_is_not_the_last_role(name):
    assert "no logvar. Tell which is which" in refused(f"x_hat, x, mu, {name}")


NONE = "the arguments ({}) have none of the name {}"
HOLES = "places must be 0, 1, … without a hole, got {}"
TWO_WAYS = "the arguments ({}) can be read in {} ways. Tell which is which, such as audit(loss, {})"


@cases(
        (3, {}, "a loss must be callable, got int"),
        (PLAIN, {"x_hat": "p", "x": "x", "beta": 1}, NONE.format(PLAIN, "p, beta")),
        (f"{PLAIN}, *rest", {"beta": 1}, NONE.format(f"{PLAIN}, *rest", "beta")),
        (torch.add, {"x_hat": "p"}, NONE.format("*args", "p")),
        ("*a", {"x_hat": 0, "x": 1, "mu": 2, "logvar": 4}, HOLES.format([0, 1, 2, 4])),
        ("*a", {"x_hat": 3, "x": 1, "mu": 2, "logvar": 1}, HOLES.format([1, 1, 2, 3])),
        (f"{PLAIN}, kl_weight", {}, "open: kl_weight. Give it: audit(loss, kl_weight=1.0)"),
        (f"{PLAIN}, Beta, labels", {},
         "open: Beta, labels. Give them: audit(loss, Beta=1.0, labels=…)"),
        (f"{PLAIN}, recon", {}, "open: recon. Give it: audit(loss, recon=…), "
         'or tell which is which: audit(loss, x_hat="recon")'),
        (f"self, {PLAIN}", {}, "open: self. Give it: audit(loss, self=…)"),
        ("input, y, mu, logvar", {},
         TWO_WAYS.format("input, y, mu, logvar", 2, 'x_hat="input", x="y"')),
        ("input, y, mu, sigma, log_sigma", {},
         TWO_WAYS.format("input, y, mu, sigma, log_sigma", 4, 'logvar="sigma", scale="log_sigma"')),
)  # fmt: skip
def test_what_is_open_or_wrong_is_named_with_the_call_that_tells_it(loss, told, message):
    assert refused(loss, **told) == message


@cases(
        ("x_hat, x, a, b, c", "x_hat, x, a, b, c", "no mu, no logvar", "mu=2, logvar=3"),
        ("mu, logvar", "mu, logvar", "no x_hat, no x", "x_hat=0, x=1"),
        (torch.add, "*args", "no x_hat, no x, no mu, no logvar",
         "x_hat=0, x=1, mu=2, logvar=3"),
)  # fmt: skip
def test_roles_that_no_argument_has_are_asked_for(loss, shown, missing, told):
    assert refused(loss) == (
        f"the arguments ({shown}) name {missing}. Tell which is which, by place or "
        f"name, such as audit(loss, {told}); if it takes them in another form, wrap it in a "
        "function of x_hat, x, mu, logvar"
    )
