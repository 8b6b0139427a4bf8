"""Logistic distributions in whole levels: one a pixel or a mixture, with or without colour."""

from collections.abc import Sequence

import torch
from torch import Size, Tensor
from torch.distributions import Categorical
from torch.nn.functional import logsigmoid

from vaelib.distributions.coordinates import check_rank, like
from vaelib.distributions.levels import Levels, check_levels
from vaelib.validation import check_finite, examining, listed

FARTHEST = 50.0  # log scales beyond any use, with slopes that float32 still has
HELD = 2**22  # numbers that a mean takes at a time


def discretised_logistic(
    mu: Tensor, log_scale: Tensor | float, levels: int, rank: int = 1
) -> Levels:
    """Independent pixels, each a logistic variable that goes to the nearest level.

    ::

        P(x) = σ((x + h − mu) / s) − σ((x − h − mu) / s)
        x = k / (levels − 1),    h = ½ / (levels − 1),    s = exp(log_scale)

    The first level takes all below it, too, and the last all above it. In between, log P(x) is
    log σ(a) + log σ(−b) + log(1 − exp(b − a)) for the two arguments a and b of σ: finite, with
    finite slopes, however narrow or wide s is.

    Args:
        mu: the centres, in units of x, shape ``(*batch, *event)``; they may lie beyond [0, 1].
        log_scale: in the same units, a number or anything that broadcasts to ``mu``'s shape. The
            deviation before rounding is π s / √3.
        levels: how many, 2 to 65,536.
        rank: how many dimensions the event has.

    Returns:
        :class:`Levels` with batch ``(*batch)`` and event ``(*event)``. Its mean is exact, a sum
        over all levels.

    Raises:
        ValueError: shapes that do not fit, too few or too many levels, a number that is not finite,
            or a ``log_scale`` beyond ±50.

    Source:
        Salimans, Karpathy, Chen and Kingma (2017), equation 2, for one component.

    >>> p = discretised_logistic(torch.zeros(2), 0.0, levels=2)
    >>> p.log_prob(torch.tensor([0.0, 1.0]))  # log σ(½) + log σ(−½)
    tensor(-1.4482)
    """
    check_rank("mu", mu, rank)
    axis = mu.ndim - rank
    mu, log_scale = mu.unsqueeze(axis), like("log_scale", log_scale, mu).unsqueeze(axis)
    return logistic_mixture(torch.zeros_like(mu), mu, log_scale, levels, rank=rank)


def logistic_mixture(
    logits: Tensor,
    mu: Tensor,
    log_scale: Tensor | float,
    levels: int,
    coefficients: Tensor | None = None,
    rank: int = 1,
) -> Levels:
    """Pixels that are each a mixture of K of the logistic variables of discretised_logistic.

    ::

        P(x_i) = Σ_c π_ic P(x_i; mu_ic, s_ic),    π_i = softmax of logits_i

    With coefficients the channels of a pixel see one another. One component is drawn for all of
    them, and each centre moves with the values of the channels before. In red, green and blue::

        P(r, g, b) = Σ_c π_c P(r; mu_rc, s_rc) P(g; m_gc, s_gc) P(b; m_bc, s_bc)
        m_gc = mu_gc + α_c r,    m_bc = mu_bc + β_c r + γ_c g

    Args:
        logits: shape ``(*batch, K, *event)``; with coefficients ``(*batch, K, *event[1:])``.
        mu: the centres, shape ``(*batch, K, *event)``.
        log_scale: a number, or anything that broadcasts to ``mu``'s shape.
        levels: how many, 2 to 65,536.
        coefficients: α, β, γ: of C channels, the event's first dimension, the lower triangle row by
            row; shape ``(*batch, K, C (C − 1) / 2, *event[1:])``.
        rank: how many dimensions the event has.

    Returns:
        :class:`Levels` with batch ``(*batch)`` and event ``(*event)``. Its mean is exact without
        coefficients, and for the first channel. The mean of another channel's component is taken
        where those before have their means under the same component, which is exact up to rounding
        to levels and to what a centre beyond the first or the last level cannot give.

    Raises:
        ValueError: as for :func:`discretised_logistic`.

    Source:
        Salimans, Karpathy, Chen and Kingma (2017), equations 2 and 3.

    >>> mu = torch.zeros(5, 3, 8, 8)
    >>> alpha_beta_gamma = torch.zeros(5, 3, 8, 8)
    >>> logits = torch.zeros(5, 8, 8)
    >>> p = logistic_mixture(logits, mu, -2.0, 256, alpha_beta_gamma, 3)
    >>> p.rounds, p.log_prob(p.sample((2,))).shape
    (3, torch.Size([2]))
    """
    check_rank("mu", mu, rank + 1)
    check_levels(levels)
    front, event = mu.shape[:-rank], mu.shape[-rank:]
    seen = coefficients is not None
    channels, pixels = (event[0], event[1:]) if seen else (1, event)
    pairs = channels * (channels - 1) // 2
    coefficients = coefficients if seen else mu.new_zeros(*front, 0, *pixels)
    for name, value, side in ("logits", logits, ()), ("coefficients", coefficients, (pairs,)):
        if value.shape != (wanted := Size((*front, *side, *pixels))):
            raise ValueError(f"{name} must have shape ({listed(wanted)}), got {tuple(value.shape)}")
        check_finite(name, value)
    log_scale = like("log_scale", log_scale, mu)
    if examining() and not (log_scale.abs() <= FARTHEST).all():
        raise ValueError(f"log_scale must lie between -{FARTHEST:g} and {FARTHEST:g}")
    parameters = (
        logits.reshape(*front, pixels.numel()),
        *(each.reshape(*front, channels, pixels.numel()) for each in (mu, log_scale)),
        coefficients.reshape(*front, pairs, pixels.numel()),
    )
    return _Logistics(*parameters, levels=levels, batch=front[:-1], event=event)


