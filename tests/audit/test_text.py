"""What an audit says of findings of which some are changed, so that little is tried again."""

from dataclasses import is_dataclass, replace
from html import escape
from math import log, pi

import pytest
import torch

from tests.audit.pages import RIGHT, told
from tests.cases import cases
from vaelib.audit.reasons import Reasons
from vaelib.audit.shapes import Layout, Weight, number

NOTHING = "Nothing to change: this is minus an ELBO."


def changed(name=RIGHT, **parts):
    """Findings with some of them exchanged; of one with parts, those that are named."""
    findings = told(name).found
    for part, new in parts.items():
        old = getattr(findings, part)
        inside = is_dataclass(old) and isinstance(new, dict)
        findings = replace(findings, **{part: replace(old, **new) if inside else new})
    return findings


def line(findings, what):
    """The answer and the evidence of one line."""
    return next((told, seen) for name, told, seen in findings.lines if name == what)


def shares(a=0.5, m=0.0, v=0.5, g=-0.5):
    """Of the forward form."""
    return {"divergence": {"raw": torch.tensor([[a, m, v, g]]).double()}}


NOTE = {"gradients": {"clamp": (-2.0, None)}}
OPEN = {"divergence": {"gradual": True}}
NO = {"consistent": False}


@cases(
    ({}, "bound", 0),
    (NOTE, "bound", 1),
    (OPEN, "cannot tell", 1),
    (NO, "no bound", 1),
    (NOTE | OPEN, "cannot tell", 2),
    (NOTE | OPEN | NO, "no bound", 3),
)
def test_what_decides_comes_first_no_bound_before_what_is_open_before_notes(parts, verdict, count):
    findings = changed(**parts)
    said = [*Reasons(findings)]
    order = ["no bound", "cannot tell", "bound"]
    assert len(said) == count
    assert [r.verdict for r in said] == sorted((r.verdict for r in said), key=order.index)
    assert (findings.verdict, findings.bound) == (verdict, verdict == "bound")
    assert findings.advice == (said[0].sentence if said else NOTHING)
    if verdict != "bound":
        assert line(findings, "value")[0] == verdict


@cases(
    ((0.0, 0.0, -0.25), "0.25 nats an image below the complete value"),
    ((0.01, -0.5, 1.0), "1.16 nats an image below the complete value"),
    ((0.0, 0.0, 9e-4), "nothing is missing"),
    ((0.0, 0.0, 2e-3), "0.002 nats an image above the complete value"),
)
def test_what_the_value_lies_off_is_told_at_the_users_sizes(constant, said):
    assert line(changed(value={"constant": constant}), "constants")[1] == said


def test_what_is_left_out_is_listed():
    squares = "MSE each each 4"
    findings = changed(squares, value={"minus_one": False})
    pixels = number(784 * log(2 * pi * findings.variance) / 2)
    assert line(findings, "constants")[1] == (
        f"½ log 2πσ² a pixel: {pixels} nats an image of 784 pixels; "
        "½ a coordinate of z: 10 nats an image too high"
    )
    sizes = {"pixels": 10, "coordinates": 20}
    laplace = changed(squares, likelihood={"kind": "Laplace"}, sizes=sizes)
    laplace = replace(laplace, value=replace(laplace.value, ratio=Weight(0.25, {})))
    pixels = number(10 * log(0.5))
    assert line(laplace, "constants")[1] == f"log 2b a pixel: {pixels} nats an image of 10 pixels"


SHARES = (
    "Write the KL as ½ Σ [μ² + σ² − log σ² − 1], with σ² = e^h and log σ² = h or what your sampler "
    "takes: the weights of μ², σ² and −log σ² are "
)
ABSENT = {"x_hat": True, "mu": True, "logvar": False}


@cases(
    ({"gradients": {"clamp": (-12.0, None)}}, NOTHING),
    (
        {"gradients": {"clamp": (-11.9, None)}},
        "Loosen the clamp: below log σ² = −11.9 the second head gets no gradient.",
    ),
    (shares(a=1.0, g=0.0), SHARES + "1, 0.5, 0, and must be equal."),
    (
        {"gradients": {"reached": ABSENT, "moves": ABSENT}}
        | {"divergence": shares(v=0.0, g=0.0)["divergence"] | {"taken": None}},
        SHARES + "0.5, 0, 0, and must be equal.",
    ),
    ({"gradients": {"reached": ABSENT}}, "Let the gradient through: none reaches the second head."),
    ({"value": {"scale": Weight(1.004, {"batch": -1})}}, NOTHING),
    (
        {"value": {"scale": Weight(1.006, {"batch": -1})}},
        "Nothing to change for training by Adam; to report nats, divide by 1.01.",
    ),
)
def test_advice_is_one_sentence_to_act_on(parts, said):
    assert changed(**parts).advice == said


