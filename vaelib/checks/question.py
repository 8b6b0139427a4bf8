"""A question whose answer the reader can have judged without seeing it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Answer = Tensor | list | float | str | Callable


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

    Each entry must be right. Of a function, an expression or a piece of code, the entries are its
    values at the points ``at``; of a choice there is one, which must be the same. A wrong answer
    earns the hint of the mistake that it agrees with, or else one where a sign, a factor or a
    constant explains all entries.

    Args:
        correct: the answer, a number, a tensor, a function, or a text that is chosen.
        tolerance: the largest deviation that passes, in (0, 0.1].
        wrong: typical mistakes, each a hint with the wrong answer that it makes. To choose from
            there are the correct answer and these.
        at: what a function is called with, a tensor or a tuple of arguments.

    Raises:
        ValueError: the answer is empty or not finite, ``tolerance`` is out of range, or a wrong
            answer does not fail with its hint; when called, an answer of another kind or shape.

    >>> exercise = Question([1.0, 2.0], wrong={"of z²": [3.0, 4.0]})
    >>> exercise([1.0, 2.0])
    ✓ right
    >>> exercise([3.0, 4.0])
    ✗ not yet: of z²
    >>> exercise([0.5, 1.0])
    ✗ not yet: yours is 0.5 times the answer
    >>> Question(lambda z: z**2, at=torch.randn(20))(lambda z: z * z)
    ✓ right
    >>> Question("rises", wrong={"look at the sign": "falls"})("falls")
    ✗ not yet: look at the sign
    """

    def __init__(
        self,
        correct: Answer,
        tolerance: float = 1e-3,
        wrong: Mapping[str, Answer] | None = None,
        at: Tensor | tuple = (),
    ) -> None:
        if not 0 < tolerance <= 0.1:
            raise ValueError(f"tolerance must lie in (0, 0.1], got {tolerance}")
        self._at = at if isinstance(at, tuple) else (at,)
        if callable(correct) != bool(self._at):
            raise ValueError("points, at=..., belong to a function, and a function needs them")
        self._is_function, self._tolerance, self._wrong = callable(correct), tolerance, {}
        self._choices = [correct, *(wrong or {}).values()] if isinstance(correct, str) else []
        self._correct = self._read(correct)
        if self._correct.numel() == 0 or not self._correct.isfinite().all():
            raise ValueError("the correct answer must be finite and not empty")
        self._expect(wrong or {})

    def __call__(self, yours: Answer) -> Verdict:
        """Judge an answer of the kind and the shape of the correct one."""
        yours, shape = self._read(yours), tuple(self._correct.shape)
        if yours.shape != shape:
            raise ValueError(f"the answer has shape {shape}, yours {tuple(yours.shape)}")
        if self._agree(yours, self._correct):
            return Verdict(True, "✓ right")
        known = (f": {hint}" for hint, bad in self._wrong.items() if self._agree(yours, bad))
        return Verdict(False, f"✗ not yet{next(known, None) or self._hint(yours)}")

    def _expect(self, wrong: Mapping[str, Answer]) -> None:
        """Take typical mistakes, each of which must fail with its own hint."""
        for hint, answer in wrong.items():
            self._wrong[hint] = self._read(answer)
            verdict = self(answer)
            if verdict or verdict.text != f"✗ not yet: {hint}":
                raise ValueError(f"the wrong answer for {hint!r} gets: {verdict}")

    def _read(self, answer: Answer) -> Tensor:
        """Return what is compared of an answer: its entries, or 1 for the choice, 0 for others."""
        if self._choices:
            if answer not in self._choices:
                raise ValueError(f"choose one of {sorted(self._choices)}, not {answer!r}")
            answer = [answer == choice for choice in self._choices]
        elif callable(answer) != self._is_function or answer is None or isinstance(answer, str):
            kind = "a function" if self._is_function else "a number or a tensor"
            raise ValueError(f"the answer is {kind}, yours {answer!r}")
        elif self._is_function:
            answer = answer(*(a.clone() if torch.is_tensor(a) else a for a in self._at))
        return torch.as_tensor(answer, dtype=torch.float64, device="cpu").detach()

    def _agree(self, a: Tensor, b: Tensor) -> bool:
        return bool(((a - b).abs() <= self._tolerance * b.abs().clamp(min=1)).all())

    def _hint(self, yours: Tensor) -> str:
        correct = self._correct
        if not yours.isfinite().all():
            return ": yours is not finite"
        if self._agree(-yours, correct):
            return ": the sign"
        factor = (yours * correct).sum() / correct.square().sum()
        offset = (yours - correct).mean()
        if self._agree(factor * correct, yours):
            return f": yours is {factor:.3g} times the answer"
        if correct.numel() > 1 and self._agree(correct + offset, yours):
            return f": yours is the answer {'+' if offset > 0 else '−'} {abs(offset):.3g}"
        return ""
