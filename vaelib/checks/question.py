"""A question whose answer the reader can have judged without seeing it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer; true where the answer is right."""

    right: bool
    text: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.text


class Question:
    """A question that knows its answer and judges the one it is called with.

    ::

        right  ⇔  |yours − correct| ≤ tolerance · max(1, |correct|)

    Each entry must be right. A wrong answer gets a hint where one mistake explains all entries: a
    sign, a factor, a constant.

    Args:
        correct: the answer, a number or a tensor.
        tolerance: the largest deviation that passes, in (0, 0.1].

    Raises:
        ValueError: the answer is empty or not finite, or ``tolerance`` is out of range; when
            called, an answer of another shape.

    >>> exercise = Question(torch.tensor([1.0, 2.0]))
    >>> exercise([1.0, 2.0])
    ✓ right
    >>> exercise([0.5, 1.0])
    ✗ not yet: yours is 0.5 times the answer
    """

    def __init__(self, correct: Tensor | float, tolerance: float = 1e-3) -> None:
        if not 0 < tolerance <= 0.1:
            raise ValueError(f"tolerance must lie in (0, 0.1], got {tolerance}")
        self._correct, self._tolerance = _numbers(correct), tolerance
        if self._correct.numel() == 0 or not self._correct.isfinite().all():
            raise ValueError("the correct answer must be finite and not empty")

    def __call__(self, yours: Tensor | float) -> Verdict:
        """Judge an answer of the shape of the correct one."""
        yours, correct = _numbers(yours), self._correct
        if yours.shape != correct.shape:
            raise ValueError(
                f"the answer has shape {tuple(correct.shape)}, yours {tuple(yours.shape)}"
            )
        if self._agree(yours, correct):
            return Verdict(True, "✓ right")
        return Verdict(False, f"✗ not yet{self._hint(yours, correct)}")

    def _agree(self, a: Tensor, b: Tensor) -> bool:
        return bool(((a - b).abs() <= self._tolerance * b.abs().clamp(min=1)).all())

    def _hint(self, yours: Tensor, correct: Tensor) -> str:
        if not yours.isfinite().all():
            return ": yours is not finite"
        if self._agree(-yours, correct):
            return ": the sign"
        factor, offset = (yours / correct).mean(), (yours - correct).mean()
        if self._agree(factor * correct, yours):
            return f": yours is {factor:.3g} times the answer"
        if correct.numel() > 1 and self._agree(correct + offset, yours):
            return f": yours is the answer {'+' if offset > 0 else '−'} {abs(offset):.3g}"
        return ""


def _numbers(value: Tensor | float) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64, device="cpu").detach()
