"""One image in colour, its code moved by hand, and the bits that it then takes."""

import math

import torch
import traitlets
from torch import Tensor

from vaelib.explorer.weights import pack_network, to_bytes, whole_network
from vaelib.explorer.widget import Explorer
from vaelib.models import VAE, LogisticDecoder
from vaelib.validation import check_counts


class PatchExplorer(Explorer, module="patch.js"):
    """A slider for each latent: the image that the code stands for, and what it costs in bits.

    ::

        pixels = −1/(S D log 2) Σ_s log p(x|mu + sigma ε_s)
        code   = KL(N(mu, diag sigma²) ‖ N(0, I)) / (D log 2)

    Their sum is minus the ELBO, in bits for each of the D dimensions of x, with q's deviation from
    the encoder and its mean from the hand. The ε_s are the same for every mean. The picture shows
    the centres of the pixels' logistics at mu.

    Args:
        model: its encoder gives a normal q(z|x), its decoder is a
            :class:`~vaelib.models.LogisticDecoder` of linear layers.
        x: one image, levels in [0, 1], channels first.
        shape: ``(channels, height, width)``, of one channel or three.
        draws: how many, S.
        precision: of the weights, ``"float32"`` or ``"float16"``.

    Attributes:
        mu: the mean of q; setting it moves the figure.
        bits: ``pixels`` and ``code`` as the browser computed them, once it has.

    Raises:
        ValueError: a decoder, an image or a shape of another kind, by name.
    """

    mu = traitlets.List(traitlets.CFloat()).tag(sync=True)
    bits = traitlets.List(traitlets.CFloat()).tag(sync=True)

    @torch.no_grad()
    def __init__(
        self,
        model: VAE,
        x: Tensor,
        shape: tuple[int, int, int],
        draws: int = 16,
        precision: str = "float32",
    ) -> None:
        check_counts(draws=draws)
        decoder = model.decoder
        if type(decoder) is not LogisticDecoder or decoder.rank != 1:
            raise ValueError("the explorer needs a LogisticDecoder of linear layers")
        if len(shape) != 3 or shape[0] not in (1, 3) or math.prod(shape) != x.numel():
            raise ValueError(f"shape {tuple(shape)} is not that of an image of {x.numel()} numbers")
        layers, weights = pack_network(whole_network(decoder), precision)
        x = x.reshape(decoder.event)
        q = model.encode(x)
        found = [round(float(m), 3) for m in q.mean]
        eps = torch.randn(draws, len(found), generator=torch.Generator().manual_seed(0))
        fixed = {
            "layers": layers,
            "weights": weights,
            "precision": precision,
            "image": to_bytes(x),
            "shape": list(shape),
            "levels": decoder.levels,
            "sigma": [float(s) for s in q.stddev],
            "eps": to_bytes(eps),
            "found": found,
            "extent": max(3.0, math.ceil(max(map(abs, found)))),
        }
        super().__init__(fixed, mu=found)
