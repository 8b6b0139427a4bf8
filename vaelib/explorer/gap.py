"""A normal moved over the posterior of one image by hand, and the gap that it leaves."""

import math
from copy import deepcopy

import numpy as np
import torch
import traitlets
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal

from vaelib.distributions import diagonal_normal
from vaelib.divergence import kl
from vaelib.exact import gauss_hermite
from vaelib.explorer.weights import pack, to_bytes
from vaelib.explorer.widget import Explorer
from vaelib.models import VAE
from vaelib.objectives import log_likelihood
from vaelib.validation import check_shape

BUDGET = 3e6  # multiplications for one frame
MOST = 16  # nodes for each coordinate
SLACK = 1e-3  # nats by which a bound may seem to lie above the evidence


class GapExplorer(Explorer, module="elbo.js gap.js"):
    """A diagonal normal q, dragged over the posterior of an image, and the three numbers it ties.

    ::

        log p(x) = L + KL(q ‖ p(z|x))
        L = E_q[log p(x|z)] − KL(q ‖ N(0, I))

    The decoder itself runs in the browser, which averages log p(x|z) by the Gauss–Hermite rule and
    draws the posterior. Three buttons put q at the prior, at the encoder's guess and at the best
    diagonal normal, found by ascent on the same L.

    Args:
        model: VAE with two latents, the prior N(0, I), and a decoder as
            :func:`~vaelib.explorer.pack` takes it, for binary pixels or with one sigma for all.
        x: the image, shape ``(height * width,)``.
        log_evidence: log p(x) in nats, by :func:`~vaelib.exact.log_evidence_quadrature`.
        shape: height and width of the image.

    Attributes:
        mu: the mean of q; setting it moves q in the figure.
        sigma: the deviations of q, likewise.
        elbo: L in nats, as the browser computed it; ``None`` before it has.
        gap: log p(x) − L in nats, likewise.

    Raises:
        ValueError: arguments that do not fit together, by name.

    >>> from vaelib.exact import log_evidence_quadrature
    >>> from vaelib.models import BernoulliDecoder, GaussianEncoder
    >>> from vaelib.models import StandardNormal
    >>> encoder = GaussianEncoder(4, [8], 2)
    >>> decoder = BernoulliDecoder(2, [8], 4)
    >>> model = VAE(StandardNormal(2), encoder, decoder).double()
    >>> x = torch.ones(4).double()
    >>> evidence = log_evidence_quadrature(model, x).value
    >>> explorer = GapExplorer(model, x, evidence, shape=(2, 2))
    >>> explorer.mu, explorer.sigma = (1.0, 0.5), (0.3, 0.4)
    """

    mu = traitlets.Tuple(*[traitlets.CFloat()] * 2, default_value=(0.0, 0.0)).tag(sync=True)
    sigma = traitlets.Tuple(*[traitlets.CFloat()] * 2, default_value=(1.0, 1.0)).tag(sync=True)
    elbo = traitlets.Float(None, allow_none=True, read_only=True).tag(sync=True)
    gap = traitlets.Float(None, allow_none=True, read_only=True).tag(sync=True)

    def __init__(self, model: VAE, x: Tensor, log_evidence: float, shape: tuple[int, int]) -> None:
        model = deepcopy(model).double().cpu().requires_grad_(False)
        x, log_evidence = x.detach().double().cpu(), float(log_evidence)
        _check(model, x, log_evidence, shape)
        layers, weights = pack(model.decoder)
        noise = _noise(model)
        if not noise:
            layers[-1]["activation"] = "identity"  # log odds instead of probabilities
        cost = sum(layer["inputs"] * layer["outputs"] for layer in layers)
        nodes = int(min(MOST, max(5, (BUDGET / cost) ** 0.5)))
        guess = model.encode(x)
        best = _best_normal(model, x, guess, nodes)
        if (bound := _elbo(model, x, best, MOST)) > log_evidence + SLACK:
            raise ValueError(
                f"log_evidence is {log_evidence:.4f}, and yet an ELBO of {bound:.4f} was found: "
                "it is not log p(x) of this model and this x"
            )
        t, share = np.polynomial.hermite_e.hermegauss(nodes)
        reach = max(float((q.mean.abs() + 3 * q.stddev).max()) for q in (guess, best))
        places = {"the prior": model.prior, "the encoder's q": guess, "the best normal": best}
        fixed = {
            "layers": layers,
            "weights": weights,
            "noise": noise,
            "image": to_bytes(x),
            "shape": list(shape),
            "log_evidence": log_evidence,
            "rule": [t.tolist(), (share / share.sum()).tolist()],
            "places": {name: [q.mean.tolist(), q.stddev.tolist()] for name, q in places.items()},
            "whole": [0.0, 0.0, max(3.0, reach)],
            "near": [*best.mean.tolist(), 5 * float(best.stddev.max())],
        }
        super().__init__(fixed)

    @traitlets.validate("mu", "sigma")
    def _drawable(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if not all(abs(v) < math.inf for v in value):
            raise traitlets.TraitError(f"{name} must be finite, got {value}")
        if name == "sigma" and not min(value) > 0:
            raise traitlets.TraitError(f"sigma must be positive, got {value}")
        return value


def _elbo(model: VAE, x: Tensor, q: Distribution, nodes: int) -> Tensor:
    return gauss_hermite(q, lambda z: log_likelihood(model, x, z), nodes) - kl(q, model.prior)


def _best_normal(model: VAE, x: Tensor, start: Distribution, nodes: int) -> Distribution:
    """The diagonal normal that maximises the ELBO of x, by ascent from a start."""
    phi = torch.stack([start.mean, start.stddev.log()]).requires_grad_(True)
    how = {"max_iter": 100, "tolerance_change": 1e-12, "line_search_fn": "strong_wolfe"}
    optimiser = torch.optim.LBFGS([phi], **how)

    def loss():
        optimiser.zero_grad()
        value = -_elbo(model, x, diagonal_normal(phi[0], phi[1].exp()), nodes)
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    mu, log_sigma = phi.detach()
    return diagonal_normal(mu, log_sigma.exp())


def _noise(model: VAE) -> float:
    """The deviation of the pixels, or zero where they are black or white."""
    p = model.decode(torch.linspace(-2, 2, 16).double().reshape(8, 2)).base_dist
    if isinstance(p, Bernoulli):
        return 0.0
    if isinstance(p, Normal) and torch.allclose(p.stddev, p.stddev.flatten()[0]):
        return float(p.stddev.flatten()[0])
    raise ValueError("the decoder must be Bernoulli, or normal with one sigma for all pixels")


def _check(model: VAE, x: Tensor, log_evidence: float, shape: tuple[int, int]) -> None:
    prior = model.prior
    standard = prior.event_shape == (2,) and (prior.mean == 0).all() and (prior.stddev == 1).all()
    if not standard:
        raise ValueError(f"the model's prior must be N(0, I) in two latents, got {prior}")
    check_shape("x must have shape", x.shape, (math.prod(shape),))
    log_likelihood(model, x, prior.mean)  # raises on pixels that do not fit the decoder
    if not math.isfinite(log_evidence):
        raise ValueError(f"log_evidence must be finite, got {log_evidence}")
