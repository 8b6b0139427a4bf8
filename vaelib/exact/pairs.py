"""log p(x|z) of all data at all latents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent


def log_likelihoods(p: Distribution, x: Tensor, values: Tensor | None = None) -> Tensor:
    """log p(x|z) of every x at every z.

    ::

        log p(x|z) = Σ_i log p(x_i|z) = Σ_v Σ_i [x_i = v] log p(v|z)

    Independent pixels have so many densities as there are values among them. Where these are fewer
    than the data, as in black and white, each is asked for once, and a matrix product does the
    rest.

    Args:
        p: p(x|z) of any kind, batch ``(*latents)``, event ``(observed,)``.
        x: data, shape ``(data, observed)``.
        values: of all pixels, sorted, if they are known; there may be some that x has not.

    Returns:
        Nats, shape ``(*latents, data)``.

    >>> from vaelib.distributions import bernoulli
    >>> p = bernoulli(torch.zeros(5, 3))
    >>> log_likelihoods(p, torch.ones(4, 3)).shape
    torch.Size([5, 4])
    """
    values = x.unique() if values is None else values
    pixels = isinstance(p, Independent) and not p.base_dist.event_shape
    if not pixels or len(values) >= len(x):
        return torch.stack([p.log_prob(row) for row in x], -1)
    least = torch.finfo(x.dtype).min  # in place of −∞, which times zero would be no number
    total = sum(p.base_dist.log_prob(v).clamp(min=least) @ (x == v).to(x).T for v in values)
    return total.where(total > least / 2, -torch.inf)
