"""What an audit says of findings of which some are changed, so that little is tried again."""

from dataclasses import is_dataclass, replace
from functools import cache
from math import log, pi

import pytest
import torch

from tests.audit.catalogue import CATALOGUE
from tests.audit.losses import right
from vaelib.audit import audit
from vaelib.audit.powers import Weight, number
from vaelib.audit.reasons import reasons
from vaelib.audit.shapes import Layout
from vaelib.audit.words import normal

RIGHT = "the right loss"
NOTHING = "Nothing to change: this is minus an ELBO."


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


NOTE = {"gradients": {"clamp": (-2.0, None)}}
OPEN = {"divergence": {"gradual": True}}
NO = {"consistent": False}


@pytest.mark.parametrize(
    ("parts", "verdict", "count"),
    [
        ({}, "bound", 0),
        (NOTE, "bound", 1),
        (OPEN, "cannot tell", 1),
        (NO, "no bound", 1),
        (NOTE | OPEN, "cannot tell", 2),
        (NOTE | OPEN | NO, "no bound", 3),
    ],
)
def test_what_decides_comes_first_no_bound_before_what_is_open_before_notes(parts, verdict, count):
    findings = changed(**parts)
    said = reasons(findings)
    order = ["no bound", "cannot tell", "bound"]
    assert len(said) == count
    assert [r.verdict for r in said] == sorted((r.verdict for r in said), key=order.index)
    assert (findings.verdict, findings.bound) == (verdict, verdict == "bound")
    assert findings.advice == (said[0].sentence if said else NOTHING)
    if verdict != "bound":
        assert line(findings, "value")[0] == verdict


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        ((0.0, 0.0, 0.25), "0.25 nats an image above the complete value"),
        ((0.0, 0.0, -0.25), "0.25 nats an image below the complete value"),
        ((0.01, -0.5, 1.0), "1.16 nats an image below the complete value"),
        ((0.0, 0.0, 9e-4), "nothing is missing"),
        ((0.0, 0.0, 2e-3), "0.002 nats an image above the complete value"),
    ],
)
def test_what_the_value_lies_off_is_told_at_the_users_sizes(constant, said):
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


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"gradients": {"clamp": (-12.0, None)}}, NOTHING),
        (
            {"gradients": {"clamp": (-11.9, None)}},
            "Loosen the clamp: below log σ² = −11.9 the second head gets no gradient.",
        ),
        (NO, "Add the reconstruction and the KL: as written one changes the weight of the other."),
        (
            {"divergence": {"a": 1.0, "g": 0.0}},
            "Write the KL as ½ Σ [μ² + σ² − log σ² − 1], with σ² = e^h and log σ² = h or what "
            "your sampler takes: the weights of μ², σ² and −log σ² are 1, 0.5, 0, and must be "
            "equal.",
        ),
        ({"value": {"scale": Weight(1.004, {"batch": -1})}}, NOTHING),
        (
            {"value": {"scale": Weight(1.006, {"batch": -1})}},
            "Nothing to change for training by Adam; to report nats, divide by 1.01.",
        ),
        (
            {"gradients": {"reached": {"x_hat": True, "mu": True, "logvar": False}}},
            "Let the gradient through: none reaches the second head.",
        ),
        (
            {"together": "importance-weighted bound, but for log K"},
            "Take the mean of the weights, not their sum: training is the same, the value is "
            "log K nats too low.",
        ),
    ],
)
def test_advice_is_one_sentence_to_act_on(parts, said):
    assert changed(**parts).advice == said


def test_a_gradient_that_a_divergence_cannot_have_is_not_missed():
    absent = {"x_hat": True, "mu": True, "logvar": False}
    without = {"reading": None, "v": 0.0, "g": 0.0}
    said = changed(gradients={"reached": absent, "moves": absent}, divergence=without).advice
    assert said.startswith("Write the KL as ½ Σ [μ² + σ² − log σ² − 1]")


@pytest.mark.parametrize(("size", "grows"), [("0.5 · d", True), ("0.5", False)])
@pytest.mark.parametrize(
    ("of", "whose"),
    [
        ("image", "an image's KL"),
        ("batch", "the batch's mean KL"),
        ("coordinate", "each coordinate's KL"),
        ("coordinate of the batch", "each coordinate's KL, averaged over the batch"),
        ("group of 2 coordinates", "the KL of each group of 2 coordinates"),
    ],
)
def test_a_floor_is_told_with_whose_it_is(of, whose, size, grows):
    findings = changed(divergence={"floor": 0.5, "floor_of": of, "floor_grows": grows})
    floor = f"a floor of {size} nats under {whose} (free bits)"
    assert line(findings, "sums of the divergence")[1] == f"weight 1 / M; {floor}"
    assert line(findings, "value")[0] == f"minus a bound that lies below the ELBO: {floor}"
    assert findings.advice.startswith(f"This bound lies below the ELBO: {floor}")
    assert (findings.bound, findings.elbo) == (True, False)


