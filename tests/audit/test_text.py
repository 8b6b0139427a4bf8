"""What an audit says of findings of which some are changed, so that little is tried again."""

from dataclasses import is_dataclass, replace
from functools import cache
from math import log, pi

import pytest

from tests.audit.catalogue import CATALOGUE
from tests.audit.losses import right
from vaelib.audit import audit
from vaelib.audit.powers import Weight, number
from vaelib.audit.shapes import Layout
from vaelib.audit.words import normal

RIGHT = "the right loss"


@cache
def found(name):
    loss, given = (CATALOGUE | {RIGHT: (right, {})})[name]
    return audit(loss, **given)


def changed(name=RIGHT, **parts):
    """Findings with some of them exchanged; of one with parts, those that are named."""
    findings = found(name)
    for part, new in parts.items():
        old = getattr(findings, part)
        inside = is_dataclass(old) and isinstance(new, dict)
        findings = replace(findings, **{part: replace(old, **new) if inside else new})
    return findings


def line(findings, what):
    """The answer and the evidence of one line."""
    return next((told, seen) for name, told, seen in findings.lines if name == what)


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (0.25, "0.25 nats an image above the complete value, at the sizes tried"),
        (-0.25, "0.25 nats an image below the complete value, at the sizes tried"),
        (9e-4, "nothing is missing"),
        (2e-3, "0.002 nats an image above the complete value, at the sizes tried"),
    ],
)
def test_what_the_value_lies_off_is_told(constant, said):
    assert line(changed(value={"constant": constant}), "constants")[1] == said


def test_what_is_left_out_is_listed():
    findings = changed("half of squares", value={"minus_one": False})
    pixels = number(784 * log(2 * pi * findings.variance) / 2)
    assert line(findings, "constants")[1] == (
        f"½ log 2πσ² a pixel: {pixels} nats an image of 784 pixels; "
        "½ a coordinate of z: 10 nats an image too high"
    )
    laplace = changed("half of squares", likelihood={"kind": "Laplace"}, sizes={"pixels": 10})
    laplace = replace(laplace, value=replace(laplace.value, ratio=Weight(0.25, {})))
    pixels = number(10 * log(0.5))
    assert line(laplace, "constants")[1] == f"log 2b a pixel: {pixels} nats an image of 10 pixels"


def test_the_noise_of_a_divergence_counts_with_its_weight():
    twice = Weight(-2.0, {"batch": -1})
    findings = changed(divergence={"error": 0.05, "per_latent": twice})
    assert line(findings, "divergence")[1].endswith("; that of σ² ± 0.1 by its noise")


def test_a_weight_without_a_power_is_a_sum():
    findings = changed(divergence={"per_latent": Weight(1.0, {})})
    told, seen = line(findings, "sums of the divergence")
    assert (told, seen) == ("sum over coordinates, sum over the batch", "weight 1")


@pytest.mark.parametrize(("low", "loosen"), [(-12.0, False), (-11.9, True), (-12.5, False)])
def test_a_clamp_that_takes_hold_too_early_is_told(low, loosen):
    said = changed(gradients={"clamp": (low, None)}).advice
    right = f"Loosen the clamp: below log σ² = {number(low)} the second head gets no gradient."
    assert said == (right if loosen else "Nothing to change: this is minus an ELBO.")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"consistent": False},
            "Add the reconstruction and the KL: as written one changes the weight of the other.",
        ),
        (
            {"divergence": {"a": 1.0, "g": 0.0}},
            "Write the KL as ½ Σ [μ² + σ² − log σ² − 1], with σ² = e^h and log σ² = h or what "
            "your sampler takes: the weights of μ², σ² and −log σ² are 1, 0.5, 0, and must be "
            "equal.",
        ),
    ],
)
def test_advice_is_one_sentence_to_act_on(parts, said):
    assert changed(**parts).advice == said


def test_two_readings_of_a_head_are_both_told():
    findings = changed("a model that draws by log σ", sampler={"readings": ("σ", "log σ")})
    assert findings.advice.endswith("the model draws with it as σ or log σ.")
    assert line(findings, "second head")[1] == "the model draws with it as σ or log σ"


