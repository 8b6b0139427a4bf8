"""One curve of a figure: train as the paper does, and measure on the way."""

import json
import math
import time
from pathlib import Path

import torch

from vaelib import files
from vaelib.experiments.figures import Figure
from vaelib.experiments.learners import chosen


def learning_curve(figure: Figure, s: dict, keep: Path) -> dict:
    """Make a run with all settings of a figure, or go on with one from its checkpoint.

    A step size of 0 means the paper's choice, see :func:`vaelib.experiments.learners.chosen`.
    Returned are step size, seconds of training, and points: images seen, then what the figure
    measures on training and on test images; and what it notes at the end.
    """
    beside = keep.with_suffix(".json")
    x, judged = figure.images(s, figure.judged)
    if beside.exists():
        done = json.loads(beside.read_text("utf8"))
    else:
        step_size = s["step_size"] or chosen(figure.learner, s, x, figure.step_sizes)
        done = {"points": [], "step_size": step_size, "seconds": 0.0}
    one = figure.learner(s, x, done["step_size"], keep)
    for epochs in schedule(s["samples"], len(x), figure)[len(done["points"]) :]:
        begin = time.monotonic()
        one.until(epochs)
        done["seconds"] = round(done["seconds"] + time.monotonic() - begin, 1)
        measured = [figure.measure(one.model, part) for part in judged]
        done["points"].append([epochs * len(x), *(round(v, 3) for m in measured for v in m)])
        files.write_json(beside, done)
    return done | figure.at_the_end(one.model, judged[1])


def schedule(samples: float, images: int, figure: Figure) -> list[int]:
    """The epochs after which there is a point, about evenly spread on a log axis."""
    last = math.log10(max(1, round(samples / images)))
    first = min(last, math.log10(max(1, round(figure.first / images))))
    count = max(2, round(figure.per_decade * (last - first)) + 1)
    return sorted({round(10 ** float(e)) for e in torch.linspace(first, last, count).double()})
