"""The priors: modules that return p(z)."""

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from vaelib.distributions import DiagonalNormal, diagonal_normal, mixture, unit_normal
from vaelib.flows import FlowPrior
from vaelib.models.network import deviation
from vaelib.validation import check_counts


class StandardNormal(nn.Module):
    """The prior p(z) = N(0, I), on the device and in the precision of its model.

    Args:
        latent: number of latent coordinates.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        check_counts(latent=latent)
        self.register_buffer("mu", torch.zeros(latent), persistent=False)
        self.normal = unit_normal(self.mu)

    def forward(self) -> Independent:
        return self.normal

    def _apply(self, *args, **kwargs) -> Self:
        """Follow the model to another device or precision."""
        super()._apply(*args, **kwargs)
        self.normal = unit_normal(self.mu)
        return self


class MixturePrior(nn.Module):
    """A mixture of normals, all of whose parameters are learned.

    ::

        p(z) = Σ_j w_j N(z; mu_j, diag sigma_j²),    w = softmax(logits)

    It begins on draws of N(0, I). Its parameters are ``mu`` and ``log_sigma``, shape
    ``(J, latent)``, and ``logits``, shape ``(J,)``; log sigma is kept within ±11.

    Args:
        latent: number of latent coordinates.
        components: J, at least 1.

    Raises:
        ValueError: a number that is no positive whole one.

    Source:
        Ghosh et al. (2020), who fit ten to the codes of a trained model.

    >>> MixturePrior(2, components=10)().sample((5,)).shape
    torch.Size([5, 2])
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__()
        check_counts(latent=latent, components=components)
        self.mu = nn.Parameter(torch.empty(components, latent))
        self.log_sigma = nn.Parameter(torch.empty(components, latent))
        self.logits = nn.Parameter(torch.zeros(components))
        self.cover(torch.randn(components, latent))

    def forward(self) -> Distribution:
        return mixture(diagonal_normal(self.mu, deviation(self.log_sigma)), self.logits)

    @torch.no_grad()
    def cover(self, codes: Tensor) -> None:
        """Begin at some of the codes, shape ``(examples, latent)``, with their mean and variance.

        ::

            mu_j    = mean + sqrt(1 − J^(−2/latent)) (z_j − mean)
            sigma_j = sd J^(−1/latent)

        Means that begin at one code would stay together, so each is moved by a hundredth of sd.
        """
        components, latent = self.mu.shape
        mean, sd = codes.mean(0), codes.std(0, correction=0).clamp(min=1e-3)
        width = components ** (-1 / latent)
        order = torch.randperm(len(codes)).repeat(-(-components // len(codes)))[:components]
        away = codes[order] - mean + 0.01 * sd * torch.randn_like(self.mu)
        self.mu.copy_(mean + math.sqrt(1 - width**2) * away)
        self.log_sigma.copy_((sd * width).log())
        self.logits.zero_()


class PseudoInputs(nn.Module):
    """What the encoder says of J inputs, which are learned: the "VampPrior".

    ::

        p(z) = 1/J Σ_j q(z|u_j)

    It holds the model's encoder, which then learns in both its places.

    Args:
        encoder: module u ↦ q(z|u), the model's own.
        u: the inputs to begin with, shape ``(J, *observed)``; they may leave the range of x.

    Raises:
        ValueError: as for :func:`~vaelib.distributions.mixture`, when p(z) is asked for.

    Source:
        Tomczak and Welling (2018).

    >>> from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder
    >>> encoder = GaussianEncoder(64, [32], 2)
    >>> prior = PseudoInputs(encoder, torch.rand(10, 64))
    >>> model = VAE(prior, encoder, BernoulliDecoder(2, [32], 64))
    >>> model.prior.sample((5,)).shape
    torch.Size([5, 2])
    """

    def __init__(self, encoder: nn.Module, u: Tensor) -> None:
        super().__init__()
        self.encoder, self.u = encoder, nn.Parameter(u.detach().clone())

    def forward(self) -> Distribution:
        return mixture(self.encoder(self.u), self.u.new_zeros(len(self.u)))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Begin at some of the data, shape ``(examples, *observed)``, holes at the median."""
        some = x[torch.linspace(0, len(x) - 1, len(self.u)).long()]
        self.u.copy_(torch.where(some.isnan(), x.nanmedian(0).values, some))


class Aggregate(nn.Module):
    """The aggregate posterior of given data as a prior, with nothing left to learn.

    ::

        p(z) = 1/N Σ_n q(z|x_n)

    No prior gives these data a higher average bound, as long as encoder and decoder stay.

    Args:
        codes: q(z|x), normal, batch ``(N,)``; what the encoder learns later is not seen.

    Raises:
        ValueError: the codes are no normal distributions with independent coordinates.

    Source:
        Hoffman and Johnson (2016).
    """

    def __init__(self, codes: Distribution) -> None:
        super().__init__()
        if not isinstance(codes, DiagonalNormal):
            raise ValueError(f"codes must be a diagonal_normal, got {type(codes).__name__}")
        self.register_buffer("mu", codes.mean.detach().clone())
        self.register_buffer("sigma", codes.stddev.detach().clone())

    def forward(self) -> Distribution:
        return mixture(diagonal_normal(self.mu, self.sigma))


#: The priors by name: of encoder, some x of the shape that it takes, latent coordinates, and how
#: many components where there are some.
PRIORS: dict[str, Callable[[nn.Module, Tensor, int, int], nn.Module]] = {
    "standard": lambda encoder, x, latent, components: StandardNormal(latent),
    "mixture": lambda encoder, x, latent, components: MixturePrior(latent, components),
    "pseudo-inputs": lambda encoder, x, latent, components: PseudoInputs(
        encoder, x.expand(components, *x.shape[1:])
    ),
    "flow": lambda encoder, x, latent, components: FlowPrior(latent),
}
