"""What a reconstruction is."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vaelib.audit.nameless import Nameless
from vaelib.audit.pixels import FITTED, FREE, KINDS, OF_CLASSES, pair, scaled
from vaelib.audit.powers import Weight

NAMELESS = "a function that has no name here"


@dataclass(frozen=True)
class Likelihood:
    """What the reconstruction is.

    Attributes:
        kind: a key of KINDS, or in other words what it is.
        proper: whether ``kind`` is a likelihood.
        per_pixel: the weight of one pixel's −log p (Gaussian: at σ² = 1); None if unreadable.
        variance: where a Gaussian's σ² comes from: ``"constant"``, ``"argument"``, the error of the
            ``"batch"`` or of each ``"image"``, or ``"parameter …"`` of the loss.
        current: σ² as it is now, where it is a parameter.
        scale: how the decoder's own head is read, where there is one.
        normaliser: weight of ½ log σ² beside that of the error; 1 is right.
        everywhere: whether the same formula holds for x̂ outside [0, 1]; None if not defined there.
        binary_only: whether the loss takes only black and white pixels.
        each: the weight of each pixel beside ``per_pixel``, where they differ.
        unnamed: what is told of a reconstruction without a name.
        parts: the kinds of single pixels, each with a one at those that are of it.
    """

    kind: str
    proper: bool = False
    per_pixel: Weight | None = None
    variance: str = "constant"
    scale: str | None = None
    normaliser: float = 1.0
    everywhere: bool | None = None
    binary_only: bool = False
    current: float | None = None
    each: Tensor | None = None
    unnamed: Nameless | None = None
    parts: dict[str, Tensor] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The first word of its name: Gaussian, Bernoulli, Laplace, …"""
        return self.kind.split()[0]

    @property
    def free(self) -> bool:
        """Whether a constant scale of the noise and β are one degree of freedom."""
        if self.unnamed:
            return self.proper and self.unnamed.found.free
        return self.kind.startswith(FREE) and self.variance == "constant"

    def total(self, inputs: dict[str, Tensor]) -> Tensor:
        """Σ over all pixels of the unweighted −log p, but for constants."""
        if self.scale:
            error, logarithm = (column(inputs) for column in scaled(self.scale))
            return error + self.normaliser * logarithm
        both, known = pair(inputs), KINDS | OF_CLASSES
        if self.parts:
            terms = sum(
                known[k](*both) * there.reshape(both[1][0].shape) for k, there in self.parts.items()
            )
        else:
            terms = (FITTED.get(self.variance) or known[self.kind])(*both)
        if self.each is not None and len(self.each) == terms[0].numel():
            terms = terms * self.each.reshape(terms[0].shape)
        return terms.sum() if self.current is None else terms.sum() / self.current
