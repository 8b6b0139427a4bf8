"""Where numbers are not what they should be: in the data, and on the way to the bound."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.objectives import check_data, elbo
from vaelib.training.rows import Rows
from vaelib.validation import listed, unexamined


@torch.no_grad()
def examined(model, rows: Rows, binarise: bool) -> Rows:
    """The data, every value of which was looked at, so that no step need do it.

    Raises:
        ValueError: a row is no event of p(x|z), or a value is outside the decoder's support, or,
            where pixels are drawn black and white, not in [0, 1].
    """
    p, observed = some_likelihood(model, rows), rows.x.shape[1:]
    if observed != p.event_shape:
        raise ValueError(
            f"{rows.name} must have shape (examples, {listed(p.event_shape)}) for this model, "
            f"got {(len(rows), *observed)}"
        )
    for x in rows.chunks():
        if not binarise:
            check_data(p, x, rows.name)
            continue
        low, high = (float(bound) for bound in x.aminmax())
        if not 0 <= low <= high <= 1:
            raise ValueError(f"grey values must lie in [0, 1], got {low:g} to {high:g}")
    return rows


def some_likelihood(model: nn.Module, rows: Rows) -> Distribution:
    """p(x|z) at one z from the prior, which leaves the random numbers to training."""
    training, gpu = model.training, rows.device.type == "cuda"
    try:
        with torch.random.fork_rng(devices=[rows.device] if gpu else []):
            conditioned = under(model.eval(), rows.conditions(torch.arange(1)))
            return conditioned.decode(conditioned.prior.sample((1,)))
    finally:
        model.train(training)


def under(model, given: Tensor | None):
    """The model under a condition, if there is one."""
    return model if given is None else model.given(given)


@torch.no_grad()
def not_finite(model, x: Tensor) -> Tensor:
    """Which rows have a bound that is not finite; none, if that cannot be told."""
    try:
        with unexamined():
            return ~elbo(model, x, kl="either").isfinite()
    except (RuntimeError, ValueError):
        return torch.zeros(len(x), dtype=torch.bool)


@torch.no_grad()
def first_not_finite(model: nn.Module, x: Tensor, given: Tensor | None = None) -> str:
    """Name the first tensor on the way from the parameters to the bound that is not finite."""
    if spoiled := spoiled_parameter(model):
        return spoiled
    found: list[str] = []
    parts = [(name, part) for name, part in model.named_modules() if name]
    hooks = [part.register_forward_hook(partial(_note, found, name)) for name, part in parts]
    try:
        with unexamined():
            conditioned = under(model, given)
            conditioned.decode(conditioned.encode(x).sample())
    except (RuntimeError, ValueError) as error:  # what is not finite may stop the way there
        found.append(f"what comes before an error ({error})")
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the bound itself, though all that goes into it is finite"


def spoiled_parameter(model: nn.Module) -> str:
    """Name the first parameter that is not finite; empty if all are."""
    spoiled = (name for name, p in model.named_parameters() if not p.isfinite().all())
    return next((f"the parameter {name}" for name in spoiled), "")


def _note(found: list[str], name: str, module, arguments, output) -> None:
    parts = _moments(output) if isinstance(output, Distribution) else {"output": output}
    for part, value in parts.items():
        if isinstance(value, Tensor) and not value.isfinite().all():
            found.append(f"the {part} of {name}")


def _moments(p: Distribution) -> dict[str, Tensor]:
    """Mean and deviation, if p knows them; a density has none where the deviation vanishes."""
    try:
        spread = p.stddev if p.support.is_discrete else p.stddev + p.variance.reciprocal()
        return {"mean": p.mean, "standard deviation": spread}
    except NotImplementedError:
        return {}
