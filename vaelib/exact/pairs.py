"""log p(x|z) of all data at all latents."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent


def log_likelihoods(p: Distribution, x: Tensor, values: Tensor | None = None) -> Tensor:
    """log p(x|z) of every x at every z.

    A log density that is a polynomial of degree two in each pixel, as any is where pixels are black
    or white, is known from three values v_k, and all pairs of x and z are one matrix product::

        log p(x|z) = Σ_i Σ_k ℓ_k(x_i) log p(v_k|z),    ℓ_k(x) = Π_{j≠k} (x − v_j) / (v_k − v_j)

    Whether it is one is asked at two other values among the data; where it is none, or infinite,
    each x is asked for its density.

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
    nodes, others = _apart(x.unique() if values is None else values)
    pixels = isinstance(p, Independent) and not p.base_dist.event_shape
    if pixels and len(nodes) + len(others) < len(x):
        first, *more = (p.base_dist.log_prob(v) for v in nodes)
        slopes = [at - first for at in more]
        if all(_agree(p.base_dist.log_prob(v), first, slopes, _weights(nodes, v)) for v in others):
            total = first.sum(-1, keepdim=True).expand(*first.shape[:-1], len(x))
            if slopes:
                total = total + torch.cat(slopes, -1) @ torch.cat(_weights(nodes, x), -1).T
            if total.isfinite().all():
                return total
    return torch.stack([p.log_prob(row) for row in x], -1)


def _apart(values: Tensor) -> tuple[Tensor, Tensor]:
    """Three values as far apart as may be, and two between them, where there are so many."""
    if len(values) <= 3:
        return values, values[:0]
    middle = int(((values - values[0]) * (values[-1] - values)).argmax())
    rest = torch.cat([values[1:middle], values[middle + 1 : -1]])
    return values[[0, middle, -1]], rest[[len(rest) // 3, 2 * len(rest) // 3]]


def _weights(nodes: Tensor, x: Tensor) -> list[Tensor]:
    """ℓ_k(x) for all nodes but the first, whose weight is what is missing to one."""
    pairs = [(v, [*nodes[:k], *nodes[k + 1 :]]) for k, v in enumerate(nodes) if k]
    return [torch.stack([(x - w) / (v - w) for w in others]).prod(0) for v, others in pairs]


def _agree(value: Tensor, first: Tensor, slopes: list[Tensor], weights: list[Tensor]) -> bool:
    told = sum((slope * w for slope, w in zip(slopes, weights, strict=True)), first)
    near = 1e3 * torch.finfo(value.dtype).eps
    return torch.allclose(told, value, rtol=near, atol=near)
