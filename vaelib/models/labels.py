"""A model of data whose classes are known of some rows."""

from copy import copy
from typing import Self

from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.models.model import VAE


class M2(nn.Module):
    """A VAE under a class c, with p(c), and q(c|x) for rows whose class is not known.

    ::

        p(x, z, c) = p(c) p(z) p(x|z, c)
        q(z, c|x)  = q(c|x) q(z|x, c)

    It learns by ``fit(model, x, given=c, objective=semi_supervised)``, with the objective of
    :mod:`vaelib.objectives`; a row of c is one-hot, or NaN where the class is not known. Held-out
    rows without a class are judged by ``Validation(x, given=c, objective=semi_supervised)``.

    Args:
        vae: whose encoder and decoder take c, as :class:`Beside` does.
        classifier: module whose ``forward(x)`` returns q(c|x), a ``OneHotCategorical``.
        probs: p(c), shape ``(K,)``.

    Source:
        Kingma, Rezende, Mohamed and Welling (2014).
    """

    def __init__(self, vae: VAE, classifier: nn.Module, probs: Tensor) -> None:
        super().__init__()
        self.vae, self.classifier = vae, classifier
        self.register_buffer("probs", probs)

    def start_at(self, x: Tensor) -> None:
        """Fit the start of the VAE and of the classifier, if they have one, to x."""
        for part in (self.vae, self.classifier):
            getattr(part, "start_at", lambda x: None)(x)

    def given(self, c: Tensor) -> Self:
        """The same model of rows whose classes are c, shape ``(*batch, K)``."""
        under = copy(self)
        under.labels = c
        return under

    @property
    def prior(self) -> Distribution:
        """p(z)."""
        return self.vae.prior

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x, c)."""
        if self.labels.isnan().any():
            raise ValueError(
                "q(z|x, c) needs every c: take semi_supervised for unlabelled rows, as objective "
                "and, of those held out, in Validation(x, given=c, objective=semi_supervised)"
            )
        return self.vae.given(self.labels).encode(x)

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z, c), where a class that is not known counts as 1/K of each."""
        return self.vae.given(self.labels.nan_to_num(1 / len(self.probs))).decode(z)
