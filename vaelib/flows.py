"""A q that can bend, and a prior: normalising flows of normal noise."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import AffineTransform, TransformedDistribution

from vaelib.validation import check_counts

BENT = 0.01  # what a flow keeps of its random start; without it, T is the identity


class FlowEncoder(nn.Module):
    """q(z|x) of any shape: noise is bent by a spline flow, then scaled as a normal encoder says.

    ::

        z = mu(x) + sigma(x) T(u; c(x)),    u ~ N(0, I)
        log q(z|x) = log N(u; 0, I) − log |det ∂T/∂u| − Σ_j log sigma_j(x)

    T is nearly the identity at first, so that training goes on from the normal encoder. The
    divergence from the prior has no closed form: use ``kl="sampled"``.

    Args:
        encoder: module x ↦ a normal with mean mu and standard deviation sigma.
        latent: number of latent coordinates.
        context: width of c(x).
        conditioner: module x ↦ c(x), shape ``(*batch, context)``; else c(x) is x itself.
        transforms: how many bends follow one another.
        hidden: width of the network that turns c(x) and coordinates into a bend.
        bins: pieces of each spline.

    Raises:
        ImportError: zuko is not installed.
        ValueError: a size that is no positive whole number.

    Source:
        Rezende and Mohamed (2015); Durkan et al. (2019) for the splines, by the library zuko.

    >>> import torch
    >>> from vaelib.models import GaussianEncoder
    >>> normal = GaussianEncoder(64, [32], 2)
    >>> encoder = FlowEncoder(normal, latent=2, context=64)
    >>> encoder(torch.zeros(5, 64)).rsample().shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        encoder: nn.Module,
        latent: int,
        context: int,
        conditioner: Callable[[Tensor], Tensor] | None = None,
        transforms: int = 2,
        hidden: int = 32,
        bins: int = 8,
    ) -> None:
        super().__init__()
        check_counts(context=context)
        self.encoder, self.conditioner = encoder, conditioner or nn.Identity()
        self.flow = _nearly_still(latent, context, transforms, hidden, bins)

    def forward(self, x: Tensor) -> TransformedDistribution:
        normal = self.encoder(x)
        scaled = AffineTransform(normal.mean, normal.stddev, event_dim=1)
        return TransformedDistribution(self.flow(self.conditioner(x)), scaled)


class FlowPrior(nn.Module):
    """p(z) of any shape: normal noise, bent by a spline flow, in units of the codes.

    ::

        z = mu + sigma T(u),    u ~ N(0, I)
        log p(z) = log N(u; 0, I) − log |det ∂T/∂u| − Σ_j log sigma_j

    It begins near N(0, I). Beyond five sigma from mu, T is the identity.

    Args:
        latent: number of latent coordinates.
        transforms, hidden, bins: as for :class:`FlowEncoder`.

    Raises:
        ImportError: zuko is not installed.
        ValueError: a size that is no positive whole number.

    Source:
        Chen et al. (2017) for a flow as prior; Durkan et al. (2019) for the splines.

    >>> prior = FlowPrior(2)
    >>> prior().log_prob(prior().sample((5,))).shape
    torch.Size([5])
    """

    def __init__(self, latent: int, transforms: int = 3, hidden: int = 64, bins: int = 8) -> None:
        super().__init__()
        self.flow = _nearly_still(latent, 0, transforms, hidden, bins)
        self.register_buffer("mu", torch.zeros(latent))
        self.register_buffer("sigma", torch.ones(latent))

    def forward(self) -> TransformedDistribution:
        scaled = AffineTransform(self.mu, self.sigma, event_dim=1)
        return TransformedDistribution(self.flow(), scaled)

    @torch.no_grad()
    def cover(self, codes: Tensor) -> None:
        """Take mean and deviation of codes, shape ``(examples, latent)``, as the unit."""
        self.mu.copy_(codes.mean(0))
        self.sigma.copy_(codes.std(0, correction=0).clamp(min=1e-3))


def _nearly_still(latent: int, context: int, transforms: int, hidden: int, bins: int) -> nn.Module:
    """A spline flow that begins near the identity."""
    check_counts(latent=latent, transforms=transforms, hidden=hidden, bins=bins)
    try:
        from zuko.flows import NSF
    except ModuleNotFoundError:
        raise ImportError("a flow needs zuko: pip install 'vaelib[flows]'") from None
    with torch.device("cpu"), torch.no_grad():  # zuko asks numbers for their values
        flow = NSF(latent, context, bins, transforms=transforms, hidden_features=[hidden])
        for transform in flow.transform.transforms:
            last = getattr(transform, "hyper", [transform])[-1]  # one coordinate has no network
            for parameter in last.parameters():
                parameter.mul_(BENT)
    return flow
