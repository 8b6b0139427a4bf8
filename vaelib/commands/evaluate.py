"""``python -m vaelib evaluate``: how good the model of a run folder is."""

from __future__ import annotations

import argparse
from pathlib import Path

from vaelib.commands import source
from vaelib.commands.arguments import add, positive, whole

ABOUT = "measure the trained model of a run folder on images that it has not seen"

ROUNDS = 16


def register(commands) -> None:
    parser = add(commands, "evaluate", ABOUT, "evaluate run --samples 5000 --images 1000", evaluate)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder")
    source.register(parser.add_argument, None, "other data than the run's, all of it")
    parser.add_argument("--samples", type=positive, default=1000, help="weights for each log p(x)")
    parser.add_argument("--images", type=positive, default=1000, help="how many images at most")
    parser.add_argument("--seed", type=whole, default=0, help="of black and white pixels and noise")


def evaluate(options: argparse.Namespace) -> None:
    """Print the ELBO and log p(x), each with its two errors, and the active units."""
    import torch

    from vaelib import data
    from vaelib.commands import folder, images
    from vaelib.divergence import Estimate
    from vaelib.models import binary
    from vaelib.objectives import elbo, log_evidence
    from vaelib.training.evaluation import ACTIVE, active_units
    from vaelib.training.rows import Rows

    model, settings = folder.load(options.run_folder)
    shown = images.find_all(options.data, settings, options) if options.data else None
    shown = shown or images.again(settings)
    source.say(shown.said if options.data else ())
    count = min(options.images, len(shown.test))
    rows = Rows("test", shown.test.shaped(settings.event), torch.device("cpu"), torch.float32)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        x = rows[torch.linspace(0, len(rows) - 1, count).long()]
        x = data.binarise(x) if binary(settings.likelihood) else x
        bounds = torch.stack([elbo(model, x) for _ in range(ROUNDS)])
        weighed = log_evidence(model, x, options.samples)
        active = active_units(model, x)
    print(f"{count:,} images of {shown.name}, nats an image")
    for name, found in (("ELBO", Estimate.of(bounds)), ("log p(x)", weighed)):
        mean, over_images, sampling = found.average()
        average = f"{name:12}  {mean:.2f} ± {over_images:.2f} over images"
        print(f"{average}, ± {sampling:.3f} by sampling")
    print(f"active units  {active} of {settings.latent} (variance of the mean above {ACTIVE})")
