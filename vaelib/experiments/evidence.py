"""What figure 3 measures: the evidence of a model that may have no encoder."""

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, MultivariateNormal

from vaelib.exact import log_likelihoods
from vaelib.experiments.learners import seeded
from vaelib.inference import fit_gaussian, log_evidence_reciprocal, sample_posterior
from vaelib.models import VAE
from vaelib.objectives import log_joint

POSTERIOR, LEAPFROG = 50, 4  # samples from each posterior that are averaged, steps to the next
PRIOR = 20_000  # draws of the prior, the same for every image
NEAR = 200  # draws near the posterior samples
STILL = 1e-3  # what a chain that never moves is given as a deviation
CHUNK = 5_000


@torch.no_grad()
@seeded()
def evidence(model: VAE, x: Tensor) -> list[float]:
    """The average log p(x) over images, as the paper estimates it, and by importance sampling.

    A trained decoder may have a posterior with several peaks, far apart and so sharp that a chain
    which starts anywhere stays in the wrong one. So each chain starts at one of many draws of the
    prior, picked by its share of p(x). Importance sampling takes all these draws together with
    others from a normal density at the posterior samples, by the balance heuristic::

        p(x) ≈ Σ_i p(x, z_i) / (n_prior p(z_i) + n_near q(z_i))

    Source:
        Kingma and Welling (2014), appendices D and E; Veach and Guibas (1995) for the heuristic.
    """
    z = model.prior.sample((PRIOR,))
    log_p = torch.cat([log_likelihoods(model.decode(some), x) for some in z.split(CHUNK)]).T
    start = z[Categorical(logits=log_p).sample()]
    posterior = sample_posterior(model, x, 2 * POSTERIOR, LEAPFROG, start=start)
    paper = log_evidence_reciprocal(model, x, posterior, _fit).mean.mean()
    q = _fit(posterior)
    far = log_p + model.prior.log_prob(z) - _mixture(model, q, z.unsqueeze(1)).T
    z = q.sample((NEAR,))
    near = log_joint(model, x, z) - _mixture(model, q, z)
    together = torch.logaddexp(far.logsumexp(1), near.logsumexp(0))
    return [float(paper), float(together.mean())]


def _mixture(model: VAE, q: MultivariateNormal, z: Tensor) -> Tensor:
    """log of all the draws' density together, shape ``(draws, images)``."""
    prior = model.prior.log_prob(z) + math.log(PRIOR)
    near = torch.cat([q.log_prob(some) for some in z.split(CHUNK)]) + math.log(NEAR)
    return torch.logaddexp(prior, near)


def _fit(z: Tensor) -> MultivariateNormal:
    """In double precision a chain that has moved once or never is no line and no point."""
    q = fit_gaussian((z + STILL * torch.randn_like(z)).double())
    return MultivariateNormal(q.mean.to(z), scale_tril=q.scale_tril.to(z))
