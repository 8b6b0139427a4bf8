"""``python -m vaelib compress`` and ``decompress``: images as a file, and back bit for bit."""

import argparse
from pathlib import Path

from vaelib.commands.arguments import add, add_run, whole

ABOUT = "write images as a file of as many bits as the bound of a run's model says"
BACK = "read the images of such a file, bit for bit"


def register(commands) -> None:
    example = "compress run --data images.npy --out images.bits"
    add_argument = add_run(commands, "compress", ABOUT, example, compress).add_argument
    add_argument("--seed", type=whole, default=0, help="of black and white pixels and first bits")
    add_argument("--out", type=Path, required=True, help="the file")
    example = "decompress images.bits --run run --out images.npy"
    add_argument = add(commands, "decompress", BACK, example, decompress).add_argument
    add_argument("file", type=Path, metavar="FILE", help="what compress wrote")
    add_argument("--run", type=Path, dest="run_folder", required=True, help="the run that wrote it")
    add_argument(
        "--out",
        type=Path,
        required=True,
        help="a .npy, with numbers as in the run's data and channels first; or a new folder, which "
        "is filled with pictures",
    )


def compress(options: argparse.Namespace) -> None:
    """Write the file; say what an image takes in it."""
    import torch

    from vaelib import data, files
    from vaelib.commands import images
    from vaelib.commands.through import Stream
    from vaelib.compress import coded

    stream = Stream("compress", options)
    model, settings = stream.model, stream.settings
    x = torch.cat([*images.rows(stream.part, settings).chunks()])
    if stream.subject.binary and not ((x == 0) | (x == 1)).all():
        x = data.binarise(x, torch.Generator().manual_seed(options.seed))
        images.say(["grey pixels are drawn black or white, and the file holds these"])
    made = coded(model, x, seed=options.seed)
    files.write(options.out, lambda file: file.write(made.content))
    each, apart = float(made.images.mean()), made.header + made.initial
    print(
        f"{options.out}: {len(made.content):,} bytes for {len(x):,} images, {stream.name}; "
        f"{each:.1f} bits an image, {each / settings.pixels:.4f} a dimension, and {apart:,} bits "
        "that say what made the file and begin it"
    )


def decompress(options: argparse.Namespace) -> None:
    """Write the images, once all of them are known to be those that were compressed."""
    from vaelib import compress
    from vaelib.commands import folder

    if options.out.suffix != ".npy" and options.out.exists():
        raise ValueError(f"{options.out} is there already: name a new folder, or a .npy file")
    model, settings = folder.load(options.run_folder)
    try:
        x = compress.decompress(model, options.file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{options.file}: {error}") from None
    x = x.reshape(-1, *settings.each)
    if options.out.suffix == ".npy":
        _array(options.out, x, settings.levels)
    else:
        _pictures(options.out, x, model.decode(model.prior.sample()).levels)
    print(f"{options.out}: {len(x):,} images")


def _array(path: Path, x, levels: int | None) -> None:
    import numpy as np

    from vaelib import files

    if levels:
        kind = np.uint8 if levels <= 256 else np.uint16
        x = x.double().mul(levels - 1).round().numpy().astype(kind)
    files.write(path, lambda file: np.save(file, x))


def _pictures(path: Path, x, levels: int) -> None:
    from PIL import Image

    from vaelib import files
    from vaelib.commands.written import tiles

    if 255 % (levels - 1) or x.ndim < 3 or x.shape[1:-2] not in ((), (1,), (3,)):
        raise ValueError(
            f"{levels:,} levels of images of shape {tuple(x.shape[1:])} do not fit into pictures: "
            "write an array, .npy"
        )
    for number, image in enumerate(x):
        picture = Image.fromarray(tiles(image[None], image.shape, 1))
        name = f"{number:0{len(str(len(x) - 1))}}.png"
        files.write(path / name, lambda file, picture=picture: picture.save(file, format="png"))
