"""What the experiments learn, and the ways to learn, each able to go on from a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.optim import Adagrad

from vaelib import data
from vaelib.distributions import diagonal_normal
from vaelib.inference import MonteCarloEM, UncertainDecoder, variational_bayes, wake_sleep
from vaelib.models import DECODERS, PRIORS, VAE, GaussianEncoder, binary
from vaelib.objectives import ELBO
from vaelib.training import Checkpoint, Steps, checkpoint, evaluate, fit

FIRST = 20_000  # images after which a step size is chosen
JUDGED = 10_000  # of them, the bound is measured on so many


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Random numbers from a seed within a block or a function, and after it those from before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class Encoder(GaussianEncoder):
    """The same network, but its second head is log sigma², as in the paper's appendix C.2.

    The model is the same; a step of given size in the head moves log sigma half as far.
    """

    def forward(self, x: Tensor) -> Independent:
        mu, log_variance = self.network(x).chunk(2, -1)
        return diagonal_normal(mu, (log_variance / 2).exp())


def build(s: dict, pixels: int) -> VAE:
    """The paper's model, every parameter drawn from N(0, initial²); by "bayes" their means are."""

    def start(model: VAE) -> None:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=s["initial"])

    model = drawn(s, pixels, nn.Tanh, encoder=Encoder, start=start)
    if s["method"] == "bayes":
        model.decoder = UncertainDecoder(model.decoder)
    return model


def drawn(
    s: dict,
    observed: int | tuple[int, ...],
    activation: type[nn.Module],
    hidden: list[int] | None = None,
    encoder: type[nn.Module] = GaussianEncoder,
    start: Callable[[VAE], object] = lambda model: None,
    **told,
) -> VAE:
    """The same layers each way, with torch's own initial weights or as ``start`` sets them."""
    hidden, latent = hidden or [s["hidden"]], s["latent"]
    with seeded(s["seed"]):
        q = encoder(observed, hidden, latent, activation)
        decoder = DECODERS[s["likelihood"]]
        p = decoder(latent, hidden[::-1], observed, activation=activation, **told)
        x = torch.zeros(1, *q.event)
        prior = PRIORS[s.get("prior", "standard")](q, x, latent, s.get("components", 1))
        model = VAE(prior, q, p)
        start(model)
    return model


@dataclass
class ByGradient:
    """A model with a network for q(z|x), trained with one sample on x by the settings s.

    It goes on from the checkpoint ``keep``, if there is one, and writes it; ``how`` is what else
    :func:`~vaelib.training.fit` is told, and the bound ``judge`` says how well it went.
    """

    model: VAE
    s: dict
    x: Tensor
    keep: Path | None
    how: dict
    judge: Callable = ELBO()

    def until(self, epochs: int) -> None:
        """Train until so many epochs are done."""
        fit(
            self.model,
            self.x,
            epochs=epochs,
            batch_size=self.s["batch_size"],
            binarise=afresh(self.s),
            seed=self.s["seed"],
            device="cuda" if torch.cuda.is_available() else None,
            checkpoint=Checkpoint(self.keep, resume=True),
            progress=False,
            **self.how,
        )

    def success(self) -> float:
        """The bound on training images."""
        x = self.x[:JUDGED]
        return bound(self.model, torch.bernoulli(x) if afresh(self.s) else x, self.judge)


class ByEM:
    """Monte Carlo EM: no q(z|x), a chain for each image; attributes as above."""

    def __init__(self, em: MonteCarloEM, keep: Path | None) -> None:
        self.em, self.model, self.keep, self.reached = em, em.model, keep, float("nan")
        if keep and keep.exists():
            em.resume(checkpoint.load(keep))

    def until(self, epochs: int) -> None:
        """Train until so many epochs are done."""
        while self.em.seen < epochs * len(self.em.x):
            self.reached = self.em.epoch()
        if self.keep:
            checkpoint.save(self.keep, self.em.state())

    def success(self) -> float:
        """log p(x, z) at the sampled z, averaged over the last epoch."""
        return self.reached


def learner(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient | ByEM:
    """Whoever learns on some images by the method that the settings name, on Adagrad."""
    model = build(s, x.shape[1])
    decays = {"all": model, "decoder": model.decoder, "none": nn.Module()}[s["decay"]]
    optimizer = partial(adagrad, lr=step_size, decay=1 / len(x), decays=decays)
    if s["method"] == "mcem":
        torch.manual_seed(s["seed"])
        return ByEM(MonteCarloEM(model, x, optimizer=optimizer, batch_size=s["batch_size"]), keep)
    whole = partial(variational_bayes, examples=len(x))
    objective = {"aevb": ELBO(), "wake-sleep": wake_sleep, "bayes": whole}[s["method"]]
    how = {"learning_rate": Steps(step_size, optimizer), "objective": objective}
    return ByGradient(model, s, x, keep, how, whole if s["method"] == "bayes" else ELBO())


def standard(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient:
    """What chapter `vae` trains, ReLU units and Adam; arguments as above."""
    model = drawn(s, x.shape[1], nn.ReLU)
    return ByGradient(model, s, x, keep, {"learning_rate": step_size})


def with_prior(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient:
    """Two layers of SiLU units each way, a prior, and Adam; pseudo-inputs begin at images."""

    def start(model: VAE) -> None:
        getattr(model.prior_module, "start_at", lambda x: None)(x)

    model = drawn(s, x.shape[1], nn.SiLU, [s["hidden"]] * 2, start=start)
    return ByGradient(model, s, x, keep, {"learning_rate": step_size})


def convolutional(s: dict, x: Tensor, step_size: float, keep: Path | None = None) -> ByGradient:
    """What chapter `images` trains: convolutions, each with twice the channels, and Adam."""
    hidden = [s["hidden"] * 2**i for i in range(s["depth"])]
    told = {"levels": data.load(s["data"]).levels}
    model = drawn(s, tuple(x.shape[1:]), nn.ReLU, hidden, **told)
    model.start_at(x[:512])
    return ByGradient(model, s, x, keep, {"learning_rate": step_size})


def chosen(learner: Callable, s: dict, x: Tensor, step_sizes: tuple[float, ...]) -> float:
    """The step size that is best on the first images, as the paper chose.

    One that diverges is out; if all do, a FloatingPointError says so.
    """
    reached = {}
    for step_size in step_sizes:
        one = learner(s, x[:FIRST], step_size)
        try:
            one.until(max(1, round(FIRST / len(x))))
        except FloatingPointError:
            continue
        reached[step_size] = one.success()
    if not reached:
        raise FloatingPointError(f"every step size of {step_sizes} diverges with settings {s}")
    return max(reached, key=reached.get)


def adagrad(parameters: list, lr: float, decay: float, decays: nn.Module) -> Adagrad:
    """Adagrad in one kernel; the weights that belong to one module decay, and no others."""
    those = set(decays.parameters())
    parts = {0.0: [p for p in parameters if p not in those]}
    parts[decay] = [p for p in parameters if p in those]
    groups = [{"params": part, "weight_decay": d} for d, part in parts.items() if part]
    return Adagrad(groups, lr=lr, fused=parameters[0].device.type == "cpu")


@seeded()
def bound(model: VAE, x: Tensor, objective: Callable = ELBO()) -> float:
    """The average bound over some images, with the same noise each time."""
    return evaluate(model, x, objective).elbo


def afresh(s: dict) -> bool:
    """Whether pixels are drawn each time they are seen."""
    return binary(s["likelihood"]) and s["pixels"] == "afresh"
