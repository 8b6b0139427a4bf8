"""Which losses are audited: as shipped where a package is told, as a miniature where none is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from benchmarks.shipped import losses, miniatures

GITHUB = "https://github.com/"


@dataclass(frozen=True)
class Row:
    """A loss.

    Attributes:
        package: its name in the package index, or of a project that is no package.
        loss: its name there.
        says: what the project says that it minimises.
        link: the project.
        miniature: the loss written anew.
        make: gives the loss as shipped; None if there is no package.
        sizes: the project's defaults, where it has any.
    """

    package: str
    loss: str
    says: str
    link: str
    miniature: Callable
    make: Callable[[], Callable] | None = None
    sizes: dict = field(default_factory=dict)


DIGITS = {"shape": (1, 28, 28), "batch": 64, "latents": 20}

ROWS = [
    Row(
        "multivae", "CVAE", "the ELBO, its KL with the weight `beta`, by default 1",
        f"{GITHUB}AgatheSenellart/MultiVae", miniatures.gaussian, losses.multivae,
        {"latents": 10},
    ),
    Row(
        "cornac", "VAECF", "a multinomial likelihood, and the KL with the weight `beta`, 1",
        f"{GITHUB}PreferredAI/cornac", miniatures.multinomial, losses.cornac,
        {"batch": 100, "latents": 10},
    ),
    Row(
        "octis", "AVITM", "KL and reconstruction, the prior learned by default",
        f"{GITHUB}MIND-LAB/OCTIS", miniatures.LearnedPrior(), losses.octis,
        {"batch": 64, "latents": 10},
    ),
    Row(
        "scvi-tools", "VAE, with the likelihood `nb`", "the ELBO, its KL warmed up to the weight 1",
        f"{GITHUB}scverse/scvi-tools", miniatures.counts, losses.scvi,
        {"batch": 128, "latents": 10},
    ),
    Row(
        "PyTorch examples", "vae", "reconstruction and KL, summed over all elements and batch",
        f"{GITHUB}pytorch/examples/tree/main/vae", miniatures.cross_entropy,
        sizes={"batch": 128, "latents": 20},
    ),
    Row(
        "pythae", "VAE", "“Vanilla Variational Autoencoder model”, `mse` by default",
        f"{GITHUB}clementchadebec/benchmark_VAE", miniatures.half_squares,
        partial(losses.pythae, "VAE"), DIGITS,
    ),
    Row(
        "pythae", "IWAE", "“Importance Weighted Autoencoder model”, with 10 samples",
        f"{GITHUB}clementchadebec/benchmark_VAE", miniatures.own_weights,
        partial(losses.pythae_samples, "IWAE"), DIGITS,
    ),
    Row(
        "pimms-learn", "VAE", "reconstruction and KL with `freebits=0.1`",
        f"{GITHUB}RasmussenLab/pimms", miniatures.floor_of_a_coordinate, losses.pimms,
        {"latents": 10},
    ),
    Row(
        "sheeprl", "Dreamer V1", "the world model's loss, KL bounded below by `kl_free_nats`, 3",
        f"{GITHUB}Eclectic-Sheep/sheeprl", miniatures.floor_of_the_batch, losses.sheeprl,
        {"shape": (3, 64, 64), "latents": 30},
    ),
    Row(
        "synthcity", "TVAE", "“standard: classic VAE loss”, with `loss_factor` 2",
        f"{GITHUB}vanderschaarlab/synthcity", miniatures.many_squares, losses.synthcity,
        {"batch": 200, "latents": 500},
    ),
    Row(
        "lightning-bolts", "VAE", "“Standard VAE with Gaussian Prior”, `kl_coeff` 0.1",
        f"{GITHUB}Lightning-AI/lightning-bolts", miniatures.mean_and_mean, losses.bolts,
        {"shape": (3, 32, 32), "batch": 256, "latents": 256},
    ),
    Row(
        "PyTorch-VAE", "VanillaVAE", "mean squared error and KL with `kld_weight` 0.00025",
        f"{GITHUB}AntixK/PyTorch-VAE", miniatures.mean_and_little,
        sizes={"shape": (3, 64, 64), "batch": 64, "latents": 128},
    ),
    Row(
        "latent-diffusion", "AutoencoderKL, without its perceptual and adversarial terms",
        "reconstruction and a slight KL penalty, `kl_weight` 0.000001",
        f"{GITHUB}CompVis/latent-diffusion", miniatures.absolute_and_least,
        sizes={"shape": (3, 256, 256), "batch": 12, "latents": (3, 64, 64)},
    ),
    Row(
        "pythae", "CIWAE", "“Combination Importance Weighted Autoencoder model”, `beta` 0.5",
        f"{GITHUB}clementchadebec/benchmark_VAE", miniatures.half_own_weights,
        partial(losses.pythae_samples, "CIWAE"), DIGITS,
    ),
    Row(
        "ctgan", "TVAE, continuous columns", "reconstruction times `loss_factor`, 2, and KL",
        f"{GITHUB}sdv-dev/CTGAN", miniatures.TwiceTheError(), losses.ctgan,
        {"batch": 500, "latents": 128},
    ),
    Row(
        "recbole", "MultiVAE, warmed up", "cross-entropy and KL with `anneal_cap` 0.2",
        f"{GITHUB}RUCAIBox/RecBole", miniatures.capped_multinomial, losses.recbole,
        {"batch": 2048, "latents": 64},
    ),
    Row(
        "pyod", "VAE", "reconstruction and KL up to `capacity`, by default 0",
        f"{GITHUB}yzhao062/pyod", miniatures.capacity_of_nothing, losses.pyod,
        {"batch": 32, "latents": 2},
    ),
    Row(
        "pythae", "DisentangledBetaVAE, warmed up",
        "“the KL divergence term of the ELBO we wish to approach”, 50 nats",
        f"{GITHUB}clementchadebec/benchmark_VAE", miniatures.away_from_fifty,
        partial(losses.pythae, "DisentangledBetaVAE", at=(25 + 1,)), DIGITS,
    ),
    Row(
        "DreamerV2", "world model, normal states", "the ELBO with “KL balancing”, 0.8 to 0.2",
        f"{GITHUB}danijar/dreamerv2", miniatures.balanced, sizes={"latents": 32},
    ),
]  # fmt: skip
