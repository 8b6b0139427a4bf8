"""``python -m vaelib encode``, ``reconstruct``, ``score``, ``impute``, ``interpolate``."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from vaelib.commands.arguments import add_run, output, positive, whole

PARTS = {"mean": lambda q: q.mean, "sigma": lambda q: q.stddev, "draw": lambda q: q.sample()}
HEAD = ("elbo", "elbo_error", "log_p", "log_p_error", "reconstruction")
HELD = 2**20  # values of images, or of draws for them, that are looked at together
SIDE = 8  # images side by side in a picture


class Stream:
    """A model, and the examples that it is asked about, on their way through it a few at a time.

    Args:
        command: by name.
        options: a run folder, and the options of its data.

    Raises:
        ValueError: no run, no images, images of another size, or a command that is not for them.
    """

    def __init__(self, command: str, options: argparse.Namespace) -> None:
        from vaelib.commands import folder, images

        self.model, self.settings = folder.load(options.run_folder)
        self.subject = self.settings.subject
        self.subject.serve(command)
        found = images.find_all(options, self.settings)
        images.say(found.said if options.data else ())
        self.name, self.part = found.whole.name, found.test
        self.pick = partial(images.pick, self.part, self.settings)
        self.names = found.whole.files or [str(n) for n in range(len(found.test))]

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, copies: int = 1) -> Iterator:
        """All of them as the model takes them, in their order; so few that copies can be held."""
        import torch

        yield from few(self.pick, torch.arange(len(self)), copies * self.settings.widest)


def few(pick, index, width: int) -> Iterator:
    """Images by their numbers, as many at a time as memory should hold."""
    from tqdm import tqdm

    yield from map(pick, tqdm(index.split(max(1, HELD // width)), disable=None))


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
    if options.out.suffix != ".png":
        return stream.subject.rows(map(back, stream.batches()), (len(stream), *each))
    x = stream.pick(evenly(len(stream), options.count))
    pairs = torch.stack([x, back(x)], 1).flatten(0, 1)
    return [pairs], (len(pairs), *each), (), min(SIDE, len(pairs))


def score(stream: Stream, options: argparse.Namespace):
    """Write how likely each image is to the model, in nats: the unlikely ones are odd.

    The ELBO, log p(x), both with the error of sampling, and the reconstruction term; where pixels
    are levels, also the ELBO in bits per dimension, and of a table the part of each column in the
    reconstruction term, or its log p given the others.
    """
    import torch

    from vaelib.objectives import log_conditionals

    model, width = stream.model, stream.settings.widest
    names, further = stream.subject.further(model)
    if options.given_others:
        stream.subject.serve("score --given-others")
        how = {"samples": options.samples, "chunk": max(1, HELD // width)}
        further = lambda x, _: log_conditionals(model, x, **how).mean  # noqa: E731
    each = ((x, scores(model, x, options.samples, width)) for x in stream.batches())
    parts = (torch.cat([row, further(x, row)], 1) for x, row in each)
    return parts, (len(stream), len(HEAD) + len(names)), (*HEAD, *names)


def scores(model, x, samples: int, width: int):
    """What ``HEAD`` names, shape ``(images, 5)``."""
    import torch

    from vaelib.commands.subjects import ROUNDS
    from vaelib.divergence import Estimate
    from vaelib.objectives import ELBO, log_evidence

    terms = [ELBO().measure(model, x, 1.0, None)[1] for _ in range(ROUNDS)]
    elbo = Estimate.of(torch.stack([t.elbo for t in terms]))
    evidence = log_evidence(model, x, samples, max(1, HELD // width))
    reconstruction = torch.stack([t.reconstruction for t in terms]).mean(0)
    return torch.stack([*elbo, *evidence, reconstruction], 1)


def impute(stream: Stream, options: argparse.Namespace):
    """Write a table again, its empty cells filled with what the model expects, and its spread.

    The mean, or most probable class, of draws from p(missing given observed), in columns NAME_sd
    their standard deviation, in NAME_p the probability of the class.
    """
    from vaelib.commands.filled import filled

    return filled(stream, options.draws, options.samples)


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


COMMANDS = {  # the files of its example, and what it can write
    encode: ("images.npy --out codes.npy", ".npy", ".csv"),
    reconstruct: ("images.npy --out reconstructions.png", ".png", ".npy", ".csv"),
    score: ("images.npy --out scores.csv", ".csv", ".npy"),
    impute: ("table.csv --out filled.csv", ".csv"),
    interpolate: ("images.npy --out between.png --between 0 7", ".png", ".npy"),
}


def register(commands) -> None:
    encoding, reconstructing, scoring, imputing, interpolating = (
        _add(commands, command, *row) for command, row in COMMANDS.items()
    )
    encoding("--give", nargs="+", choices=[*PARTS], default=["mean"], help="one or several of q")
    reconstructing("--count", type=positive, default=32, help="how many a picture shows")
    scoring("--samples", type=positive, default=100, help="weights for each log p(x)")
    scoring("--given-others", action="store_true", help="of a table, log p of cells given others")
    imputing("--draws", type=positive, help="write so many copies, filled with draws, instead")
    imputing("--samples", type=positive, default=100, help="weights, and draws, for each row")
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
    example = f"{name} run --data {example}"
    add_argument = add_run(commands, name, about, example, partial(run, command)).add_argument
    add_argument("--seed", type=whole, default=0, help="of black and white pixels and draws")
    add_argument(
        "--out", type=output(*endings), required=True, help=f"a file, {' or '.join(endings)}"
    )
    return add_argument


def run(command, options: argparse.Namespace) -> None:
    """Write what a command makes of the images, with the randomness of the seed."""
    import torch

    from vaelib.commands.written import Rows, write

    stream = Stream(command.__name__, options)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        found = Rows(*command(stream, options))
        if found.names is None:
            found = found._replace(names=stream.names, one=stream.subject.one)
        write(options.out, found)
    what = stream.subject.one if len(stream) == 1 else stream.subject.many
    print(f"{options.out}: from {len(stream):,} {what}, {stream.name}")
