"""``python -m vaelib train``: from images to a run folder, alone or under torchrun."""

import argparse
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vaelib.commands.arguments import add, amount, columns, data_options, must, positive, whole

ABOUT = "train a VAE and keep everything about it in a folder"
ENOUGH = 2**24  # numbers from which a start is computed
MANY = 2000  # steps that photographs take to be told apart
EXAMPLE = (
    "train --data mnist --latent 20 --hidden 400 --epochs 20 --out run\n"
    "  torchrun --nproc-per-node 4 -m vaelib train --data photos --out run"
)


def register(commands) -> None:
    add_argument = add(commands, "train", ABOUT, EXAMPLE, train).add_argument
    data_options(
        add_argument,
        "digits",
        "what to learn from, but for a tenth, drawn by the seed, that is held out",
    )
    add_argument(
        "--columns",
        type=columns,
        metavar="NAME=KIND,…",
        help="what columns of a table are, instead of what is guessed and said: normal, laplace, "
        "student, log-normal, bernoulli, categorical, poisson, negative-binomial, or skip",
    )
    add_argument("--latent", type=positive, default=20, help="latent coordinates")
    add_argument(
        "--network",
        choices=["mlp", "conv"],
        help="mlp: every unit sees all pixels; conv: convolutions, each halves the sides. Without "
        "it, conv for images in colour or of more than 48 x 48 pixels",
    )
    add_argument(
        "--hidden",
        type=positive,
        nargs="+",
        metavar="WIDTH",
        help="layer widths, 400 without it, or channels of convolutions; alone it means mlp",
    )
    add_argument(
        "--activation", choices=["relu", "tanh", "silu"], default="relu", help="between layers"
    )
    add_argument(
        "--likelihood",
        type=likelihood,
        default="bernoulli",
        metavar="NAME",
        help="of the pixels: bernoulli, black or white, drawn afresh each epoch; gaussian, grey "
        "with one learned sigma; grey, with one for each pixel, none of which may be constant; "
        "logistic, levels of grey as they are, one peak for each pixel; mixture, the same with "
        "five, and in convolutions the colours of a pixel see one another",
    )
    add_argument(
        "--prior",
        choices=["standard", "mixture", "pseudo-inputs", "flow"],
        default="standard",
        help="p(z): standard, N(0, I); or learned with the rest: mixture, of normals; "
        "pseudo-inputs, of what the encoder says of learned inputs; flow, bent noise, needs zuko",
    )
    add_argument("--components", type=positive, default=100, help="of a mixture, or pseudo-inputs")
    add_argument("--objective", choices=["elbo", "iwae"], default="elbo", help="what is raised")
    add_argument(
        "--samples", type=positive, default=1, help="from q for each image; one makes iwae the ELBO"
    )
    add_argument("--beta", type=amount, default=1.0, help="weight of the KL")
    add_argument("--free-bits", type=amount, default=0.0, help="nats for each coordinate")
    add_argument("--epochs", type=positive, default=20, help="passes over the images")
    add_argument("--batch-size", type=positive, default=128, help="of all processes together")
    add_argument("--learning-rate", type=amount, default=1e-3, help="step size of Adam")
    add_argument("--patience", type=positive, help="stop after so many epochs without progress")
    add_argument("--seed", type=whole, default=0, help="decides everything random")
    add_argument("--device", help="such as cuda; a GPU if there is one")
    add_argument("--every", type=amount, default=60.0, help="seconds between two checkpoints")
    add_argument("--tensorboard", type=Path, help="a folder to write curves to")
    add_argument("--resume", action="store_true", help="go on with the run in the folder")
    add_argument("--out", type=Path, required=True, help="the folder")


def train(options: argparse.Namespace) -> int:
    """Train, write the folder, say what came out; 130 if somebody interrupted it."""
    import torch

    from vaelib.commands import folder, images, memory
    from vaelib.commands.settings import Settings
    from vaelib.training import Checkpoint, Steps, TensorBoard, Validation, by_width, fit, shares

    device, restarted = _where(options)
    before = folder.begun(options.out, options.resume, restarted)
    if options.tensorboard:
        folder.check_place(options.tensorboard)
    if before:
        before.go_on(options)
    found = images.find(before or options, options.data)
    settings = Settings.of(options, found)
    bound = settings.bound()
    if shares.rank() == 0:
        images.say([*found.said, *_chosen(options, settings, len(found.train))])
    curves = TensorBoard(options.tensorboard) if options.tensorboard else None
    x, held = found.train.shaped(settings.event), found.validation.shaped(settings.event)
    with memory.bounded(settings, len(x), torch.device(device)):
        model = settings.model()
        rows = images.rows(found.train, settings)
        model.start_at(rows[images.evenly(len(x), max(1, ENOUGH // settings.pixels))])
        history = fit(
            model,
            x,
            epochs=settings.epochs,
            objective=bound,
            batch_size=settings.batch_size,
            learning_rate=Steps(settings.learning_rate, by_width),
            binarise=settings.subject.binary,
            validation=Validation(held, settings.patience),
            seed=settings.seed,
            device=device,
            checkpoint=Checkpoint(
                options.out / folder.CHECKPOINT,
                options.every,
                resume=before is not None,
                opened=partial(settings.write, options.out / folder.SETTINGS),
            ),
            callback=folder.Log(options.out, settings.epochs, curves),
        )
    if shares.rank() == 0:
        folder.finish(options.out, settings, model, history)
        print(f"{options.out}: {_said(history)}")
    shares.leave()
    return 130 if history.stopped == "interrupted" else 0


def _chosen(options: argparse.Namespace, settings, count: int) -> Iterator[str]:
    """What was chosen for the reader, where that may surprise."""
    if settings.network == "conv" and not options.network:
        yield f"convolutions of {settings.hidden} channels; --network mlp for an mlp"
    an_epoch = -(-count // settings.batch_size)
    if (steps := settings.epochs * an_epoch) < MANY and "epochs" not in options.typed:
        yield (
            f"{settings.epochs} epochs are {steps:,} steps, few for a network: --epochs "
            f"{-(-MANY // an_epoch)} makes {MANY:,}"
        )


def likelihood(word: str) -> str:
    from vaelib.models import DECODERS

    must(f"be one of {', '.join(DECODERS)}", word, word in DECODERS)
    return word


def _where(options: argparse.Namespace) -> tuple[str, bool]:
    """Join the processes that torchrun started; say where to train, and whether it is again."""
    import torch

    from vaelib.training import shares

    if options.device:
        _check_device(options.device)
    gpu = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = options.device or (gpu if torch.cuda.is_available() else "cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        shares.join(torch.device(device))
    return device, int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name).item()
    except (AssertionError, ImportError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"no device {name!r} here: {str(error).splitlines()[0]}") from None


def _said(history) -> str:
    done = len(history.train)
    if not done:
        return "interrupted before the first epoch was over"
    why = {"patience": ", which was long without progress", "interrupted": ", then interrupted"}
    elbo = history.validation[-1].elbo
    return f"{done} epochs{why.get(history.stopped, '')}; validation ELBO {elbo:.2f} nats"
