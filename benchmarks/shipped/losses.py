"""Losses as their packages ship them, with the defaults, in a form that the audit can call.

Where a loss stands in a method, the object that it asks is stood in for by what it asks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import nn
from torch.distributions import Independent, Normal

from benchmarks.shipped.absent import take


def pythae(name: str, at=(), **given) -> Callable:
    """A model's ``loss_function`` with the defaults of its config; ``at`` what else it takes."""
    config, model = (take("pythae.models", name + end) for end in ("Config", ""))
    own = {n: v for base in reversed(config.__mro__) for n, v in vars(base).items() if n[0] != "_"}
    own |= {"n_samples": own.get("number_samples"), "model_config": SimpleNamespace(**own | given)}

    def loss(recon_x, x, mu, log_var, z):
        return model.loss_function(SimpleNamespace(**own), recon_x, x, mu, log_var, z, *at)

    return loss


def pythae_samples(name: str) -> Callable:
    """The same of several samples, for which the model repeats μ and log σ²."""
    loss, count = pythae(name), take("pythae.models", f"{name}Config").number_samples

    def called(recon_x, x, mu, log_var, z):
        mu, log_var = (t.unsqueeze(1).repeat(1, count, 1) for t in (mu, log_var))
        return loss(recon_x, x, mu, log_var, z)

    return called


def multivae() -> Callable:
    """Its loss stands in ``forward``, so the networks give what they are told to."""
    forward = take("multivae.models", "CVAE").forward
    distribution = take("multivae.models.base.base_utils", "set_decoder_dist")

    def loss(x_hat, x, mu, logvar):
        model = SimpleNamespace(
            encoder=lambda _: SimpleNamespace(embedding=mu, log_covariance=logvar),
            decoder=lambda z, _: SimpleNamespace(reconstruction=x_hat),
            recon_log_prob=distribution("normal", {}),
            conditioning_modalities=[], main_modality="x", prior_network=None,
            model_config=SimpleNamespace(beta=1.0),
        )  # fmt: skip
        return forward(model, SimpleNamespace(data={"x": x})).loss

    return loss


def scvi() -> Callable:
    loss = take("scvi.module", "VAE").loss
    counts = take("scvi.distributions", "NegativeBinomial")

    def called(x_hat, x, mu, logvar):
        px = counts(mu=x_hat.exp(), theta=torch.full_like(x_hat, 2.0), validate_args=False)
        q, p = Normal(mu, (logvar / 2).exp()), Normal(torch.zeros_like(mu), torch.ones_like(mu))
        model = SimpleNamespace(use_observed_lib_size=True, extra_payload_autotune=False)
        return loss(model, {"X": x}, {"qz": q}, {"px": px, "pz": p}).loss

    return called


def pimms() -> Callable:
    loss = take("pimmslearn.models.vae", "loss_fct")
    return lambda x_hat, scale, x, mu, logvar: loss((x_hat, scale, mu, logvar), x)


def cornac() -> Callable:
    loss = take("cornac.models.vaecf.vaecf", "VAE").loss
    model = SimpleNamespace(likelihood="mult")

    def called(logits, x, mu, logvar):
        return loss(model, x, logits.softmax(1), mu, logvar, beta=1.0)

    return called


def recbole() -> Callable:
    """At the end of its warm-up of 200,000 steps."""
    loss = take("recbole.model.general_recommender.multivae", "MultiVAE").calculate_loss

    def called(x_hat, x, mu, logvar):
        model = SimpleNamespace(
            USER_ID=0, get_rating_matrix=lambda _: x, update=200_000, anneal_cap=0.2,
            total_anneal_steps=200_000, forward=lambda _: (x_hat, mu, logvar),
        )  # fmt: skip
        return loss(model, [0])

    return called


def octis() -> Callable:
    """With ten topics the prior begins as N(0, 1 − 1/10), and is learned."""
    loss = take("octis.models.pytorchavitm.avitm.avitm_model", "AVITM_model")._loss

    class AVITM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.prior_mean = nn.Parameter(torch.tensor(0.0))
            self.prior_variance = nn.Parameter(torch.tensor(1 - 1 / 10))

        def forward(self, logits, x, mu, logvar):
            prior = (p.to(mu).expand(mu.shape[1]) for p in (self.prior_mean, self.prior_variance))
            model, words = SimpleNamespace(num_topics=mu.shape[1]), logits.softmax(1)
            return loss(model, x, words, *prior, mu, logvar.exp(), logvar)

    return AVITM()


def ctgan() -> Callable:
    """Continuous columns alone, with the σ that training begins with."""
    loss = take("ctgan.synthesizers.tvae", "_loss_function")

    class TVAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sigma = nn.Parameter(torch.tensor(0.1))

        def forward(self, x_hat, x, mu, logvar):
            column = SimpleNamespace(dim=1, activation_fn="tanh")
            sigmas = self.sigma.to(x_hat).expand(x.shape[1])
            return sum(loss(x_hat, x, sigmas, mu, logvar, [[column]] * x.shape[1], 2))

    return TVAE()


def pyod() -> Callable:
    loss = take("pyod.models.vae", "vae_loss")
    return lambda x_hat, x, mu, logvar: loss(x, x_hat, mu, logvar, 1.0, 0.0, (-30.0, 20.0))


def bolts() -> Callable:
    model = take("pl_bolts.models.autoencoders.basic_vae.basic_vae_module", "VAE")

    def called(x_hat, x, mu, logvar):
        p, q, z = model.sample(None, mu, logvar)
        made = SimpleNamespace(_run_step=lambda _: (z, x_hat, p, q), kl_coeff=0.1)
        return model.step(made, (x, None), 0)[0]

    return called


def synthcity() -> Callable:
    loss = take("synthcity.plugins.core.models.vae", "VAE")._loss_function_standard

    def called(x_hat, x, mu, logvar):
        model = SimpleNamespace(decoder_nonlin_out=[("none", x.shape[1])], loss_factor=2)
        return loss(model, x_hat, x, mu, logvar)

    return called


def sheeprl() -> Callable:
    loss = take("sheeprl.algos.dreamer_v1.loss", "reconstruction_loss")

    def called(x_hat, x, mu, logvar, prior_mu, prior_logvar):
        q, p = (
            Independent(Normal(m, (h / 2).exp()), 1)
            for m, h in ((mu, logvar), (prior_mu, prior_logvar))
        )
        reward = SimpleNamespace(log_prob=torch.zeros_like)  # another likelihood, left out here
        seen = {"x": Independent(Normal(x_hat, 1.0), x.dim() - 1)}
        return loss(seen, {"x": x}, reward, mu, q, p)[0]

    return called
