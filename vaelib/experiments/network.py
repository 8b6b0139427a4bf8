"""The networks of the experiments: what layers, and how their weights start."""

from __future__ import annotations

from collections.abc import Callable

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

    def start(model: VAE) -> None:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=s["initial"])

    model = drawn(s, pixels, nn.Tanh, encoder=Encoder, start=start)
    if s["method"] == "bayes":
        model.decoder = UncertainDecoder(model.decoder)
    return model


def drawn(
    s: dict,
    observed: int | tuple[int, ...],
    activation: type[nn.Module],
    hidden: list[int] | None = None,
    encoder: type[nn.Module] = GaussianEncoder,
    start: Callable[[VAE], object] = lambda model: None,
    **told,
) -> VAE:
    """The same layers each way, with torch's own initial weights or as ``start`` sets them."""
    hidden, latent = hidden or [s["hidden"]], s["latent"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(s["seed"])
        q = encoder(observed, hidden, latent, activation)
        decoder = DECODERS[s["likelihood"]]
        p = decoder(latent, hidden[::-1], observed, activation=activation, **told)
        model = VAE(StandardNormal(latent), q, p)
        start(model)
    return model
