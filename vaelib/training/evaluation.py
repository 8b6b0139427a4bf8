"""The ELBO over a data set, and the latent units that it uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaelib.data.numbers import Data
from vaelib.objectives import elbo_terms
from vaelib.training import shares
from vaelib.training.history import Terms
from vaelib.training.rows import Rows
from vaelib.validation import check_counts

ACTIVE = 0.01


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Data, samples: int = 1, kl: str = "exact", batch_size: int = 1024
) -> Terms:
    """The average ELBO and its terms over a data set, without gradients, in ``eval`` mode.

    Where ``torch.distributed`` has been set up, all processes share the work, so all must call it.

    Args:
        model: as for :func:`fit`.
        x: data, shape ``(examples, observed)``, as for :func:`fit`.
        samples: samples from q for each example.
        kl: ``"exact"`` or ``"sampled"``.
        batch_size: how many examples are held at a time.

    Returns:
        Terms, in nats per example.

    Raises:
        ValueError: bad data or settings, by name.
    """
    check_counts(batch_size=batch_size)
    first = next(model.parameters())
    rows = x if isinstance(x, Rows) else Rows("x", x, first.device, first.dtype)
    training = model.training
    model.eval()
    try:
        whole = sum(_sums(model, batch, samples, kl) for batch in rows.chunks(batch_size))
    finally:
        model.train(training)
    return Terms.of(shares.total(whole), len(rows))


@torch.no_grad()
def active_units(model, x: Tensor) -> int:
    """How many units of z depend on x: those whose posterior mean varies over the data.

    ::

        Var_x(E_q[z_j]) > 0.01,    q = q(z|x)

    Args:
        model: gives ``encode``.
        x: data, shape ``(examples, observed)``.

    Returns:
        A number from 0 to ``latent``.

    Source:
        Burda, Grosse and Salakhutdinov (2016).
    """
    return int((model.encode(x).mean.var(0) > ACTIVE).sum())


def _sums(model: nn.Module, batch: Tensor, samples: int, kl: str) -> Tensor:
    share = shares.Share(len(batch))
    with share.noise():
        terms = elbo_terms(model, batch[share.rows], samples, kl)
    reconstruction, divergence = (term.sum(dtype=torch.float64) for term in terms)
    return sums(share, reconstruction - divergence, reconstruction, divergence)


def sums(share: shares.Share, *terms: Tensor) -> Tensor:
    """The sums of some terms over a share's examples, in one tensor without gradients."""
    return share.counts * torch.stack(terms).detach()
