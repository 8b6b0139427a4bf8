"""The least that a step costs: its matrix products and the bytes that must move. No timing here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.setting import Setting

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Work:
    """Floating-point operations of the matrix products, and bytes read or written."""

    flops: int
    bytes: int

    def seconds(self, rate: float, bandwidth: float) -> float:
        """The floor: ``flops / rate + bytes / bandwidth``."""
        return self.flops / rate + self.bytes / bandwidth


def forward(rows: int, sizes: Sequence[int]) -> int:
    """FLOPs of a chain of linear layers: ``2 rows n_in n_out`` each."""
    return sum(2 * rows * n_in * n_out for n_in, n_out in pairwise(sizes))


def parameters(sizes: Sequence[int]) -> int:
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))


def step(s: Setting) -> Work:
    """One training step.

    Products: forward, then twice that backward, less the gradient of the pixels, which nobody
    needs. Bytes: Adam reads parameter, gradient and two moments and writes all but the gradient;
    the loss reads logits and pixels and writes the gradient of the logits.
    """
    rows = s.batch * s.samples
    products = 3 * (forward(s.batch, s.encoder) + forward(rows, s.decoder))
    products -= forward(s.batch, s.encoder[:2])
    adam = 7 * (parameters(s.encoder) + parameters(s.decoder))
    loss = s.pixels * (2 * rows + s.batch)
    return Work(products, FLOAT * (adam + loss))


def evidence(s: Setting, images: int, samples: int) -> Work:
    """``log_evidence``: each image encoded once, each sample decoded, logits and pixels read."""
    products = forward(images, s.encoder) + forward(images * samples, s.decoder)
    return Work(products, FLOAT * s.pixels * images * (samples + 1))
