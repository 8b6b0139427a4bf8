"""The audit of losses in the manner of well-known projects: right in every line."""

from html import escape

import pytest
import torch

from tests.audit import losses
from tests.audit.pages import pages, section
from vaelib.audit import audit

DIVIDE = "Divide the reconstruction by the batch size, not by batch × pixels"
NOTHING = "Nothing to change: this is minus an ELBO."
BINARY = "not told: a likelihood only if they are black and white"
GAUSSIAN = {"pixels": None, "likelihood": "Gaussian"}

# what is told of a right loss, line by line
RIGHT = {
    "likelihood": "Bernoulli on probabilities",
    "sums of the likelihood": "sum over pixels, mean over the batch",
    "pixels": BINARY,
    "divergence": "KL to N(0, I)",
    "second head": "a KL if it is log σ²",
    "sums of the divergence": "sum over coordinates, mean over the batch",
    "weight of the KL": "β = 1",
    "value": "minus an ELBO",
    "unit": "nats per image, mean over the batch",
    "constants": "the KL's −1: there",
    "gradients": "reach x̂ and both heads",
    "noise": "deterministic",
    "advice": NOTHING,
}

CASES = {
    "summed over the batch": (
        losses.classic_example,
        {},
        {
            "sums of the likelihood": "sum over pixels, sum over the batch",
            "sums of the divergence": "sum over coordinates, sum over the batch",
            "unit": "nats per image, summed over the batch",
        },
    ),
    "mean MSE and 0.00025 KL": (
        losses.mean_mse_and_little_kl,
        {"x_hat": 0, "x": 1, "mu": 2, "logvar": 3, "M_N": 0.00025},
        {
            **GAUSSIAN,
            "sums of the likelihood": "mean over pixels, mean over the batch",
            "weight of the KL": (
                "σ² = 0.000125 · D = 0.098 at β = 1, or β = 0.000125 · D = 0.098 at σ² = 1"
            ),
            "unit": "0.00025 nats per image, mean over the batch (at β = 1)",
            "constants": "the likelihood's normaliser: left out; the KL's −1: there",
            "advice": (
                f"{DIVIDE}, or say which σ² you mean: as written this is an ELBO with "
                "σ² = 0.000125 · D = 0.098, a noise of 0.313 on pixels in [0, 1], or β = 0.098 at "
                "σ² = 1."
            ),
        },
    ),
    "mean BCE × 784": (
        losses.mean_bce_times_784,
        {},
        {
            "sums of the likelihood": "mean over pixels, mean over the batch",
            "weight of the KL": "β = D / 784 = 1",
            "unit": "nats per image of 784 pixels, mean over the batch",
            "advice": (
                "Right for these sizes alone, β = D / 784: divide the reconstruction by the batch "
                "size, not by batch × pixels, and it holds for all."
            ),
        },
    ),
    "mean over everything": (
        losses.mean_over_everything,
        {},
        {
            "sums of the likelihood": "mean over pixels, mean over the batch",
            "sums of the divergence": "mean over coordinates, mean over the batch",
            "weight of the KL": "β = D / d = 39.2",
            "value": "minus a bound that lies below the ELBO",
            "unit": "nats per pixel, mean over the batch",
            "advice": (
                f"{DIVIDE}, and sum the KL over the coordinates; as written β = D / d = 39.2."
            ),
        },
    ),
    "log σ for log σ², without its model": (losses.log_sigma_as_if_log_variance, {}, {}),
    "without the ½": (
        losses.without_the_half,
        {},
        {
            "weight of the KL": "β = 2",
            "value": "minus a bound that lies below the ELBO",
            "advice": "Give the KL its ½, or say that you want β = 2; as written β = 2.",
        },
    ),
    "the wrong sign": (
        losses.wrong_sign,
        {},
        {
            "divergence": "KL to N(0, I), with the wrong sign",
            "weight of the KL": "β = −1",
            "value": "no bound",
            "advice": "Turn the sign of the KL: as written, q is driven away from the prior.",
        },
    ),
    "a schedule's weight": (
        losses.scheduled,
        {"kl_weight": 2.5e-4},
        {
            **GAUSSIAN,
            "weight of the KL": "σ² = 0.000125 at β = 1, or β = 0.000125 at σ² = 1",
            "unit": "0.00025 nats per image, mean over the batch (at β = 1)",
            "constants": "the likelihood's normaliser: left out; the KL's −1: there",
            "advice": (
                "Say which σ² you mean: as written this is an ELBO with σ² = 0.000125, a noise of "
                "0.0112 on pixels in [0, 1], or β = 0.000125 at σ² = 1."
            ),
        },
    ),
    "learned variance": (
        losses.learned_variance,
        {},
        {
            **GAUSSIAN,
            "likelihood": "Gaussian, σ² from an argument, read as log σ²",
            "constants": "the likelihood's normaliser: there; the KL's −1: there",
        },
    ),
    "a sampled KL": (
        losses.sampled_inside,
        {},
        {
            "likelihood": "Bernoulli on logits",
            "divergence": "KL to N(0, I), by samples (log q − log p)",
            "second head": "a KL if it is σ",
            "constants": "the KL's constants: there",
            "noise": "draws noise itself",
        },
    ),
    "importance-weighted": (
        losses.importance_weighted,
        {},
        {
            "divergence": (
                "KL to N(0, I), by samples (log q − log p), in an importance-weighted bound"
            ),
            "constants": "the KL's constants: there",
            "value": "minus an importance-weighted bound",
            "advice": "Nothing to change: this is minus an importance-weighted bound.",
        },
    ),
    "another library": (losses.AnotherLibrary(), {}, {"second head": "a KL if it is σ"}),
    "a learned scale": (
        losses.LearnedScale(),
        {},
        {
            **GAUSSIAN,
            "likelihood": "Gaussian, σ² from the loss: its parameter log_sigma",
            "weight of the KL": "β = 1, σ² = 0.135 as it is now",
            "constants": "the likelihood's normaliser: there; the KL's −1: there",
        },
    ),
    "the batch's own variance": (
        losses.batch_variance,
        {},
        {
            **GAUSSIAN,
            "likelihood": "Gaussian, σ² from the batch's own error",
            "constants": "the likelihood's normaliser: there; the KL's −1: there",
        },
    ),
    "free bits": (
        losses.free_bits,
        {},
        {
            "value": "minus a bound that lies below the ELBO",
            "advice": "Nothing to change: this is minus a bound that lies below the ELBO.",
        },
    ),
    "warming up": (
        losses.WarmingUp(),
        {},
        {
            "weight of the KL": "β = 0.01",
            "value": "no bound",
            "advice": (
                "Give the KL the weight 1, or say that you want another; as written β = 0.01."
            ),
        },
    ),
    "no KL at all": (
        losses.maximum_mean_discrepancy,
        {},
        {
            **GAUSSIAN,
            "sums of the likelihood": "mean over pixels, mean over the batch",
            "divergence": "no divergence that has a name",
            "second head": "cannot be told",
            "sums of the divergence": None,
            "weight of the KL": None,
            "value": "no bound",
            "unit": "one of its parts is neither likelihood nor divergence",
            "constants": None,
            "gradients": "none to the second head",
            "advice": "Let the gradient through: none reaches the second head.",
        },
    ),
}


def told(found) -> dict[str, str]:
    """Every line of the report, the value's unit and the advice."""
    lines = {what: answer for what, answer, _ in found.lines}
    unit = next(evidence for what, _, evidence in found.lines if what == "value")
    return lines | {"unit": unit, "advice": found.advice}


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_right(name):
    loss, given, differs = CASES[name]
    expected = {what: answer for what, answer in (RIGHT | differs).items() if answer is not None}
    found = audit(loss, **given)
    assert told(found) == expected
    assert section(found) == pages()[name]


def test_the_page_holds_every_line_and_ends_with_the_advice():
    found = audit(losses.mean_over_everything)
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


def test_sizes_are_those_that_are_told():
    found = audit(losses.mean_over_everything, shape=(3, 32, 32), latents=64)
    assert found.beta == pytest.approx(3 * 32 * 32 / 64)
    assert "C · H · W / d = 48" in told(found)["weight of the KL"]


def test_the_loss_keeps_its_own_state():
    loss = losses.WarmingUp()
    found = audit(loss)
    assert loss.step == 0
    assert found.stateful
    assert found.beta == pytest.approx(0.01)


def test_the_callers_noise_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    audit(losses.sampled_inside)
    assert torch.equal(torch.rand(1), expected)