@pytest.mark.parametrize(
    ("ratio", "verdict", "said"),
    [
        (-1.0, "no bound", "Leave the turn out for a bound: an image's KL is driven to 5 nats"),
        (0.5, "no bound", "Give the KL one weight: beyond 5 nats it counts 0.5 times."),
        (2.0, "bound", "Give the KL one weight: beyond 5 nats it counts 2 times."),
    ],
)
def test_a_turn_is_no_bound_unless_the_kl_counts_more_beyond(ratio, verdict, said):
    findings = changed(divergence={"turn": (5.0, ratio), "turn_of": "image"})
    assert (findings.verdict, findings.elbo) == (verdict, False)
    assert findings.advice.startswith(said)
    seen = line(findings, "sums of the divergence")[1]
    assert seen.endswith(f"from 5 nats of an image's KL on, {number(ratio)} times that")


def test_two_readings_of_a_head_are_both_told():
    findings = changed("a model that draws by log σ", sampler={"readings": ("σ", "log σ")})
    assert findings.advice.endswith("the model draws with it as σ or log σ.")
    assert line(findings, "second head")[1] == "the model draws with it as σ or log σ"


@pytest.mark.parametrize(("factor", "right"), [(1.004, True), (1.006, False), (0.994, False)])
def test_a_weight_may_be_half_a_percent_off(factor, right):
    beta = Weight(factor, {})
    findings = changed(value={"beta": beta, "ratio": beta})
    assert (findings.advice == NOTHING, findings.elbo) == (right, right)


@pytest.mark.parametrize(("factor", "half"), [(2.009, True), (2.011, False)])
def test_a_weight_of_about_two_lacks_its_half(factor, half):
    beta = Weight(factor, {})
    said = changed(value={"beta": beta, "ratio": beta}).advice
    assert said.startswith("Give the KL its ½" if half else "Give the KL the weight 1")


@pytest.mark.parametrize("part", ["a", "v"])
@pytest.mark.parametrize(("variance", "other"), [(0.5004, False), (0.502, True)])
def test_the_kl_the_other_way_round_may_be_a_thousandth_off(part, variance, other):
    findings = changed("the KL the other way round and its sign", divergence={part: variance})
    assert line(findings, "divergence")[0].startswith("KL from N(0, I) to q") is not other


@pytest.mark.parametrize(("a", "said"), [(1.0004, "μ² + "), (1.002, "1 · μ² + ")])
def test_a_factor_of_about_one_is_not_written(a, said):
    raw = found(RIGHT).divergence.raw | {"μ²": torch.tensor([a])}
    seen = line(changed(divergence={"raw": raw}), "divergence")[1]
    assert seen.startswith(f"per coordinate {said}")


def test_parameters_without_a_gradient_are_listed():
    findings = changed("a model with an idle parameter", sampler={"unreached": ("one", "other")})
    assert line(findings, "model")[1].endswith("; no gradient for one, other")
    assert findings.advice == "Let the gradient through to one, other."


@pytest.mark.parametrize(
    ("divergence", "said"),
    [
        ({"reading": "σ"}, "a KL if it is σ"),
        ({"reading": "σ", "a": 1.0}, "taken for σ, but in no KL to N(0, I)"),
        ({"reading": None}, "is not in the divergence"),
        ({"form": None, "reading": None, "per_latent": None}, "cannot be told"),
    ],
)
def test_what_a_second_head_is_taken_for_is_told(divergence, said):
    assert line(changed(divergence=divergence), "second head")[0] == said


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        *((factor, "sum") for factor in (1.0, 2.0, -2.0, 2.001)),
        *((factor, "sum or mean") for factor in (0.5, 4.0, 2.003, 4 / 784)),
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


@pytest.mark.parametrize(
    ("mean", "variance", "said"),
    [
        ([0.0], [1.0], "N(0, I)"),
        ([1e-9], [1.0005], "N(0, I)"),
        ([-1e-5], [1.02], "N(−10⁻⁵, 1.02 I)"),
        ([0.5], [0.25], "N(0.5, 0.25 I)"),
        ([0.5, 0.0], [1.0, 1.0], "a normal with a mean and a variance of each coordinate's own"),
    ],
)
def test_a_prior_is_written_with_what_differs(mean, variance, said):
    assert normal(torch.tensor(mean), torch.tensor(variance)) == said
