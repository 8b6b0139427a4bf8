"""The best normal q for each x by itself, without an encoder between them."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from vaelib.distributions import diagonal_normal
from vaelib.models import Model
from vaelib.objectives import elbo
from vaelib.validation import check_counts, unexamined


def local_normal(
    model,
    x: Tensor,
    start: Distribution | None = None,
    steps: int = 400,
    samples: int = 16,
    learning_rate: float = 0.05,
) -> Independent:
    """The diagonal normal with the highest ELBO, sought for each x alone.

    ::

        q*(z|x) = N(mu, diag sigma²),    (mu, log sigma) = argmax L(x)

    Adam climbs drawn bounds, all x side by side, with a step that falls evenly to zero. It finds
    the peak of L that lies uphill of its start, which need not be the highest.

    Args:
        model: gives ``prior`` and ``decode``, and ``encode`` unless there is a start.
        x: data, shape ``(*batch, observed)``.
        start: diagonal normal, batch ``(*batch)``, event ``(latent,)``; else the encoder's.
        steps: of the ascent, at least 1.
        samples: draws of z for each step, at least 1.
        learning_rate: the first step's.

    Returns:
        q*, batch ``(*batch)``, event ``(latent,)``. The model is left as it was.

    Raises:
        ValueError: a number out of range, a start that is no diagonal normal of that shape, wrong
            shapes, or bad data.
        NotImplementedError: no closed form for the divergence of a normal from the prior.
        FloatingPointError: the ascent ran off to values that are not finite.

    Source:
        Cremer, Li and Duvenaud (2018), who measure the amortisation gap so.

    >>> from vaelib.exact import LinearGaussian
    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), 1.0)
    >>> start = model.prior.expand((3,))
    >>> local_normal(model, torch.ones(3, 1), start).mean.shape
    torch.Size([3, 1])
    """
    check_counts(steps=steps)
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    with torch.no_grad():
        q = _normal(model.encode(x) if start is None else start, model, x)
        phi = torch.stack([q.mean, q.stddev.log()]).requires_grad_()
    one = Model(model.prior, model.decode, lambda _: diagonal_normal(phi[0], phi[1].exp()))
    optimizer = Adam([phi], learning_rate)
    schedule = LambdaLR(optimizer, lambda step: 1 - step / steps)
    elbo(one, x)  # raises on bad data
    with unexamined(), torch.enable_grad():
        for _ in range(steps):
            (phi.grad,) = torch.autograd.grad(-elbo(one, x, samples).sum(), phi)
            optimizer.step()
            schedule.step()
    mu, log_sigma = phi.detach()
    if not phi.isfinite().all():
        raise FloatingPointError("the best normal is not finite: try a smaller learning_rate")
    return diagonal_normal(mu, log_sigma.exp())


def _normal(q: Distribution, model, x: Tensor) -> Independent:
    """q, if it is a diagonal normal of the right shape."""
    shape = x.shape[:-1] + model.prior.event_shape
    diagonal = isinstance(q, Independent) and isinstance(q.base_dist, Normal)
    if not diagonal or q.batch_shape + q.event_shape != shape or len(q.event_shape) != 1:
        raise ValueError(
            f"local_normal starts at a diagonal normal of shape {tuple(shape)}, got {q}"
        )
    return q