class _Logistics(Levels):
    """The mixture over C channels of P pixels; C is 1 where none sees another.

    Its parameters have the shapes ``(*batch, K, P)``, twice ``(*batch, K, C, P)``, and
    ``(*batch, K, C (C − 1) / 2, P)``.
    """

    @property
    def rounds(self) -> int:
        return self.parameters[1].shape[-2]

    def log_prob(self, value: Tensor) -> Tensor:
        weights, _ = self._given(self.whole(value))
        return weights[-1].logsumexp(-2).sum(-1)

    def conditional(self, x: Tensor) -> Tensor:
        batch, log_scale, tables = self.rows(x), self.parameters[2], []
        k = torch.arange(self.levels, dtype=log_scale.dtype, device=log_scale.device)
        weights, centres = self._given(self.nearest(x))
        for c, centre in enumerate(centres):
            each = _log_level(k, centre[..., None], log_scale[..., c, :, None], self.levels - 1)
            table = (weights[c].log_softmax(-2)[..., None] + each).logsumexp(-3)
            tables.append(table.expand(*batch, *table.shape[-2:]))
        return torch.stack(tables, -3).reshape(*batch, *self.event_shape, self.levels)

    @property
    def mean(self) -> Tensor:
        logits, _, log_scale, _ = self.parameters
        means = []
        for c in range(self.rounds):
            means.append(_mean(self._centre(c, means), log_scale[..., c, :], self.levels - 1))
        mean = (logits.softmax(-2)[..., None, :] * torch.stack(means, -2)).sum(-3)
        return mean.reshape(self.batch_shape + self.event_shape)

    @torch.no_grad()
    def sample(self, sample_shape=()) -> Tensor:
        p, last = self.expand(Size(sample_shape) + self.batch_shape), self.levels - 1
        logits, *others = p.parameters
        chosen = Categorical(logits=logits.movedim(-2, -1), validate_args=False).sample()
        others = [torch.take_along_dim(each, chosen[..., None, None, :], -3) for each in others]
        p.parameters = (logits[..., :1, :], *others)
        noise = torch.rand_like(others[0]).logit() * others[1].exp()
        x = []
        for c in range(self.rounds):
            k = last * (p._centre(c, x) + noise[..., c, :])
            x.append(k.round().clamp(0, last) / last)
        return torch.stack(x, -2).reshape(p.batch_shape + p.event_shape)

    def _given(self, k: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Log weights of the components given 0, …, C channels; their centres in each channel."""
        logits, mu, log_scale, _ = self.parameters
        k = k.reshape(*k.shape[: k.ndim - len(self.event_shape)], 1, *mu.shape[-2:]).unbind(-2)
        weights, centres, last = [logits.log_softmax(-2)], [], self.levels - 1
        for c in range(self.rounds):
            centres.append(self._centre(c, [each / last for each in k[:c]]))
            own = _log_level(k[c], centres[c], log_scale[..., c, :], last)
            weights.append(weights[c] + own)
        return weights, centres

    def _centre(self, c: int, x: Sequence[Tensor]) -> Tensor:
        """Those of a channel's components, moved by the values of the channels before."""
        _, mu, _, coefficients = self.parameters
        centre = mu[..., c, :]
        for j in range(c):
            centre = centre + coefficients[..., c * (c - 1) // 2 + j, :] * x[j]
        return centre


def _log_level(k: Tensor, mu: Tensor, log_scale: Tensor, last: int) -> Tensor:
    """log P(k / last), by distances in levels, whole ones and halves being exact."""
    away, width = k - last * mu, (-log_scale).exp() / last
    low, high = logsigmoid((away + 0.5) * width), logsigmoid((0.5 - away) * width)
    within = low + high + (-torch.expm1(-width)).log()
    return torch.where(k == 0, low, torch.where(k == last, high, within))


def _mean(mu: Tensor, log_scale: Tensor, last: int) -> Tensor:
    """The mean of k / last: P(k > j), summed over j and divided by the last."""
    away, width = last * mu[..., None] - 0.5, (-log_scale).exp()[..., None] / last
    levels = torch.arange(last, dtype=mu.dtype, device=mu.device)
    parts = levels.split(max(1, HELD // max(1, mu.numel())))
    return sum(((away - j) * width).sigmoid().sum(-1) for j in parts) / last
