"""The divergence by numerical integration over a line."""

import math
from copy import copy

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Transform
from torch.nn.functional import logsigmoid

from vaelib.divergence.closed_form import name, same_event

FAR = 350.0  # exp(±FAR) and its square are numbers in float64
STEPS = [2.0**-k for k in range(6, 12)]


def kl_quadrature(q: Distribution, p: Distribution) -> Tensor:
    """The KL divergence by numerical integration over the support of a one-dimensional q.

    ::

        KL(q ‖ p) = ∫ q(z) [log q(z) − log p(z)] dz

    The support is cut at the medians of q and p, where a density may have a kink. A piece from a to
    b is mapped to the real line by z = a + (b − a) / (1 + exp(−t)), an endless one by
    z = a ± exp(t), so that singular ends and heavy tails fade out exponentially in t. The
    trapezoidal rule in x, t = sinh(x), halves its steps until the value stands still, in float64
    whatever precision the parameters have. Independent coordinates are integrated one by one and
    added.

    Args:
        q: univariate with a density, or :class:`torch.distributions.Independent` of such.
        p: the same kind.

    Returns:
        Nats in float64, shape as of :func:`kl`; infinite where the support of q leaves that of p.

    Raises:
        ValueError: the event shapes differ or are not one-dimensional, or there is no density.
        RuntimeError: the integral did not converge (it may be infinite).

    Source:
        Takahasi and Mori, *Double exponential formulas for numerical integration* (1974).

    >>> from torch.distributions import Normal, Uniform
    >>> kl_quadrature(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000, dtype=torch.float64)
    >>> kl_quadrature(Normal(1.0, 1.0), Uniform(0.0, 1.0))
    tensor(inf, dtype=torch.float64)
    """
    same_event(q, p)
    if isinstance(q, Independent) and isinstance(p, Independent):
        parts = kl_quadrature(q.base_dist, p.base_dist)
        return parts.sum(tuple(range(-len(q.event_shape), 0)))
    if q.event_shape:
        raise ValueError(f"kl_quadrature takes one-dimensional distributions, got {name(q)}")
    for each in (q, p):
        if each.support.is_discrete:
            raise ValueError(f"kl_quadrature takes densities, got {name(each)}")
    q, p = _in_double(q, {}), _in_double(p, {})
    (low, high), (p_low, p_high) = _ends(q), _ends(p)
    leaves = (low < p_low) | (high > p_high)
    pieces = _pieces(q, p)
    for step in STEPS:
        parts = (_integrals(q, p, *piece, step) for piece in pieces)
        masses, values, settled = zip(*parts, strict=True)
        whole = (sum(masses) - 1).abs() < 1e-6
        if (whole & (torch.stack(settled).all(0) | leaves)).all():
            return sum(values).masked_fill(leaves, torch.inf)
    raise RuntimeError(
        f"the integral for KL({name(q)} ‖ {name(p)}) did not converge; it may be infinite"
    )


def _pieces(q: Distribution, p: Distribution) -> list[tuple[Tensor, Tensor, bool]]:
    """The support of q in three, each piece as ``(end, width, bounded)``, widths with a sign.

    Distances are measured from ``end``: the support's own, if the piece has one.
    """
    (low, high), median, other = _ends(q), _median(q), _median(p)
    other = torch.where((low < other) & (other < high), other, median)
    pieces = [(median, other - median, True)]
    one = torch.ones_like(median)
    for bound, cut, tail in (
        (low, torch.minimum(median, other), -one),
        (high, torch.maximum(median, other), one),
    ):
        bounded = bool(bound.isfinite().all())
        pieces.append((bound, cut - bound, True) if bounded else (cut, tail, False))
    return pieces


def _integrals(
    q: Distribution, p: Distribution, end: Tensor, width: Tensor, bounded: bool, step: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One piece's mass under q, its share in the divergence, and whether the latter is settled.

    ::

        z = end + width / (1 + exp(−t)),    t = sinh(x)
        z = end + width exp(t),    where the piece is unbounded
    """
    nodes = math.floor(math.asinh(FAR) / step)
    x = step * torch.arange(-nodes, nodes + 1, dtype=torch.float64)
    x = x.reshape(-1, *[1] * len(torch.broadcast_shapes(q.batch_shape, p.batch_shape)))
    t = x.sinh()
    log_step, log_slope = (logsigmoid(t), logsigmoid(t) + logsigmoid(-t)) if bounded else (t, t)
    log_q, log_p = (_log_density(each, end, width, log_step) for each in (q, p))
    mass = torch.where(width == 0, 0.0, (log_q + width.abs().log() + log_slope).exp())
    share = torch.where(mass == 0, 0.0, mass * (log_q - log_p))
    weights = step * x.cosh()
    terms = weights * share
    value, coarse = terms.sum(0), 2 * terms[::2].sum(0)
    still = (value - coarse).abs() < 1e-10 * value.abs().clamp(min=1.0)
    faded = share[[0, -1]].abs().amax(0) < 1e-12
    return (weights * mass).sum(0), value, still & faded


def _log_density(q: Distribution, end: Tensor, width: Tensor, log_step: Tensor) -> Tensor:
    """log q(z) at ``z = end + width * exp(log_step)``, corrected for the rounding of z.

    Close to its end a density is a power law; its slope is taken where steps are just resolved.
    """
    eps = torch.finfo(torch.float64).eps
    closest = (128 * eps * end / width).abs().log().clamp(-FAR, -1.0)

    def rounded(log_step: Tensor) -> tuple[Tensor, Tensor]:
        z = end + width * log_step.exp()
        log_q = torch.where(q.support.check(z), q.log_prob(z), -torch.inf)
        return log_q, ((z - end) / width).log()

    (near, s), (far, r) = rounded(closest), rounded(closest + 1.0)
    slope = torch.where(end == 0, 0.0, (far - near) / (r - s))
    log_q, there = rounded(torch.maximum(log_step, closest))
    return log_q + slope * (log_step - there)


def _ends(q: Distribution) -> tuple[Tensor, Tensor]:
    """The bounds of the support, infinite where it has none."""
    low = getattr(q.support, "lower_bound", -torch.inf)
    high = getattr(q.support, "upper_bound", torch.inf)
    return torch.as_tensor(low).double(), torch.as_tensor(high).double()


def _median(q: Distribution) -> Tensor:
    """The median where torch knows it, else that of a few samples."""
    try:
        return q.icdf(torch.tensor(0.5))
    except NotImplementedError:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return q.sample((101,)).median(0).values


def _in_double(part: object, copies: dict[int, object]) -> object:
    """A copy of a distribution in float64, without gradients and without validation."""
    if isinstance(part, Tensor):
        return part.detach().double() if part.is_floating_point() else part
    if isinstance(part, list):
        return [_in_double(each, copies) for each in part]
    if isinstance(part, Distribution | Transform) and id(part) not in copies:
        copies[id(part)] = twin = copy(part)
        inner = {name: _in_double(value, copies) for name, value in vars(part).items()}
        vars(twin).update(inner, _validate_args=False)
    return copies.get(id(part), part)
