"""The least that a step costs: its products and the bytes that must move. No timing here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from benchmarks.setting import Setting
from vaelib.validation import unexamined

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Work:
    """Floating-point operations of the products, and bytes read or written."""

    flops: int
    bytes: int

    def seconds(self, rate: float, bandwidth: float) -> float:
        """The floor: ``flops / rate + bytes / bandwidth``."""
        return self.flops / rate + self.bytes / bandwidth


@cache
def products(s: Setting) -> tuple[list[int], list[int]]:
    """FLOPs of each layer of both networks for one example.

    ::

        2 · weights · places

    A linear layer has one place; convolutions use each weight wherever the smaller of their two
    images has a pixel.
    """
    with torch.device("meta"), torch.no_grad(), unexamined():
        encoder, decoder = s.networks()
        return (
            _products(encoder, torch.zeros(1, *s.event)),
            _products(decoder, torch.zeros(1, s.latent)),
        )


def _products(network: nn.Module, x) -> list[int]:
    found: list[int] = []

    def note(layer, inputs, output) -> None:
        places = min(inputs[0].shape[2:].numel(), output.shape[2:].numel())
        found.append(2 * layer.weight.numel() * places)

    for layer in network.modules():
        if hasattr(layer, "weight"):
            layer.register_forward_hook(note)
    network(x)
    return found


@cache
def parameters(s: Setting) -> int:
    """How many numbers both networks learn."""
    with torch.device("meta"), unexamined():
        return sum(p.numel() for p in s.model().parameters())


def step(s: Setting) -> Work:
    """One training step.

    Products: forward, then twice that backward, less the gradient of the pixels, which nobody
    needs. Bytes: Adam reads parameter, gradient and two moments and writes all but the gradient;
    the loss reads logits and pixels and writes the gradient of the logits.
    """
    encoder, decoder = products(s)
    rows = s.batch * s.samples
    flops = 3 * (s.batch * sum(encoder) + rows * sum(decoder)) - s.batch * encoder[0]
    loss = s.pixels * (2 * rows + s.batch)
    return Work(flops, FLOAT * (7 * parameters(s) + loss))


def evidence(s: Setting, images: int, samples: int) -> Work:
    """``log_evidence``: each image encoded once, each sample decoded, logits and pixels read."""
    encoder, decoder = products(s)
    flops = images * sum(encoder) + images * samples * sum(decoder)
    return Work(flops, FLOAT * s.pixels * images * (samples + 1))
