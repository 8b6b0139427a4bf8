"""Findings: sentences that numbers must bear out, each with the interval that decides."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from vaelib.checks.result import CheckFailed, estimated, numbers, same_shape, shown, single, words
from vaelib.divergence import Estimate
from vaelib.prose import readable

CONFIDENCE = 0.95
SHOWN = {
    "found": ("✓", "{Claim}."),
    "open": ("?", "These runs leave open whether {claim}."),
    "contradicted": ("✗", "These runs contradict that {claim}."),
}


@dataclass(frozen=True)
class Finding:
    """A sentence and what the runs say of it; true where they bear it out.

    Attributes:
        label: ``fd-...``.
        claim: the sentence that was tested.
        verdict: ``found``, ``open`` or ``contradicted``.
        runs: the number of training seeds; 0 for an estimate of something that is not trained.
        cases: how many differences were compared.
        mean: the difference in the case that decided.
        interval: its 95 % interval.
        region: where the claim wants it; None for a side without a limit.
        wrong: the name of the wrong answer, and its difference in that case.
        unit: of all these numbers.
    """

    label: str
    claim: str
    verdict: str
    runs: int
    cases: int
    mean: float
    interval: tuple[float, float]
    region: tuple[float, float | None]
    wrong: tuple[str, float]
    unit: str

    def __bool__(self) -> bool:
        return self.verdict == "found"

    @property
    def sentence(self) -> str:
        """The claim as the verdict has it."""
        capital = self.claim[0].upper() + self.claim[1:]
        return SHOWN[self.verdict][1].format(claim=self.claim, Claim=capital)

    @property
    def evidence(self) -> str:
        """The numbers behind the verdict."""
        unit = self.unit and f" {self.unit}"
        low, high = self.interval
        runs = f"{self.runs} training seeds" if self.runs else "an estimate"
        worst = f", the worst of {self.cases:,} cases" * (self.cases > 1)
        name, wrong = self.wrong
        return (
            f"{runs}{worst}: {self.mean:.3g}{unit}, 95 % interval {low:.3g} to {high:.3g}, "
            f"claimed {_wanted(*self.region)}  ·  would catch “{name}”, {wrong:.3g}"
        )

    def __str__(self) -> str:
        mark = SHOWN[self.verdict][0]
        return f"{mark} ({self.label})  {self.sentence}  ·  {self.evidence}"

    def _repr_html_(self) -> str:
        told = {"sentence": self.sentence, "evidence": readable(self.evidence)}
        return shown("finding", self, asdict(self) | told)


def finding(
    label: str,
    difference: object,
    /,
    *,
    claim: str = "",
    above: float | None = None,
    within: tuple[float, float] | None = None,
    wrong: Mapping[str, object],
    must: bool = False,
    unit: str = "nats",
) -> Finding:
    """Say whether numbers bear a sentence out, by a two-sided 95 % interval for their mean.

    Seeds are paired: each difference is of two runs with one seed. With n seeds the interval is
    Student's, and for an :class:`~vaelib.divergence.Estimate` the normal one::

        mean ± t(0.975, n − 1) · standard deviation / √n        mean ± 1.96 · standard error

    It is *found* where the whole interval lies where the claim wants it and the wrong value lies
    outside of the interval, *contradicted* where the whole interval lies elsewhere, else *open*.
    Several cases have to hold together, so their intervals are as wide as makes 95 % for all
    (Bonferroni); the case that decided is shown. Runs that all give one and the same number, as if
    their seeds were not used, leave every claim open. Were a claim just false, it would still be
    found once in forty times.

    Args:
        label: ``fd-...``.
        difference: one for each training seed, at least three, shape ``(seeds, ...)``; or an
            Estimate, where nothing is trained.
        claim: the sentence, as it reads after "that": without a capital or a full stop. Without
            one it says where the difference lies.
        above: the difference lies above this number.
        within: the difference lies between these two.
        wrong: ``{name: value}``: the difference that a mistake, or no effect, would give.
        must: whether anything but found stops the run.
        unit: of the difference, ``""`` for a pure number.

    Returns:
        Finding, which shows itself in a notebook.

    Raises:
        CheckFailed: ``must``, and it is not found; or a number that is not finite.
        ValueError: fewer than three seeds, not just one of ``above`` and ``within``, different
            shapes.

    >>> told = {"claim": "it gains", "wrong": {"no gain": 0}}
    >>> bool(finding("fd-gain", [1.0, 1.2, 0.9], above=0, **told))
    True
    """
    low_end, high_end = _region(label, above, within)
    runs, mean, half = _interval(label, difference)
    wrong_name, mistake = single(label, wrong)
    if mistake.ndim:
        same_shape(label, {"difference": mean, wrong_name: mistake})
    mistake = mistake.expand(mean.shape).flatten()
    mean, half = mean.flatten(), half.flatten()
    low, high = mean - half, mean + half
    inside = torch.minimum(low - low_end, high_end - high)
    margin = torch.minimum(inside, (mistake - mean).abs() - half)
    outside = (high < low_end) | (low > high_end)
    at = int(outside.int().argmax() if outside.any() else margin.argmin())
    verdict = "contradicted" if outside[at] else "found" if margin[at] > 0 else "open"
    region = (low_end, None if high_end == float("inf") else high_end)
    result = Finding(
        label,
        claim or f"the difference lies {_wanted(*region)}",
        verdict,
        runs,
        len(mean),
        float(mean[at]),
        (float(low[at]), float(high[at])),
        region,
        (words(wrong_name), float(mistake[at])),
        unit,
    )
    if must and not result:
        raise CheckFailed(str(result))
    return result


def _wanted(least: float, most: float | None) -> str:
    return f"above {least:g}" if most is None else f"within {least:g} to {most:g}"


def _region(
    label: str, above: float | None, within: tuple[float, float] | None
) -> tuple[float, float]:
    if (above is None) == (within is None):
        raise ValueError(f"{label}: a finding lies above a number or within two; say one of them")
    low, high = (above, float("inf")) if within is None else within
    if not -float("inf") < low < high:
        raise ValueError(f"{label}: nothing lies between {low} and {high}")
    return float(low), float(high)


def _interval(label: str, difference: object) -> tuple[int, Tensor, Tensor]:
    """The number of seeds, the means, and half the width of their joint interval."""
    from scipy.special import ndtri, stdtrit

    if isinstance(difference, Estimate):
        runs, (mean, error) = 0, estimated(label, "difference", difference)
    else:
        values = numbers(label, "difference", difference)
        if values.ndim == 0 or len(values) < 3:
            raise ValueError(f"{label}: needs paired differences of at least three training seeds")
        runs, (mean, error) = len(values), Estimate.of(values)
        error = torch.where(error > 0, error, torch.inf)
    p = 1 - (1 - CONFIDENCE) / 2 / mean.numel()
    return runs, mean, error * float(stdtrit(runs - 1, p) if runs else ndtri(p))
