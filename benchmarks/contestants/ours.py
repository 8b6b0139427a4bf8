"""vaelib's ``fit``, and the leanest loop that does the same by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks import limits
from benchmarks.setting import LEARNING_RATE, Setting, renewed
from vaelib import objectives
from vaelib.training import fit
from vaelib.validation import unexamined


def fit_elbo(s: Setting, x: Tensor) -> Callable[[int], object]:
    return _fit(s, x, objective=objectives.ELBO(s.samples))


def fit_iwae(s: Setting, x: Tensor) -> Callable[[int], object]:
    return _fit(s, x, objective=partial(objectives.iwae, samples=s.samples))


def _fit(s: Setting, x: Tensor, **options) -> Callable[[int], object]:
    model = s.model()
    options |= {"batch_size": s.batch, "learning_rate": LEARNING_RATE, "device": x.device}
    return renewed(model, lambda n: fit(model, x, epochs=n, progress=False, **options))


def lean_elbo(s: Setting, x: Tensor) -> Callable[[int], None]:
    return _lean(s, x, elbo_by_hand)


def lean_elbo_default(s: Setting, x: Tensor) -> Callable[[int], None]:
    return _lean(s, x, elbo_by_hand, "highest")


def lean_iwae(s: Setting, x: Tensor) -> Callable[[int], None]:
    return _lean(s, x, partial(iwae_by_hand, samples=s.samples))


def lean_objective(s: Setting, x: Tensor) -> Callable[[int], None]:
    """The same loop, but the loss goes through torch.distributions, as in ``fit`` unexamined."""
    model = s.model().to(x.device)
    return unexamined()(_loop(s, x, model, lambda x: objectives.elbo(model, x)))


def _lean(s: Setting, x: Tensor, bound: Callable[..., Tensor], precision: str = ""):
    encoder, decoder = networks = nn.ModuleList(s.networks()).to(x.device)
    return _loop(s, x, networks, lambda x: bound(encoder, decoder, x), precision)


def _loop(s: Setting, x: Tensor, model: nn.Module, bound, precision: str = ""):
    def run(epochs: int) -> None:
        adam = Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
        with limits.route(precision or limits.float32_route(x.device.type)):
            for _ in range(epochs):
                total = torch.zeros((), device=x.device)
                for rows in torch.randperm(len(x), device=x.device).split(s.batch):
                    loss = -bound(x.index_select(0, rows)).mean()
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
                    total += loss.detach()
                float(total)

    return renewed(model, run)


def elbo_by_hand(encoder: nn.Module, decoder: nn.Module, x: Tensor) -> Tensor:
    mu, log_sigma = encoder(x).chunk(2, -1)
    sigma = log_sigma.exp()
    logits = decoder(torch.addcmul(mu, sigma, torch.randn_like(sigma)))
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1)
    kl = 0.5 * (mu.square() + sigma.square() - 1).sum(-1) - log_sigma.sum(-1)
    return -(reconstruction.sum(-1) + kl)


def iwae_by_hand(encoder: nn.Module, decoder: nn.Module, x: Tensor, samples: int) -> Tensor:
    mu, log_sigma = encoder(x).chunk(2, -1)
    eps = torch.randn(samples, *mu.shape, device=x.device)
    z = torch.addcmul(mu, log_sigma.exp(), eps)
    logits = decoder(z)
    reconstruction = F.binary_cross_entropy_with_logits(
        logits, x.expand_as(logits), reduction="none"
    ).sum(-1)
    log_ratio = 0.5 * (eps.square() - z.square()).sum(-1) + log_sigma.sum(-1)
    return (log_ratio - reconstruction).logsumexp(0) - math.log(samples)