@pytest.mark.parametrize(("factor", "right"), [(1.004, True), (1.006, False), (0.994, False)])
def test_a_weight_may_be_half_a_percent_off(factor, right):
    beta = Weight(factor, {})
    findings = changed(value={"beta": beta, "ratio": beta})
    assert (findings.advice == "Nothing to change: this is minus an ELBO.") is right
    assert findings.elbo is right


@pytest.mark.parametrize(("factor", "half"), [(2.009, True), (2.011, False)])
def test_a_weight_of_about_two_lacks_its_half(factor, half):
    beta = Weight(factor, {})
    said = changed(value={"beta": beta, "ratio": beta}).advice
    assert said.startswith("Give the KL its ½" if half else "Give the KL the weight 1")


@pytest.mark.parametrize(("factor", "nats"), [(1.004, True), (1.006, False)])
def test_a_scale_may_be_half_a_percent_off(factor, nats):
    said = changed(value={"scale": Weight(factor, {"batch": -1})}).advice
    scaled = "Nothing to change for training by Adam; to report nats, divide by 1.01."
    assert said == ("Nothing to change: this is minus an ELBO." if nats else scaled)


@pytest.mark.parametrize(("variance", "other"), [(0.5004, False), (0.502, True)])
def test_the_kl_the_other_way_round_may_be_a_thousandth_off(variance, other):
    name = "the KL the other way round and its sign"
    told, _ = line(changed(name, divergence={"v": variance}), "divergence")
    assert told.startswith("KL from N(0, I) to q") is not other
    told, _ = line(changed(name, divergence={"a": variance}), "divergence")
    assert told.startswith("KL from N(0, I) to q") is not other


@pytest.mark.parametrize(("a", "said"), [(1.0004, "μ² + "), (1.002, "1 · μ² + ")])
def test_a_factor_of_about_one_is_not_written(a, said):
    seen = line(changed(divergence={"a": a}), "divergence")[1]
    assert seen.startswith(f"per coordinate {said}")


def test_parameters_without_a_gradient_are_listed():
    findings = changed("a model with an idle parameter", sampler={"unreached": ("one", "other")})
    assert line(findings, "model")[1].endswith("; no gradient for one, other")
    assert findings.advice == "Let the gradient through to one, other."


def test_a_gradient_that_a_divergence_cannot_have_is_not_missed():
    reached = {"x_hat": True, "mu": True, "logvar": False}
    without = {"reading": None, "v": 0.0, "g": 0.0}
    assert changed(gradients={"reached": reached}).advice == (
        "Let the gradient through: none reaches the second head."
    )
    said = changed(gradients={"reached": reached}, divergence=without).advice
    assert said.startswith("Write the KL as ½ Σ [μ² + σ² − log σ² − 1]")


def test_the_code_of_a_reading_is_told_with_its_kl():
    said = changed(divergence={"reading": "σ", "a": 1.0}).advice
    assert "with σ² = h² and log σ² = log h² or what" in said


@pytest.mark.parametrize(
    ("divergence", "said"),
    [
        ({"reading": "σ"}, "a KL if it is σ"),
        ({"reading": "σ", "a": 1.0}, "taken for σ, but in no KL to N(0, I)"),
        ({"reading": None, "v": 0.0, "g": 0.0}, "is not in the divergence"),
        ({"form": None, "reading": None, "per_latent": None}, "cannot be told"),
    ],
)
def test_what_a_second_head_is_taken_for_is_told(divergence, said):
    assert line(changed(divergence=divergence), "second head")[0] == said


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1.0, "sum"),
        (2.0, "sum"),
        (-2.0, "sum"),
        (2.001, "sum"),
        (0.5, "sum or mean"),
        (4.0, "sum or mean"),
        (2.003, "sum or mean"),
        (1 / 784, "mean"),
        (2 / 784, "mean"),
        (4 / 784, "sum or mean"),
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


@pytest.mark.parametrize(
    ("mean", "variance", "said"),
    [
        (0.0, 1.0, "N(0, I)"),
        (1e-9, 1.0005, "N(0, I)"),
        (-1e-5, 1.02, "N(−10⁻⁵, 1.02 I)"),
        (0.5, 0.25, "N(0.5, 0.25 I)"),
    ],
)
def test_a_prior_is_written_with_what_differs(mean, variance, said):
    assert normal(mean, variance) == said
