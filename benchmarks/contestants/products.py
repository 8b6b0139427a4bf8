"""The matrix products of a step and nothing else: what no loop can leave out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from benchmarks import limits
from benchmarks.setting import Setting


def make(s: Setting, x: Tensor) -> Callable[[int], None]:
    """Each layer's output and both gradients; of the pixels nobody needs one."""
    layers = [(s.batch, *sizes) for sizes in pairwise(s.encoder)]
    layers += [(s.batch * s.samples, *sizes) for sizes in pairwise(s.decoder)]
    factors = [
        [torch.randn(shape, device=x.device) for shape in ((rows, n), (m, n), (rows, m))]
        for rows, n, m in layers
    ]

    def step() -> None:
        for layer, (inputs, weights, slopes) in enumerate(factors):
            inputs @ weights.T
            slopes.T @ inputs
            if layer:
                slopes @ weights

    def run(epochs: int) -> None:
        with limits.route(limits.float32_route(x.device.type)):
            for _ in range(epochs * -(-len(x) // s.batch)):
                step()

    return run
