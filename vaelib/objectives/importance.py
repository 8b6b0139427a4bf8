"""What grows from importance weights: the weights, their bound, the evidence itself."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.distributions import Categorical

from vaelib.divergence import Estimate
from vaelib.objectives.joint import drawn, encoded, log_joint
from vaelib.validation import check_counts, unexamined


def log_weights(model, x: Tensor, samples: int, score: bool = True) -> Tensor:
    """The log importance weights of samples from the encoder.

    ::

        log w_s = log p(x, z_s) − log q(z_s|x),    z_s ~ q(z|x)

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, *observed)``.
        samples: number of samples, at least 1.
        score: ``False`` holds q's parameters fixed inside log q. The values stay the same. The
            gradient loses the score term, whose mean is zero, so its mean stays and its noise
            vanishes where q is the posterior.

    Returns:
        Nats, shape ``(samples, *batch)``, differentiable through z.

    Raises:
        ValueError: zero samples, wrong shapes, bad data, or a q without ``rsample``.

    Source:
        Roeder, Wu and Duvenaud (2017) for ``score=False``.
    """
    return _weighted(model, x, samples, score)[1]


def iwae(model, x: Tensor, samples: int, doubly: bool = False) -> Tensor:
    """The importance-weighted bound; with one sample, estimator A of the ELBO.

    ::

        L_S = log 1/S Σ_s w_s,    E[L_1] ≤ E[L_2] ≤ … ≤ log p(x)

    Its gradient weighs each sample by its share of the sum. For q's parameters φ the score term in
    it can be reparameterized once more, which leaves the mean as it is and takes away most of the
    noise, the more the closer q is to the posterior::

        share_s = w_s / Σ_r w_r
        ∇_φ L_S = Σ_s share_s  (∂log w_s/∂z_s ∂z_s/∂φ − ∂log q(z_s|x)/∂φ)
        doubly:   Σ_s share_s² ∂log w_s/∂z_s ∂z_s/∂φ

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, *observed)``.
        samples: S, at least 1.
        doubly: whether q's parameters get the doubly reparameterized gradient. The value, and the
            gradient of all that is not in q, stay the same.

    Returns:
        Nats, shape ``(*batch)``, differentiable in the parameters of the model.

    Raises:
        ValueError: zero samples, wrong shapes, bad data, or a q without ``rsample``.

    Source:
        Burda, Grosse and Salakhutdinov (2016); Tucker, Lawson, Gu and Maddison (2019) for
        ``doubly``.
    """
    z, log_w = _weighted(model, x, samples, score=not doubly)
    if doubly and z.requires_grad:
        share = log_w.detach().softmax(0)
        share = share.reshape(*share.shape, *[1] * (z.ndim - share.ndim))
        z.register_hook(lambda slope: share * slope)
    return log_w.logsumexp(0) - math.log(samples)


@torch.no_grad()
def log_evidence(model, x: Tensor, samples: int = 5000, chunk: int = 2**10) -> Estimate:
    """log p(x) by importance sampling from the encoder, in bounded memory and without gradients.

    ::

        log p(x) ≈ log w̄,    w̄ = 1/S Σ_s w_s
        standard error ≈ sd(w) / (sqrt(S) w̄)

    The estimate is low by about half the squared standard error. A small standard error is no
    proof: weights that the encoder never draws are missing from both numbers.

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, *observed)``.
        samples: S, at least 2.
        chunk: how many decoded images are held at a time: the bound on the memory. So few that
            they stay in a processor's cache are quickest.

    Returns:
        Estimate in nats, shape ``(*batch)``.

    Raises:
        ValueError: fewer than two samples, an empty chunk, wrong shapes, bad data, or a q that is
            certain of one z.
    """
    check_counts(2, samples=samples)
    check_counts(chunk=chunk)
    if x.numel() == 0:
        raise ValueError(f"x is empty, shape {tuple(x.shape)}")
    once = SimpleNamespace(prior=model.prior, decode=model.decode, encode=model.encode)
    q = encoded(once, x[:chunk] if x.ndim > 1 else x, samples)
    if not getattr(q, "covers", True):
        raise ValueError(
            f"{type(q).__name__} is certain of one z, so its weights say nothing of all others: "
            "log p(x) is a sum over model.prior.enumerate_support(), its lower bound is elbo"
        )
    rank = len(q.batch_shape)
    if math.prod(batch := x.shape[:rank]) <= chunk:
        return Estimate(*_log_evidence(once, x, q, samples, chunk))
    parts = [
        log_evidence(once, rows, samples, chunk) for rows in x.flatten(0, rank - 1).split(chunk)
    ]
    return Estimate(*(torch.cat(each).reshape(batch) for each in zip(*parts, strict=True)))


@torch.no_grad()
def log_conditionals(model, x: Tensor, samples: int = 5000, chunk: int = 2**10) -> Estimate:
    """log p of each cell of a row given the others: of an odd row, which cell is odd.

    ::

        log p(x_j|x_others) = log p(x) − log p(x_others)

    Both by :func:`log_evidence`, with a hole at j in the second: D + 1 times its work.

    Args:
        model: as for :func:`impute`.
        x: rows, NaN where a value is missing, shape ``(*batch, D)``.
        samples: of each term, at least 2.
        chunk: as for :func:`log_evidence`, whose errors these are.

    Returns:
        Estimate in nats, shape ``(*batch, D)``; NaN where x is.

    Raises:
        ValueError: as for :func:`log_evidence`, or a p(x|z) that allows no holes.
    """
    cells = torch.eye(x.shape[-1], dtype=torch.bool, device=x.device)
    rows = [x, *(x.masked_fill(cell, torch.nan) for cell in cells)]
    whole, *others = (log_evidence(model, row, samples, chunk) for row in rows)
    mean = torch.stack([whole.mean - other.mean for other in others], -1)
    errors = [whole.standard_error.hypot(other.standard_error) for other in others]
    both = (mean, torch.stack(errors, -1))
    return Estimate(*(value.masked_fill(x.isnan(), torch.nan) for value in both))


@torch.no_grad()
def impute(model, x: Tensor, draws: int = 1, samples: int = 100) -> Tensor:
    """Rows with their holes filled by draws from p(x_missing|x_observed).

    ::

        z_s ~ q(z|x),    w_s = p(x_observed, z_s) / q(z_s|x)
        z = z_s with probability w_s / Σ_r w_r,    x_missing ~ p(x|z)

    The draws of a row come from one set of weights; with more samples their distribution is closer
    to the exact one.

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, NaN where a value is missing, shape ``(*batch, *observed)``; p(x|z) must allow
            that, as :func:`vaelib.distributions.observed` does.
        draws: of each row, at least 1.
        samples: S, at least 1.

    Returns:
        Copies of x without holes, shape ``(draws, *batch, *observed)``.

    Raises:
        ValueError: as for :func:`log_weights`, or no draws.

    Source:
        Rubin (1987) for the resampling; Mattei and Frellsen (2019).
    """
    check_counts(draws=draws)
    z, log_w = _weighted(model, x, samples, score=True)
    chosen = Categorical(logits=log_w.movedim(0, -1)).sample((draws,))
    index = chosen.reshape(*chosen.shape, *[1] * (z.ndim - log_w.ndim))
    p = model.decode(z.gather(0, index.expand(draws, *z.shape[1:])))
    return torch.where(x.isnan(), p.sample(), x)


def _log_evidence(model, x: Tensor, q, samples: int, chunk: int) -> tuple[Tensor, Tensor]:
    log_sum = x.new_full(q.batch_shape, -torch.inf)
    log_squares = log_sum.clone()
    step = max(1, chunk // math.prod(q.batch_shape))
    for start in range(0, samples, step):
        with unexamined() if start else nullcontext():
            z = drawn(q, (min(step, samples - start),))
            log_w = log_joint(model, x, z, q) - q.log_prob(z)
        log_sum = log_sum.logaddexp(log_w.logsumexp(0))
        log_squares = log_squares.logaddexp((2 * log_w).logsumexp(0))
    mean = log_sum - math.log(samples)
    spread = (log_squares - math.log(samples) - 2 * mean).exp() - 1
    return mean, (spread.clamp(min=0) / (samples - 1)).sqrt()


def _weighted(model, x: Tensor, samples: int, score: bool) -> tuple[Tensor, Tensor]:
    """Samples from q, and their log weights."""
    q = encoded(model, x, samples)
    z = drawn(q, (samples,))
    if not score:
        with torch.no_grad():
            q = model.encode(x)
    return z, log_joint(model, x, z, q) - q.log_prob(z)
