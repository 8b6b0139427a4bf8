"""The VAE that chapter `vae` trains: one layer of ReLU units each way, and Adam."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vaelib.experiments.learners import ByGradient
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal


class Standard(ByGradient):
    """Learns as the chapter's cells do; arguments as for its parent."""

    def __init__(self, s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> None:
        self.s, self.x, self.keep = s, x, keep
        self.model = build(s, x.shape[1])
        self.how = {"learning_rate": step_size}


def build(s: dict, pixels: int) -> VAE:
    """The network, with torch's own initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(s["seed"])
        encoder = GaussianEncoder(pixels, [s["hidden"]], s["latent"], nn.ReLU)
        decoder = BernoulliDecoder(s["latent"], [s["hidden"]], pixels, nn.ReLU)
    return VAE(StandardNormal(s["latent"]), encoder, decoder)
