"""Samples of p(z|x), one chain for each x."""

from functools import partial

import torch
from torch import Tensor

from vaelib.inference.hmc import check_rate, hmc, tune, vary
from vaelib.objectives import log_joint
from vaelib.validation import check_counts, check_finite, check_shape, unexamined


@torch.no_grad()
def sample_posterior(
    model,
    x: Tensor,
    samples: int,
    leapfrog: int = 10,
    warm_up: int = 100,
    acceptance: float = 0.9,
    start: Tensor | None = None,
) -> Tensor:
    """Samples of the posterior by Hamiltonian Monte Carlo, one chain for each x.

    ::

        p(z|x) ∝ p(x, z),    z_1, z_2, … one transition from the next

    During the warm-up each chain tunes its own step size; then it is kept, as the geometric mean
    over the second half of the warm-up, and the chain leaves the posterior invariant. In every
    transition the step size varies by chance within 30 per cent. Each chain starts from a draw of
    the prior, which takes no encoder, and no encoder's word for where the posterior lies.

    Successive samples are correlated. A chain seldom finds a mode that is far from its own; for
    several chains of one x, repeat it: ``x.expand(chains, *x.shape)``.

    Args:
        model: gives ``prior`` and ``decode``.
        x: data, shape ``(*batch, observed)``.
        samples: number of samples to keep, at least 1.
        leapfrog: number of leapfrog steps in a transition, at least 1.
        warm_up: transitions before the first that is kept, at least 1.
        acceptance: the acceptance rate to tune for, between 0 and 1.
        start: where the chains start instead, shape ``(*batch, latent)``.

    Returns:
        z, shape ``(samples, *batch, latent)``.

    Raises:
        ValueError: a number out of range, wrong shapes, or bad data.

    Source:
        Kingma and Welling (2014), appendices D and E.

    >>> from vaelib.exact import LinearGaussian
    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), 1.0)
    >>> sample_posterior(model, torch.ones(3, 1), samples=5).shape
    torch.Size([5, 3, 1])
    """
    check_counts(samples=samples, leapfrog=leapfrog, warm_up=warm_up)
    check_rate(acceptance)
    z = model.prior.sample(x.shape[:-1]) if start is None else start
    check_shape("start must have shape", z.shape, x.shape[:-1] + model.prior.event_shape)
    check_finite("start", z)
    log_density = partial(log_joint, model, x)
    log_density(z)  # raises on bad data
    with unexamined():
        step_size, tried = z.new_ones(z.shape[:-1]), []
        for _ in range(warm_up):
            z, _, accepted = hmc(log_density, z, vary(step_size), leapfrog)
            step_size = tune(step_size, accepted, acceptance)
            tried.append(step_size.log())
        step_size = torch.stack(tried[warm_up // 2 :]).mean(0).exp()
        kept = z.new_empty(samples, *z.shape)
        for s in range(samples):
            z = kept[s] = hmc(log_density, z, vary(step_size), leapfrog).z
    return kept
