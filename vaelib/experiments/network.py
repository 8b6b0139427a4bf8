"""The paper's networks: one layer of tanh units, a head for log sigma², all weights drawn alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from vaelib.distributions import diagonal_normal
from vaelib.inference import UncertainDecoder
from vaelib.models import DECODERS, VAE, GaussianEncoder, StandardNormal


class Encoder(GaussianEncoder):
    """The same network, but its second head is log sigma², as in the paper's appendix C.2.

    The model is the same; a step of given size in the head moves log sigma half as far.
    """

    def forward(self, x: Tensor) -> Independent:
        mu, log_variance = self.network(x).chunk(2, -1)
        return diagonal_normal(mu, (log_variance / 2).exp())


def build(s: dict, pixels: int) -> VAE:
    """The paper's model, every parameter drawn from N(0, initial²); by "bayes" their means are."""
    latent, hidden = s["latent"], [s["hidden"]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(s["seed"])
        decoder = DECODERS[s["likelihood"]](latent, hidden, pixels)
        model = VAE(StandardNormal(latent), Encoder(pixels, hidden, latent), decoder)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=s["initial"])
    if s["method"] == "bayes":
        model.decoder = UncertainDecoder(model.decoder)
    return model
