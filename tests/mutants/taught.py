"""Functions of the library made wrong, each with the chapters that teach it and must notice."""

import ast
import inspect
from textwrap import dedent

from chapters import Run, statements
from vaelib.data import dequantise
from vaelib.divergence import Estimate
from vaelib.gradients import score_function
from vaelib.inference import local_normal
from vaelib.objectives import ELBO, elbo, importance

BASELINE = "(value.sum() - value) / (samples - 1)"
SLIPS = {  # name: function, what stands there, what stands there now, chapters
    "its own draw in the baseline": (
        *(score_function, BASELINE, "value.mean()"),
        ["reparameterization"],
    ),
    "twice the KL": (elbo, "- beta *", "- 2 * beta *", ["elbo", "vae"]),
    "half the error": (Estimate.of.__func__, "** 0.5", "** 0.5 / 2", ["kl_checks"]),
    "no log S": (
        *(importance._log_evidence, "mean = log_sum - math.log(samples)", "mean = log_sum"),
        ["vae", "importance_weighting", "gaps"],
    ),
    "twice the KL reported": (
        *(ELBO.measure, "Terms(reconstruction - kl,", "Terms(reconstruction - 2 * kl,"),
        ["vae"],
    ),
    "free bits turned round": (ELBO._charged, ">= self", "< self", ["latent_space"]),
    "noise on half an interval": (dequantise, "round() + u)", "round() + u / 2)", ["further/vae"]),
    "a search without a step": (local_normal, "optimizer.step()", "pass", ["gaps"]),
}
PAIRS = [(slip, chapter) for slip, (*_, chapters) in SLIPS.items() for chapter in chapters]


def spoil(slip):
    """Make a function wrong, wherever it was imported."""
    function, old, new, _ = SLIPS[slip]
    source = dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise ValueError(f"{old!r} stands {source.count(old)} times in {function.__name__}")
    (tree,) = ast.parse(source.replace(old, new)).body
    tree.decorator_list = []
    space = dict(function.__globals__)
    exec(compile(ast.Module([tree], []), function.__name__, "exec"), space)
    function.__code__ = space[function.__name__].__code__


def ended(slip, chapter):
    """Run a chapter with a function made wrong; say how it ended."""
    body = [ast.unparse(s) for s in statements(chapter)]
    return Run().aside(["import taught", f"taught.spoil({slip!r})", *body])[0]
