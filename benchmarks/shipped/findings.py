"""What is recorded of a loss: the audit's answer, and whether value and gradient agree."""

from __future__ import annotations

from dataclasses import replace

from vaelib.audit import Audit, audit
from vaelib.audit.binding import bind
from vaelib.audit.shapes import LETTERS
from vaelib.audit.trials import beginnings

POINTS = 64


def finding(loss, sizes: dict) -> dict:
    """The verdict, what is optimised, β and σ² (or b) at these sizes, and the sentence."""
    found = audit(loss, **sizes)
    told = {what: words for what, words, _ in found.lines}
    return {
        "verdict": found.verdict,
        "optimises": f"{told['likelihood']}; {told['divergence']}",
        "beta": found.beta,
        "variance": found.variance if (found.variance or 0) > 0 else None,
        "sizes": _that_matter(found),
        "differs": differs(loss, sizes),
        "sentence": found.advice,
    }


def _that_matter(found: Audit) -> str:
    """The sizes that β or σ² depends on."""
    powers = found.value.ratio.powers if found.value else {}
    return ", ".join(f"{LETTERS[a]} = {n}" for a, n in found.sizes.items() if powers.get(a))


def differs(loss, sizes: dict) -> bool:
    """Whether the value changes otherwise than its gradient says.

    Between two points the gradient's integral, by the midpoint rule, is compared with the value.
    """
    shape, latents = sizes.get("shape"), sizes.get("latents", 20)
    code = latents if isinstance(latents, tuple) else (latents,)
    probe, case = next(beginnings(loss, bind(loss, {}, {}), None, shape, 0, code))
    case = replace(case, samples=case.layout.several if case.layout.samples is not None else 1)
    start, end = (case.draw(probe.roles, seed) for seed in range(2))
    moved = [role for role in probe.roles if role != "x"]
    end |= {"x": start["x"]}
    total = 0.0
    for i in range(POINTS):
        between = {r: start[r] + (i + 0.5) / POINTS * (end[r] - start[r]) for r in probe.roles}
        slopes = probe.gradients(between, moved)
        total += sum(float((slopes[r] * (end[r] - start[r])).sum()) for r in moved) / POINTS
    change = probe(end) - probe(start)
    return abs(total - change) > 0.01 * (abs(total) + abs(change))
