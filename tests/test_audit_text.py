"""What an audit says of findings that are written down already, so that nothing is tried again."""

from dataclasses import is_dataclass, replace
from math import log, pi

import pytest
from audit_pages import FOUND, found, pages, section, sections, told

from vaelib.audit.fit import Weight, number


def test_everything_is_said_of_the_right_loss():
    lines = [f"{name}: {line}" for name, line in told(found("the right loss")).items()]
    assert "\n".join(lines) == pages()["the right loss"]


@pytest.mark.parametrize("name", [name for name in pages() if name != "the right loss"])
def test_of_each_loss_is_said_what_differs(name):
    assert section(found(name)) == pages()[name]


def test_every_page_has_its_findings():
    assert sections(FOUND).keys() == pages().keys()


RIGHT = "the right loss"


def changed(name=RIGHT, **parts):
    """Findings with some of them exchanged; of one with parts, those that are named."""
    findings = found(name)
    old = {part: getattr(findings, part) for part in parts}
    new = {p: replace(old[p], **v) if is_dataclass(old[p]) else v for p, v in parts.items()}
    return replace(findings, **new)


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
    name = "a model that draws by log σ"
    said = changed(name, sampler={"readings": ("σ", "log σ")}).advice
    assert said.endswith("the model draws with it as σ or log σ.")


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
