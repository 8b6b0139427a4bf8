"""The joint density at given latents, and what makes data and latents fit a model."""

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from vaelib.validation import check_counts, check_event, check_finite, examining, listed


def log_joint(model, x: Tensor, z: Tensor, q: Distribution | None = None) -> Tensor:
    """The log of the joint density, at given z.

    ::

        log p(x, z) = log p(z) + log p(x|z)

    Args:
        model: gives ``prior`` and ``decode``.
        x: data, shape ``(*batch, *observed)``, whatever the rank of p(x|z)'s events.
        z: latents, shape ``(*sample, *batch, *latent)``; a batch dimension of size 1 serves every
            x.
        q: what z was drawn from, if its batch is to be that of x.

    Returns:
        Nats, shape ``(*sample, *batch)``.

    Raises:
        ValueError: wrong shapes, or data outside the decoder's support.
    """
    prior = model.prior
    return log_likelihood(model, x, z, q, prior) + prior.log_prob(z)


def log_likelihood(
    model, x: Tensor, z: Tensor, q: Distribution | None = None, prior: Distribution | None = None
) -> Tensor:
    """log p(x|z): arguments, shapes and errors of :func:`log_joint`; the prior if it is at hand."""
    latent = (prior or model.prior).event_shape
    given = check_event("z", z, latent)
    p = model.decode(z)
    rows = check_data(p, x)
    if q is not None and q.batch_shape != rows:
        raise ValueError(
            f"encode gave batch {tuple(q.batch_shape)} for x of shape {tuple(x.shape)}"
        )
    aligned = given[max(0, len(given) - len(rows)) :]
    if len(aligned) < len(rows) or any(n not in (1, m) for n, m in zip(aligned, rows, strict=True)):
        raise ValueError(
            f"z of shape {tuple(z.shape)} does not go with x of shape {tuple(x.shape)}: "
            f"z must have shape (*sample, *{tuple(rows)}, {listed(latent)})"
        )
    return p.log_prob(x)


def check_data(p: Distribution, x: Tensor, name: str = "x") -> Size:
    """The batch of x; a ValueError unless it has the shape of p's events and is in its support.

    No support has infinity; NaN is for the support to say, as :func:`vaelib.distributions.observed`
    does.
    """
    batch = check_event(name, x, p.event_shape)
    if not examining() or x.numel() == 0:
        return batch
    if p.support.check(x).all() and not x.isinf().any():
        return batch
    holes = p.support.check(torch.full_like(x, torch.nan)).all()
    check_finite(name, x[~x.isnan()] if holes else x)
    base = getattr(p.support, "base_constraint", p.support)
    if base is constraints.boolean:
        raise ValueError(
            f"{name} has pixels that are neither 0 nor 1, under a Bernoulli decoder: "
            "make it binary with vaelib.data.binarise, or fit with binarise=True"
        )
    said = f"{name} has values outside the decoder's support, {base}"
    if not base.event_dim:
        inside = base.check(x)
        first = tuple((~inside).nonzero()[0].tolist())
        said += f": {x.expand_as(inside)[first]:g} at {list(first[-len(p.event_shape) :])} of a row"
    raise ValueError(said)


def encoded(model, x: Tensor, samples: int) -> Distribution:
    """q(z|x), once it is sure that it can be sampled so many times, with gradients if wanted."""
    check_counts(samples=samples)
    try:
        q = model.encode(x)
    except ValueError:
        check_finite("x", x)  # the reason, where there is no place for what is missing
        raise
    if torch.is_grad_enabled() and not q.has_rsample:
        raise ValueError(
            f"{type(q).__name__} has no rsample, so no gradient passes through its samples: sum "
            "over its values with vaelib.exact.elbo_by_enumeration, or take an objective of "
            "vaelib.gradients; without gradients, under torch.no_grad(), any q will do"
        )
    return q


def drawn(p: Distribution, shape: tuple[int, ...] = ()) -> Tensor:
    """A sample; by ``rsample`` where there is one, which hands on gradients, and what is NaN."""
    return p.rsample(shape) if p.has_rsample else p.sample(shape)