def test_what_a_model_does_is_told_whole():
    findings = changed("model of e^h", sampler={"readings": ("σ", "log σ")})
    assert findings.advice.endswith("the model draws with it as σ or log σ.")
    assert line(findings, "second head")[1] == "the model draws with it as σ or log σ"
    findings = changed("model, idle parameter", sampler={"unreached": ("one", "other")})
    assert line(findings, "model")[1].endswith("; no gradient for one, other")
    assert findings.advice == "Let the gradient through to one, other."


@cases(
    (1.004, NOTHING),
    (1.006, "Give the KL the weight 1"),
    (0.994, "Give the KL the weight 1"),
    (2.009, "Give the KL its ½"),
    (2.011, "Give the KL the weight 1"),
)
def test_a_weight_may_be_half_a_percent_off(factor, said):
    beta = Weight(factor, {})
    findings = changed(value={"beta": beta, "ratio": beta})
    assert findings.advice.startswith(said)
    assert findings.elbo is (said == NOTHING)


@pytest.mark.parametrize("part", [0, 1])  # of μ²/σ² and 1/σ²
@pytest.mark.parametrize(("variance", "other"), [(0.5004, False), (0.502, True)])
def test_the_kl_the_other_way_round_may_be_a_thousandth_off(part, variance, other):
    raw = torch.tensor([[0.5, 0.5, 0.5]]).double()
    raw[0, part] = variance
    findings = changed("backward KL", divergence={"raw": raw})
    assert line(findings, "divergence")[0].startswith("KL from N(0, I) to q") is not other


@pytest.mark.parametrize(("a", "said"), [(1.0004, "μ² + "), (1.002, "1 · μ² + ")])
def test_a_factor_of_about_one_is_not_written(a, said):
    seen = line(changed(**shares(a=a)), "divergence")[1]
    assert seen.startswith(f"per coordinate {said}")


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        *((factor, "sum") for factor in (1.0, -2.0, 2.001)),
        *((factor, "sum or mean") for factor in (0.5, 2.003, 4 / 784)),
        *((factor, "mean") for factor in (1 / 784, 2 / 784)),
    ],
)
def test_a_loss_of_one_size_sums_if_its_factor_looks_so(factor, said):
    weight = {"per_pixel": Weight(factor, {"batch": -1})}
    findings = changed(layout=Layout((1, 28, 28), free=False), likelihood=weight)
    assert line(findings, "sums of the likelihood")[0].startswith(f"{said} over pixels, ")


def test_a_sum_that_is_none_is_told_of_its_axis():
    powers = {"batch": 0, "channels": 0, "height": None, "width": -1, "latents": 0}
    weight = {"per_pixel": Weight(1.0, powers)}
    findings = changed(layout=Layout((2, 3, 5)), likelihood=weight)
    assert line(findings, "sums of the likelihood")[0] == (
        "sum over channels, mean over width, neither over height, sum over the batch"
    )


@cases(
    (1e-9, 0.49975, "KL to N(0, I)"),
    (1e-5, 0.49, "KL to N(−1.02·10⁻⁵, 1.02 I), not to N(0, I)"),
    (-2.0, 2.0, "KL to N(0.5, 0.25 I), not to N(0, I)"),
)
def test_a_prior_is_written_with_what_differs(m, a, said):
    assert line(changed(**shares(a, m, a)), "divergence")[0] == said


def test_the_page_holds_every_line_and_ends_with_the_advice():
    found = told("BCE mean mean 1").found
    width = len("sums of the divergence")  # the longest name
    rows = []
    for what, answer, evidence in found.lines:
        rows += [what.ljust(width) + "  " + answer]
        rows += [" " * (width + 4) + evidence] if evidence else []
    assert str(found).splitlines() == [*rows, "", f"→ {found.advice}"]
    cells = "".join(
        f"<tr><th scope='row'>{what}</th><td>{answer}</td><td>{evidence}</td></tr>"
        for what, answer, evidence in ([escape(part) for part in line] for line in found.lines)
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("What", "Told", "Seen"))
    assert found._repr_html_() == (
        f"<table class='audit'><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
        f"<p>→ {escape(found.advice)}</p>"
    )
