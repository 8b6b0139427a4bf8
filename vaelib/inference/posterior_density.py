"""The evidence from samples of the posterior and a density fitted to them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from vaelib.divergence import Estimate
from vaelib.inference.posterior import sample_posterior
from vaelib.objectives import log_joint
from vaelib.validation import check_counts, check_shape, unexamined


def fit_gaussian(z: Tensor) -> MultivariateNormal:
    """The normal density with the mean and the covariance of samples.

    ::

        q(z) = N(z; z̄, 1/(L − 1) Σ_l (z_l − z̄)(z_l − z̄)ᵀ)

    Args:
        z: samples, shape ``(samples, *batch, latent)``.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(latent,)``.

    Raises:
        ValueError: no more samples than latents, or samples that lie in a point, a line, a plane.

    >>> fit_gaussian(torch.tensor([[0.0], [2.0]])).variance
    tensor([2.0000])
    """
    samples, latent = len(z), z.shape[-1]
    if samples <= latent:
        raise ValueError(
            f"a covariance of {latent} latents needs more than {latent} samples, got {samples}"
        )
    mu = z.mean(0)
    away = (z - mu).movedim(0, -1)
    covariance = away @ away.mT / (samples - 1)
    tril, _ = torch.linalg.cholesky_ex(covariance)
    own = tril.diagonal(dim1=-2, dim2=-1).square() / covariance.diagonal(dim1=-2, dim2=-1)
    flat = ~(own > samples * torch.finfo(z.dtype).eps).all(-1)
    if flat.any():
        raise ValueError(
            f"the samples of {int(flat.sum())} of {flat.numel()} data have a singular covariance: "
            "their chains stand still; try a longer warm_up or another start"
        )
    return MultivariateNormal(mu, scale_tril=tril)


def fit_kernels(z: Tensor) -> MixtureSameFamily:
    """A kernel density estimate: a small normal around each sample.

    ::

        q(z) = 1/L Σ_l N(z; z_l, h² C),    h = L^(−1 / (latent + 4))

    C is the covariance of the samples and h is Scott's bandwidth.

    Args:
        z: samples, shape ``(samples, *batch, latent)``.

    Returns:
        Distribution with batch ``(*batch)`` and event ``(latent,)``.

    Raises:
        ValueError: as :func:`fit_gaussian`.

    Source:
        Scott (1992), section 6.3.

    >>> fit_kernels(torch.randn(50, 3, 2)).batch_shape
    torch.Size([3])
    """
    h = len(z) ** (-1 / (z.shape[-1] + 4))
    tril = h * fit_gaussian(z).scale_tril.unsqueeze(-3)
    kernels = MultivariateNormal(z.movedim(0, -2), scale_tril=tril)
    return MixtureSameFamily(Categorical(logits=z.new_zeros(kernels.batch_shape)), kernels)


@torch.no_grad()
def log_evidence_hmc(
    model,
    x: Tensor,
    samples: int = 50,
    leapfrog: int = 4,
    warm_up: int = 100,
    acceptance: float = 0.9,
    fit: Callable[[Tensor], Distribution] = fit_gaussian,
    start: Tensor | None = None,
) -> Estimate:
    """log p(x) from posterior samples and a density q that was fitted to others.

    ::

        1/p(x) = E_p(z|x)[ q(z) / p(x, z) ]
        log p(x) ≈ −log r̄,    r_l = q(z_l) / p(x, z_l),    z_l ~ p(z|x)
        standard error ≈ sd(r) / (sqrt(L) r̄)

    q is fitted to the first L samples of a chain, r averaged over the next L. For few latents only.

    The estimate is high by about half the squared standard error, and by more where a large r is
    rare, since a large r that is not drawn makes r̄ too small. If q has heavier tails than the
    posterior (a normal q: more than twice its variance in some direction) r has no finite variance.
    Where q is large and no chain comes, r misses that part altogether. The standard error knows
    nothing of either. It takes the samples for independent; but r, about the same at z and at its
    mirror image, remembers where z does not, and on normal posteriors the true error was 1.5 to 2
    times as large. Repeated chains, ``x.expand(chains, *x.shape)``, give an honest one.

    Args:
        model: gives ``prior`` and ``decode``.
        x: data, shape ``(*batch, observed)``.
        samples: L, more than the latents.
        leapfrog: number of leapfrog steps in a transition, at least 1.
        warm_up: transitions before the first that is kept, at least 1.
        acceptance: the acceptance rate to tune for, between 0 and 1.
        fit: samples ``(samples, *batch, latent)`` ↦ q of batch ``(*batch)``; the paper names none.
        start: where the chains start instead of a draw of the prior, shape ``(*batch, latent)``.

    Returns:
        Estimate in nats, shape ``(*batch)``.

    Raises:
        ValueError: a number out of range, wrong shapes, bad data, or a q that cannot be fitted.

    Source:
        Kingma and Welling (2014), appendix D.

    >>> from vaelib.exact import LinearGaussian
    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), 1.0)
    >>> x = torch.ones(3, 1)
    >>> error = log_evidence_hmc(model, x).mean - model.log_evidence(x)
    >>> bool((error.abs() < 0.5).all())
    True
    """
    check_counts(samples=samples)
    z = sample_posterior(model, x, 2 * samples, leapfrog, warm_up, acceptance, start)
    return log_evidence_reciprocal(model, x, z, fit)


@torch.no_grad()
def log_evidence_reciprocal(
    model, x: Tensor, z: Tensor, fit: Callable[[Tensor], Distribution] = fit_gaussian
) -> Estimate:
    """log p(x) from posterior samples that are already there; see :func:`log_evidence_hmc`.

    Args:
        model: gives ``prior`` and ``decode``.
        x: data, shape ``(*batch, observed)``.
        z: posterior samples, shape ``(2 L, *batch, latent)``; q is fitted to the first half.
        fit: samples ``(samples, *batch, latent)`` ↦ q of batch ``(*batch)``.

    Returns:
        Estimate in nats, shape ``(*batch)``.

    Raises:
        ValueError: wrong shapes, bad data, or a q that cannot be fitted.
    """
    samples = len(z) // 2
    q, z = fit(z[:samples]), z[samples:]
    check_shape("fit must give batch", q.batch_shape, x.shape[:-1])
    with unexamined():
        log_r = q.log_prob(z) - torch.stack([log_joint(model, x, z_l) for z_l in z])
    most = log_r.amax(0)
    r = Estimate.of((log_r - most).exp())
    return Estimate(-(most + r.mean.log()), r.standard_error / r.mean)
