"""An objective over a data set, and the latent units that a model uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaelib.data.numbers import Data
from vaelib.objectives import ELBO, Terms
from vaelib.training import shares
from vaelib.training.examine import under
from vaelib.training.objective import measurable
from vaelib.training.rows import Rows
from vaelib.training.step import events
from vaelib.validation import check_counts

ACTIVE = 0.01
MOST = 1024  # examples that are held at a time


@torch.no_grad()
def evaluate(
    model: nn.Module,
    x: Data,
    objective=ELBO(),
    batch_size: int | None = None,
    given: Data | None = None,
) -> Terms:
    """The average ELBO and its terms over a data set, without gradients, in ``eval`` mode.

    Where ``torch.distributed`` has been set up, all processes share the work, so all must call it.

    Args:
        model: as for :func:`fit`.
        x: data, shape ``(examples, *observed)``, as for :func:`fit`.
        objective: as for :func:`fit`; of an :class:`~vaelib.objectives.ELBO` the samples and the
            kind of KL count, not the weight.
        batch_size: how many examples are held at a time; 1,024 if not given, or so few that they
            have a million values.
        given: a condition for each example, as for :func:`fit`.

    Returns:
        Terms, in nats per example.

    Raises:
        ValueError: bad data or settings, by name.
    """
    first, training = next(model.parameters()), model.training
    rows = x if isinstance(x, Rows) else Rows("x", x, first.device, first.dtype, given)
    size = min(MOST, rows.portion) if batch_size is None else batch_size
    check_counts(batch_size=size)
    measure = measurable(objective).measure
    model.eval()
    try:
        sums = sum(_sums(measure, model, rows, i) for i in torch.arange(len(rows)).split(size))
    finally:
        model.train(training)
    return Terms(*(shares.total(sums) / len(rows)).tolist())


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


def _sums(measure, model: nn.Module, rows: Rows, index: Tensor) -> Tensor:
    share = shares.Share(len(index))
    mine = index[share.rows]
    model, x = under(model, rows.conditions(mine)), rows[mine]
    with share.noise(*events(model, x)):
        _, terms = measure(model, x, 1.0, share.average)
    return share.sums(terms, torch.float64)
