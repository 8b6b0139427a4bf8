"""An objective over a data set, by epoch and at the end, and the latent units that are used."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.data.numbers import Data
from vaelib.objectives import ELBO, Terms
from vaelib.training import shares
from vaelib.training.examine import some_likelihood
from vaelib.training.rows import Rows
from vaelib.training.step import Loss, shared
from vaelib.validation import check_counts

ACTIVE = 0.01
MOST = 1024  # examples that are held at a time
AVERAGES = ("train", "validation")


@dataclass
class History:
    """What :func:`fit` saw, one entry per epoch.

    Attributes:
        train: averages over the epoch, taken while the parameters moved.
        validation: averages over the validation data after the epoch; empty without such data.
        stopped: why training ended before its last epoch: ``"interrupted"``, ``"patience"``,
            ``"callback"``, or nothing.
    """

    train: list[Terms] = field(default_factory=list)
    validation: list[Terms] = field(default_factory=list)
    stopped: str = ""

    def plot(self):
        """Draw the ELBO over the epochs, and its two terms."""
        from vaelib.plots import curves

        return curves(self)

    def latest(self) -> dict[str, Terms]:
        """The averages of the latest epoch, by the names of the data."""
        return {n: getattr(self, n)[-1] for n in AVERAGES if getattr(self, n)}

    @property
    def best(self) -> int:
        """The epoch with the highest validation ELBO, counted from 0.

        Raises:
            ValueError: there were no validation data, or no epoch was finished.
        """
        if not self.validation:
            raise ValueError("no validation data, so no best epoch")
        return int(torch.tensor([terms.elbo for terms in self.validation]).argmax())


class Evaluation(Terms):
    """Averages over a data set, in nats, with the ELBO in bits where it has a right to them.

    Attributes:
        bits: the ELBO as :func:`bits_per_dimension`, where p(x|z) gives levels a probability and
            the objective is an :class:`~vaelib.objectives.ELBO`; else None.
    """

    bits: float | None = None


def bits_per_dimension(
    nats: Tensor | float, p: Distribution, dequantised: int | None = None
) -> Tensor | float:
    """A bound on log p(x) as the bits that each dimension of x takes at most.

    ::

        bits = −nats / (D log 2),    D dimensions of x
             = −nats / (D log 2) + log2 K    of K levels, dequantised

    Only a probability can be told in bits. A density depends on the unit of x; where
    :func:`vaelib.data.dequantise` has spread K levels over [0, 1), it bounds their probability.

    Args:
        nats: log p(x) or a lower bound, of an image or on average, any shape.
        p: p(x|z) at any z; its event gives D.
        dequantised: K, if x was dequantised.

    Returns:
        Bits, of the shape of ``nats``; an upper bound if they are a lower bound.

    Raises:
        ValueError: p is a density, and K is not given; or p is of levels, and K is.

    Source:
        Theis, van den Oord and Bethge (2016).

    >>> from vaelib.distributions import bernoulli
    >>> bits_per_dimension(-10 * math.log(2), bernoulli(torch.zeros(10)))
    1.0
    """
    probability = hasattr(p, "levels")
    if probability and dequantised:
        raise ValueError("p(x|z) is of levels as they are: leave dequantised out")
    if not probability and not dequantised:
        raise ValueError(
            "p(x|z) is a density, which has no bits: take a decoder of levels, or dequantise x and "
            "say how many levels it had, dequantised=256"
        )
    return -nats / (p.event_shape.numel() * math.log(2)) + math.log2(dequantised or 1)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    x: Data,
    objective=ELBO(),
    batch_size: int | None = None,
    given: Data | None = None,
) -> Evaluation:
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
        Evaluation: terms in nats per example, and the ELBO in bits per dimension.

    Raises:
        ValueError: bad data or settings, by name.
    """
    first = next(model.parameters())
    rows = Rows("x", x, first.device, first.dtype, given)
    found = Evaluation(*averages(model, rows, objective, batch_size))
    if isinstance(objective, ELBO) and hasattr(p := some_likelihood(model, rows), "levels"):
        found.bits = bits_per_dimension(found.elbo, p)
    return found


@torch.no_grad()
def averages(
    model: nn.Module, rows: Rows, objective=ELBO(), batch_size: int | None = None
) -> Terms:
    """What :func:`evaluate` gives, without the bits, of data that are on their way already."""
    size = min(MOST, rows.portion) if batch_size is None else batch_size
    check_counts(batch_size=size)
    loss, training = Loss(model, objective), model.training
    model.eval()
    try:
        parts = torch.arange(len(rows)).split(size)
        sums = sum(shared(loss, rows, index, 1.0)[1] for index in parts)
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
