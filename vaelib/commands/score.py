"""``python -m vaelib score``: how likely each image is."""

from __future__ import annotations

import argparse

from vaelib.commands.arguments import positive
from vaelib.commands.source import add_images

ABOUT = "write how likely each image is to the model, in nats: the unlikely ones are odd"
HEAD = ("elbo", "elbo_error", "log_p", "log_p_error", "reconstruction")
ROUNDS, CHUNK = 16, 2**20


def register(commands) -> None:
    example = "score run --data images.npy --out scores.csv"
    parser = add_images(commands, "score", ABOUT, example, score, ".csv", ".npy")
    parser.add_argument("--samples", type=positive, default=100, help="weights for each log p(x)")


def score(options: argparse.Namespace) -> None:
    """Write the ELBO, log p(x), both with the error of sampling, and the reconstruction term."""
    from vaelib.commands.stream import Stream

    stream, least = Stream(options), []
    names = iter(stream.source.names)

    def scores():
        for x in stream.batches():
            found = _scores(stream.model, x, options.samples)
            least.extend(zip(found[:, 2].tolist(), names, strict=False))
            least[:] = sorted(least)[:3]
            yield found

    stream.write(options.out, scores(), (len(HEAD),), HEAD)
    odd = ", ".join(f"{name} ({value:.1f})" for value, name in least)
    print(f"{options.out}: scores of {len(stream):,} images, {stream.source.name}; least: {odd}")


def _scores(model, x, samples: int):
    import torch

    from vaelib.divergence import Estimate
    from vaelib.objectives import ELBO, log_evidence

    terms = [ELBO().measure(model, x, 1.0, None)[1] for _ in range(ROUNDS)]
    elbo = Estimate.of(torch.stack([t.elbo for t in terms]))
    reconstruction = torch.stack([t.reconstruction for t in terms]).mean(0)
    evidence = log_evidence(model, x, samples, max(1, CHUNK // x[0].numel()))
    return torch.stack([*elbo, *evidence, reconstruction], 1)
