"""The joint density at given latents, and what makes data and latents fit a model."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, constraints

from vaelib.validation import check_counts, check_finite, examining


def log_joint(model, x: Tensor, z: Tensor) -> Tensor:
    """The log of the joint density, at given z.

    ::

        log p(x, z) = log p(z) + log p(x|z)

    Args:
        model: gives ``prior`` and ``decode``.
        x: data, shape ``(*batch, observed)``.
        z: latents, shape ``(*sample, *batch, latent)``; a batch dimension of size 1 serves every x.

    Returns:
        Nats, shape ``(*sample, *batch)``.

    Raises:
        ValueError: wrong shapes, data that is not finite, or not in the decoder's support.
    """
    return log_likelihood(model, x, z) + model.prior.log_prob(z)


def log_likelihood(model, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z): arguments, shapes and errors of :func:`log_joint`."""
    _check_latents(model, x, z)
    p = model.decode(z)
    check_data(p, x)
    return p.log_prob(x)


def _check_latents(model, x: Tensor, z: Tensor) -> None:
    (latent,), batch = model.prior.event_shape, x.shape[:-1]
    if z.ndim == 0 or z.shape[-1] != latent:
        raise ValueError(f"z must have shape (..., {latent}), got {tuple(z.shape)}")
    missing = z.ndim - 1 < len(batch)
    aligned = z.shape[:-1][z.ndim - 1 - len(batch) :]
    if missing or any(n not in (1, m) for n, m in zip(aligned, batch, strict=True)):
        raise ValueError(
            f"z of shape {tuple(z.shape)} does not go with x of shape {tuple(x.shape)}: "
            f"z must have shape (*sample, *{tuple(batch)}, {latent})"
        )


def check_data(p: Distribution, x: Tensor, finite: bool = False) -> None:
    """Raise a ValueError unless x has the shape of p's events, is finite and in its support.

    ``finite`` says that somebody has made sure of that already.
    """
    if x.ndim == 0 or x.shape[-1:] != p.event_shape:
        raise ValueError(f"x must have shape (..., {p.event_shape[0]}), got {tuple(x.shape)}")
    if not examining() or x.numel() == 0:
        return
    if not finite:
        check_finite("x", x)
    if p.support.check(x).all():
        return
    base = getattr(p.support, "base_constraint", p.support)
    if base is constraints.boolean:
        raise ValueError(
            "x has pixels that are neither 0 nor 1, under a Bernoulli decoder: "
            "make it binary with vaelib.data.binarise, or fit with binarise=True"
        )
    raise ValueError(f"x has values outside the decoder's support, {base}")


def encoded(model, x: Tensor, samples: int) -> Distribution:
    """q(z|x), once it is sure that it can be sampled for these data, so many times."""
    check_counts(samples=samples)
    check_finite("x", x)
    q = model.encode(x)
    if not q.has_rsample:
        raise ValueError(
            f"{type(q).__name__} has no rsample, so no gradient passes through its samples: "
            "sum over its values with vaelib.exact.elbo_by_enumeration"
        )
    if q.batch_shape != x.shape[:-1]:
        raise ValueError(
            f"encode gave batch {tuple(q.batch_shape)} for x of shape {tuple(x.shape)}"
        )
    return q
