"""The divergence of layers, one by one."""

import torch
from torch import Tensor

from vaelib.distributions import Chain
from vaelib.divergence.closed_form import kl


def kl_by_layer(q: Chain, p: Chain, z: Tensor) -> Tensor:
    """The KL divergence of each layer at draws z of q, whose mean is that of all layers together.

    ::

        KL(q ‖ p) = E_q Σ_t term_t(z)
        term_t(z) = KL(q(z_t|before) ‖ p(z_t|before))     one direction
             or   = log q(z_t|before) − log p(z_t|before)  two directions

    Args:
        q: the chain that z was drawn from.
        p: another one of the same layers.
        z: shape ``(*sample, *batch, Σ widths)``.

    Returns:
        Nats, lowest layer first, shape ``(layers, *sample, *batch)``.

    Raises:
        ValueError: q and p are no chains of the same layers, or z has another shape.
        NotImplementedError: one direction, but torch has no closed form for a pair.

    Source:
        Sønderby, Raiko, Maaløe, Sønderby and Winther (2016).

    >>> from vaelib.distributions import chain, unit_normal
    >>> at = lambda m: unit_normal(m * torch.ones(1))
    >>> p = chain([1, 1], at(0), unit_normal)
    >>> q = chain([1, 1], at(0), lambda above: unit_normal(above + 1))
    >>> kl_by_layer(q, p, q.sample((2,)))
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    if any(not isinstance(each, Chain) for each in (q, p)) or q.widths != p.widths:
        raise ValueError(f"q and p must be chains of the same layers, got {q} and {p}")
    if q.upward != p.upward:
        return q.log_probs(z) - p.log_probs(z)
    pairs = zip(q.conditionals(z), p.conditionals(z), strict=True)
    terms = torch.broadcast_tensors(*(kl(*pair) for pair in pairs), z[..., 0])
    return torch.stack(terms[:-1])
