"""The divergence by the formulas registered in torch."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from vaelib.distributions import Chain, DiagonalNormal
from vaelib.validation import check_event

NORMAL = (DiagonalNormal, Normal)


def kl(q: Distribution, p: Distribution) -> Tensor:
    """The KL divergence in closed form, as registered in torch.

    ::

        KL(q ‖ p) = E_q[log q(z) − log p(z)]

    Args:
        q: the distribution the average is taken over.
        p: the distribution it is compared with; same event shape.

    Returns:
        Nats, shape ``q.batch_shape`` (broadcast with ``p.batch_shape``).

    Raises:
        ValueError: the event shapes differ.
        NotImplementedError: torch has no closed form for this pair.

    >>> from torch.distributions import Normal
    >>> kl(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    same_event(q, p)
    broadcast = isinstance(q, NORMAL) and isinstance(p, NORMAL)  # by torch's formula itself
    if q.batch_shape != p.batch_shape and not broadcast:
        shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
        q, p = (each if each.batch_shape == shape else each.expand(shape) for each in (q, p))
    if isinstance(q, MultivariateNormal) != isinstance(p, MultivariateNormal):
        q, p = full_covariance(q), full_covariance(p)
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        raise NotImplementedError(
            f"no closed-form KL between {name(q)} and {name(p)}: use kl='sampled' in an "
            "objective, or kl_monte_carlo or kl_quadrature"
        ) from None


def kl_by_coordinate(q: Distribution, p: Distribution) -> Tensor:
    """The KL divergence of each coordinate, for distributions with independent coordinates.

    ::

        KL(q ‖ p) = Σ_j KL(q(z_j) ‖ p(z_j))

    Args:
        q: the distribution the average is taken over, such as
            :func:`~vaelib.distributions.diagonal_normal` gives.
        p: the distribution it is compared with; same event shape.

    Returns:
        Nats, shape ``(*batch, *latent)``; the sum over the event is :func:`kl`.

    Raises:
        ValueError: the event shapes differ, or the coordinates of one are not independent.
        NotImplementedError: torch has no closed form for this pair.

    >>> from vaelib.distributions import diagonal_normal
    >>> q = diagonal_normal(torch.tensor([1.0, 0.0]), 1.0)
    >>> p = diagonal_normal(torch.zeros(2), 1.0)
    >>> kl_by_coordinate(q, p)
    tensor([0.5000, 0.0000])
    """
    same_event(q, p)
    for each in (q, p):
        if not isinstance(each, Independent) or each.base_dist.event_shape:
            raise ValueError(f"the coordinates of {name(each)} are not independent")
    return kl(q.base_dist, p.base_dist)


def kl_by_layer(q: Chain, p: Chain, z: Tensor) -> Tensor:
    """The KL divergence of each layer at draws z of q; the mean of their sum is KL(q ‖ p).

    ::

        KL(q(z_t|before) ‖ p(z_t|before))
     or log q(z_t|before) − log p(z_t|before)

    the second where one is drawn upward and one downward, or a pair has no closed form.

    Args:
        q, p: chains of the same layers; all others count as one layer.
        z: drawn from q, shape ``(*sample, *batch, *latent)``.

    Returns:
        Nats, lowest layer first, shape ``(layers, *sample, *batch)``.

    Raises:
        ValueError: q and p have other event shapes, or z has.

    >>> from vaelib.distributions import chain, unit_normal
    >>> top = unit_normal(torch.zeros(1))
    >>> p = chain([1, 1], top, unit_normal)
    >>> q = chain([1, 1], top, lambda above: unit_normal(above + 1))
    >>> kl_by_layer(q, p, torch.zeros(2)).tolist()
    [0.5, 0.0]
    """
    layers, others = (getattr(each, "widths", None) for each in (q, p))
    if layers is None or layers != others:
        return _closed_or_drawn(q, p, z)[None]
    if q.upward != p.upward:
        return q.log_probs(z) - p.log_probs(z)
    parts, values = q.at(z)
    terms = map(_closed_or_drawn, parts, p.at(z)[0], values)
    return torch.stack(torch.broadcast_tensors(*terms))


def _closed_or_drawn(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    batch = check_event("z", z, q.event_shape)
    try:
        return kl(q, p).expand(batch)
    except NotImplementedError:
        return q.log_prob(z) - p.log_prob(z)


def full_covariance(q: Distribution) -> Distribution:
    """A diagonal normal as a multivariate one, so that torch knows the pair."""
    if isinstance(q, Independent) and isinstance(q.base_dist, Normal) and len(q.event_shape) == 1:
        return MultivariateNormal(q.mean, scale_tril=q.stddev.diag_embed())
    return q


def same_event(q: Distribution, p: Distribution) -> None:
    if q.event_shape != p.event_shape:
        raise ValueError(
            "q and p must have one event shape, "
            f"got {tuple(q.event_shape)} and {tuple(p.event_shape)}"
        )


def name(q: Distribution) -> str:
    if isinstance(q, Independent):
        return f"Independent({name(q.base_dist)})"
    return type(q).__name__
