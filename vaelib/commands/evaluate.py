"""``python -m vaelib evaluate``: how good the model of a run folder is."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import add_run, data_options, positive, whole

ABOUT = "measure the trained model of a run folder on images that it has not seen"

ROUNDS = 16


def register(commands) -> None:
    example = "evaluate run --samples 5000 --images 1000"
    parser = add_run(commands, "evaluate", ABOUT, example, evaluate)
    data_options(parser.add_argument, None, "other data than the run's, all of it")
    parser.add_argument("--samples", type=positive, default=1000, help="weights for each log p(x)")
    parser.add_argument("--images", type=positive, default=1000, help="how many images at most")
    parser.add_argument("--seed", type=whole, default=0, help="of black and white pixels and noise")


def evaluate(options: argparse.Namespace) -> None:
    """Print the ELBO and log p(x), each with its two errors, and the active units."""
    import torch

    from vaelib.commands import folder, images
    from vaelib.divergence import Estimate
    from vaelib.objectives import elbo, log_evidence
    from vaelib.training.evaluation import ACTIVE, active_units

    model, settings = folder.load(options.run_folder)
    shown = images.find_all(options, settings) if options.data else images.find(settings)
    images.say(shown.said if options.data else ())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        x = images.pick(shown.test, settings, images.evenly(len(shown.test), options.images))
        bounds = torch.stack([elbo(model, x) for _ in range(ROUNDS)])
        weighed = log_evidence(model, x, options.samples)
        active = active_units(model, x) if len(x) > 1 else None
    print(f"{len(x):,} image{'s' * (len(x) > 1)} of {shown.whole.name}, nats an image")
    for name, found in (("ELBO", Estimate.of(bounds)), ("log p(x)", weighed)):
        mean, over_images, sampling = found.average()
        over = f" ± {over_images:.2f} over images," if len(x) > 1 else ""
        print(f"{name:12}  {mean:.2f}{over} ± {sampling:.3f} by sampling")
    if active is not None:
        print(f"active units  {active} of {settings.latent} (variance of the mean above {ACTIVE})")
