"""``python -m vaelib evaluate``: how good the model of a run folder is."""

import argparse
from functools import partial

from vaelib.commands.arguments import add_run, positive, whole
from vaelib.commands.through import few, scores

ABOUT = "measure the trained model of a run folder on images that it has not seen"

OWN = 1000  # images of a run's own that are judged where nobody says how many


def register(commands) -> None:
    example = "evaluate run --samples 5000 --images 1000"
    parser = add_run(commands, "evaluate", ABOUT, example, evaluate)
    parser.add_argument("--samples", type=positive, default=1000, help="weights for each log p(x)")
    parser.add_argument(
        "--images",
        type=positive,
        help=f"how many at most; {OWN:,} of the run's own, or all of --data",
    )
    parser.add_argument("--seed", type=whole, default=0, help="of black and white pixels and noise")


def evaluate(options: argparse.Namespace) -> None:
    """Print the ELBO and log p(x), each with its two errors, in bits, too, and active units."""
    import torch

    from vaelib.commands import folder, images
    from vaelib.divergence import Estimate
    from vaelib.training.evaluation import ACTIVE, bits_per_dimension

    model, settings = folder.load(options.run_folder)
    shown = images.find_all(options, settings) if options.data else images.find(settings)
    images.say(shown.said if options.data else ())
    count = len(shown.test)
    index = images.evenly(count, options.images or (count if options.data else OWN))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        parts = [
            (scores(model, x, options.samples, settings.widest), model.encode(x).mean)
            for x in few(partial(images.pick, shown.test, settings), index, settings.widest)
        ]
    numbers, codes = map(torch.cat, zip(*parts, strict=True))
    several = len(codes) > 1
    subject = settings.subject
    many = subject.many if several else subject.one
    print(f"{len(codes):,} {many} of {shown.whole.name}, nats {subject.an}")
    for name, columns in (("ELBO", numbers[:, :2]), ("log p(x)", numbers[:, 2:4])):
        mean, over_images, sampling = Estimate(*columns.T).average()
        over = f" ± {over_images:.2f} over {many}," if several else ""
        print(f"{name:12}  {mean:.2f}{over} ± {sampling:.3f} by sampling")
    if hasattr(p := model.decode(codes[0]), "levels"):
        elbo, log_p = bits_per_dimension(numbers[:, [0, 2]].mean(0), p).tolist()
        by = f"by the ELBO, {log_p:.4f} by log p(x), of {p.levels} levels"
        print(f"bits          {elbo:.4f} a dimension {by}")
    if several:
        active = (codes.var(0) > ACTIVE).sum()
        print(f"active units  {active} of {settings.latent} (variance of the mean above {ACTIVE})")
