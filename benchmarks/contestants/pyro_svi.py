"""Pyro's stochastic variational inference, fed with minibatches that lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.setting import LEARNING_RATE, Setting, renewed
from vaelib.models import mlp


def plain(s: Setting, x: Tensor) -> Callable[[int], None]:
    from pyro.infer import Trace_ELBO

    return _svi(s, x, Trace_ELBO())


def jit(s: Setting, x: Tensor) -> Callable[[int], None]:
    from pyro.infer import JitTrace_ELBO

    return _svi(s, x, JitTrace_ELBO(ignore_jit_warnings=True))


def _svi(s: Setting, x: Tensor, elbo) -> Callable[[int], None]:
    from pyro.infer import SVI
    from pyro.optim import Adam

    vae = Vae(s, elbo).to(x.device)

    def run(epochs: int) -> None:
        svi = SVI(vae.model, vae.guide, Adam({"lr": LEARNING_RATE}), loss=elbo)
        for _ in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(x), device=x.device).split(s.batch):
                total += svi.step(x[rows])

    return renewed(vae, run)


class Vae(nn.Module):
    """Names its parameters after its bound: Pyro keeps those of all models in one place."""

    def __init__(self, s: Setting, elbo) -> None:
        super().__init__()
        self.name, self.latent = type(elbo).__name__, s.latent
        self.encoder, self.decoder = mlp(s.encoder, nn.ReLU), mlp(s.decoder, nn.ReLU)

    def model(self, x: Tensor) -> None:
        import pyro
        from pyro.distributions import Bernoulli, Normal

        pyro.module(f"{self.name} decoder", self.decoder)
        with pyro.plate("images", len(x)):
            zeros = x.new_zeros(len(x), self.latent)
            z = pyro.sample("z", Normal(zeros, torch.ones_like(zeros)).to_event(1))
            p = Bernoulli(logits=self.decoder(z), validate_args=False)
            pyro.sample("x", p.to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        import pyro
        from pyro.distributions import Normal

        pyro.module(f"{self.name} encoder", self.encoder)
        with pyro.plate("images", len(x)):
            mu, log_sigma = self.encoder(x).chunk(2, -1)
            pyro.sample("z", Normal(mu, log_sigma.exp()).to_event(1))
