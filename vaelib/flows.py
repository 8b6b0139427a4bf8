"""A q that can bend: a normalising flow on top of a normal encoder."""

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
        check_counts(latent=latent, context=context, transforms=transforms)
        check_counts(hidden=hidden, bins=bins)
        try:
            from zuko.flows import NSF
        except ModuleNotFoundError:
            raise ImportError("a FlowEncoder needs zuko: pip install 'vaelib[flows]'") from None
        self.encoder, self.conditioner = encoder, conditioner or nn.Identity()
        self.flow = NSF(latent, context, bins, transforms=transforms, hidden_features=[hidden])
        with torch.no_grad():
            for transform in self.flow.transform.transforms:
                for parameter in transform.hyper[-1].parameters():
                    parameter.mul_(BENT)

    def forward(self, x: Tensor) -> TransformedDistribution:
        normal = self.encoder(x)
        scaled = AffineTransform(normal.mean, normal.stddev, event_dim=1)
        return TransformedDistribution(self.flow(self.conditioner(x)), scaled)
