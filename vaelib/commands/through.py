"""``python -m vaelib encode``, ``reconstruct``, ``score`` and ``interpolate``: through a model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from vaelib.commands.arguments import add_run, data_options, output, positive, whole

PARTS = {"mean": lambda q: q.mean, "sigma": lambda q: q.stddev, "draw": lambda q: q.sample()}
HEAD = ("elbo", "elbo_error", "log_p", "log_p_error", "reconstruction")
HELD = 2**20  # values of images, or of draws for them, that are looked at together
ROUNDS, SIDE = 16, 8  # ELBOs of an image; images side by side in a picture


class Stream:
    """A model, and the images that it is asked about, on their way through it a few at a time.

    Args:
        options: a run folder, and the options of its data.

    Raises:
        ValueError: no run, no images, or images of another size.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        from vaelib.commands import folder, images

        self.model, self.settings = folder.load(options.run_folder)
        found = images.find_all(options, self.settings)
        images.say(found.said if options.data else ())
        self.name, self.pick = found.whole.name, partial(images.pick, found.test, self.settings)
        self.names = found.whole.files or [str(n) for n in range(len(found.test))]

    def __len__(self) -> int:
        return len(self.names)

    def batches(self) -> Iterator:
        """All images as the model takes them, in their order."""
        import torch

        yield from few(self.pick, torch.arange(len(self)), self.settings.pixels)


def few(pick, index, pixels: int) -> Iterator:
    """Images by their numbers, as many at a time as memory should hold."""
    from tqdm import tqdm

    yield from map(pick, tqdm(index.split(max(1, HELD // pixels)), disable=None))


def encode(stream: Stream, options: argparse.Namespace):
    """Write the codes of images, q(z given x), as an array or a table."""
    import torch

    give, latent = options.give, stream.settings.latent
    codes = map(stream.model.encode, stream.batches())
    parts = (torch.stack([PARTS[name](q) for name in give], 1) for q in codes)
    shape = (len(stream), *([len(give)] if len(give) > 1 else []), latent)
    head = tuple(f"{name}_{j + 1}" for name in give for j in range(latent))
    return parts, shape, head


def reconstruct(stream: Stream, options: argparse.Namespace):
    """Show images beside what comes back from their codes; or write all that comes back.

    The means of p(x given z) at the mean of q(z given x).
    """
    import torch

    from vaelib.commands.images import evenly

    model, each = stream.model, stream.settings.each
    back = lambda x: model.decode(model.encode(x).mean).mean  # noqa: E731
    if options.out.suffix == ".npy":
        return map(back, stream.batches()), (len(stream), *each)
    x = stream.pick(evenly(len(stream), options.count))
    pairs = torch.stack([x, back(x)], 1).flatten(0, 1)
    return [pairs], (len(pairs), *each), (), min(SIDE, len(pairs))


def score(stream: Stream, options: argparse.Namespace):
    """Write how likely each image is to the model, in nats: the unlikely ones are odd.

    The ELBO, log p(x), both with the error of sampling, and the reconstruction term; where pixels
    are levels, also the ELBO in bits per dimension.
    """
    import torch

    from vaelib.training import bits_per_dimension

    each = (scores(stream.model, x, options.samples) for x in stream.batches())
    p, head = stream.model.decode(torch.zeros(stream.settings.latent)), HEAD
    if hasattr(p, "levels"):
        head = (*HEAD, "bits_per_dimension")
        each = (torch.cat([row, bits_per_dimension(row[:, :1], p)], 1) for row in each)
    return each, (len(stream), len(head)), head


def scores(model, x, samples: int):
    """What ``HEAD`` names, shape ``(images, 5)``."""
    import torch

    from vaelib.divergence import Estimate
    from vaelib.objectives import ELBO, log_evidence

    terms = [ELBO().measure(model, x, 1.0, None)[1] for _ in range(ROUNDS)]
    elbo = Estimate.of(torch.stack([t.elbo for t in terms]))
    evidence = log_evidence(model, x, samples, max(1, HELD // x[0].numel()))
    reconstruction = torch.stack([t.reconstruction for t in terms]).mean(0)
    return torch.stack([*elbo, *evidence, reconstruction], 1)


def interpolate(stream: Stream, options: argparse.Namespace):
    """Decode a straight line between the codes of two images."""
    import torch

    ends = torch.tensor([_row(name, stream.names) for name in options.between])
    a, b = stream.model.encode(stream.pick(ends)).mean
    z = torch.lerp(a, b, torch.linspace(0, 1, options.steps)[:, None])
    shape = (options.steps, *stream.settings.each)
    return [stream.model.decode(z).mean], shape, (), options.steps


def _row(name: str, names) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    raise ValueError(f"no image {name!r} among {len(names):,}, from {names[0]} to {names[-1]}")


COMMANDS = {  # the file of its example, and what it can write
    encode: ("codes.npy", ".npy", ".csv"),
    reconstruct: ("reconstructions.png", ".png", ".npy"),
    score: ("scores.csv", ".csv", ".npy"),
    interpolate: ("between.png --between 0 7", ".png", ".npy"),
}


def register(commands) -> None:
    encoding, reconstructing, scoring, interpolating = (
        _add(commands, command, *row) for command, row in COMMANDS.items()
    )
    encoding("--give", nargs="+", choices=[*PARTS], default=["mean"], help="one or several of q")
    reconstructing("--count", type=positive, default=32, help="how many a picture shows")
    scoring("--samples", type=positive, default=100, help="weights for each log p(x)")
    interpolating(
        "--between",
        nargs=2,
        default=["0", "1"],
        metavar="IMAGE",
        help="two images, by their numbers from 0 or the names of their files",
    )
    interpolating("--steps", type=positive, default=8, help="images, both ends among them")


def _add(commands, command, example: str, *endings: str) -> Callable:
    """Add a command, whose first line is its help; what its own options are added with."""
    name, about = command.__name__, command.__doc__.splitlines()[0].rstrip(".")
    about = about[0].lower() + about[1:]
    example = f"{name} run --data images.npy --out {example}"
    add_argument = add_run(commands, name, about, example, partial(run, command)).add_argument
    data_options(add_argument, None, "other data than the run's, all of it")
    add_argument("--seed", type=whole, default=0, help="of black and white pixels and draws")
    add_argument(
        "--out", type=output(*endings), required=True, help=f"a file, {' or '.join(endings)}"
    )
    return add_argument


def run(command, options: argparse.Namespace) -> None:
    """Write what a command makes of the images, with the randomness of the seed."""
    import torch

    from vaelib.commands.written import Rows, write

    stream = Stream(options)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        write(options.out, Rows(*command(stream, options))._replace(names=stream.names))
    print(f"{options.out}: from {len(stream):,} images, {stream.name}")
