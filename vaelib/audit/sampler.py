"""What is made of samples of z: by a whole model of one, by a loss of several."""

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import log

import torch
from torch import Tensor, nn

from vaelib.audit.binding import read
from vaelib.audit.heads import READINGS, Reading
from vaelib.audit.probe import Noise, Probe, Unreadable, gradients_to, parts
from vaelib.audit.shapes import Case
from vaelib.audit.terms import SAMPLED, fit
from vaelib.audit.value import Parts, Value

OUTPUTS = ("x_hat", "mu", "logvar")
SCALES = (1, 4, 16, 64)  # of images, so that h is on both sides of 0: below, a softplus is as e^h
NEAR, FAR = 1e-9, 8  # heads beyond which a reading, or what is decoded, has no gradient
FEW = 16  # images

UNKNOWN = "function of the samples that has no name"
CLOSED = "log of the mean of p(x|z), beside a KL in closed form: that may lie above log p(x)"
WEIGHTED, MEAN, SUM = "importance-weighted bound", "mean over samples", "sum over samples"
OWN = "log w averaged by its own weights"
BUT_FOR_LOG_K, MIXED = f"{WEIGHTED}, but for log K", f"{WEIGHTED}, mixed with the {MEAN}"
RIGHT = (None, WEIGHTED, BUT_FOR_LOG_K, MIXED, MEAN)
# of log w, shape (samples, batch)
WAYS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda w: w.logsumexp(0), lambda w: w.mean(0), lambda w: (w.softmax(0) * w).sum(0),
)  # fmt: skip


@dataclass(frozen=True)
class Sampler:
    """What a model does with the heads of its encoder.

    Attributes:
        readings: every reading of the second head that its draws fit; None where x̂ does not come
            from the heads that are returned by normal noise, so that it cannot be told.
        draws: whether x̂ differs from call to call.
        probabilities: whether all of its x̂ lie in [0, 1].
        unreached: the names of parameters without a gradient from the loss.
    """

    readings: tuple[str, ...] | None
    draws: bool
    probabilities: bool
    unreached: tuple[str, ...] = ()

    def agrees(self, reading: str | None) -> bool:
        """Whether it may draw with the second head as a loss reads it."""
        return self.readings is None or reading in (None, *self.readings)


def find_sampler(
    module: nn.Module, x: Tensor, outputs: tuple | None, probe: Probe, own: Reading
) -> Sampler:
    """Tell how ``module(x)`` samples, and where the gradients of its loss do not reach.

    ``own`` is how the loss reads the second head. ValueError where the module does not run, or
    does not return what ``outputs`` names.
    """
    module, x, readings = copy.deepcopy(module).float(), x.float(), None
    run = partial(call, module, outputs=outputs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x_hat, again = (run(x)["x_hat"].detach() for _ in range(2))
        if draws := not torch.equal(x_hat, again):
            bright = torch.cat([scale * x[:FEW] for scale in SCALES])
            readings = find_readings(run, bright, READINGS | {own.name: own})
        found, unreached = run(x[:FEW]) | {"x": x[:FEW]}, ()
        with suppress(Exception):  # the loss does not run on them
            y = probe.output({role: found[role] for role in probe.roles}).sum()
            felt = gradients_to(y, dict(module.named_parameters()))
            unreached = tuple(name for name, grad in felt.items() if grad is None)
    return Sampler(readings, draws, bool(((x_hat >= 0) & (x_hat <= 1)).all()), unreached)


def find_readings(run: Callable, x: Tensor, known: dict[str, Reading]) -> tuple[str, ...] | None:
    """Those that fit, by the gradients with all noise held at 1.

    With z = μ + σ(h) ε, the gradients of anything behind z are dz to μ, and dz · σ'(h) ε to h.
    """
    quotients = []
    for number in (1.0, 2.0):
        torch.manual_seed(0)
        with Noise(number):
            found = run(x)
        y = (found["x_hat"] * torch.randn_like(found["x_hat"])).sum()
        heads = {role: found[role] for role in ("mu", "logvar")}
        by_mu, by_h = map(gradients_to(y, heads).get, heads)
        if by_mu is None or by_h is None:
            return None
        quotients.append((by_h / by_mu).abs().double())
    (one, two), h = quotients, found["logvar"].detach().double()
    told = (one > 0) & one.isfinite() & two.isfinite()  # 0 behind a clamp
    told &= (h.abs() > NEAR) & (h.abs() < FAR)
    if not mostly(two[told], 2 * one[told]):  # it is not this noise
        return None
    return tuple(name for name in known if mostly(one[told], known[name].slope(h[told])))


def mostly(some: Tensor, others: Tensor) -> bool:
    """Whether nearly all are the same, but for rounding."""
    return bool(torch.isclose(some, others, rtol=1e-2, atol=0).double().mean() > 0.95)


def call(module: nn.Module, x: Tensor, outputs: tuple[str, ...] | None) -> dict[str, Tensor]:
    """What a model returns for images, or for a mapping that holds them, by role."""
    raised = None
    for given in (x, defaultdict(lambda: x, x=x)):
        try:
            with warnings.catch_warnings(action="ignore"):
                result = module(given)
        except Exception as error:
            raised = raised or error
        else:
            return by_role(result, outputs)
    raise ValueError(f"the module ran on no images of {(*x.shape,)}: {raised!r}") from raised


def by_role(result, outputs: tuple[str, ...] | None) -> dict[str, Tensor]:
    """What a model returns, by role: by its names if it has any and no order is told."""
    given, order, ways = parts(result), outputs or OUTPUTS, [{}]
    named = [name for name in given if isinstance(name, str)]
    if named and not outputs:
        ways = read(named)
    elif len(given) == len(order):
        ways = [dict(zip(order, given, strict=True))]
    found = {role: given[name] for role, name in ways[0].items()}
    clear = len({tuple(map(way.get, OUTPUTS)) for way in ways}) == 1
    if not (clear and all(isinstance(found.get(role), Tensor) for role in OUTPUTS)):
        raise Unreadable(
            f"the module must return {', '.join(order)}, and returns "
            f"{', '.join(named) or f'{len(given)} values'}: tell all in their order, "
            "such as audit(loss, outputs=('x_hat', 'x', 'mu', 'logvar'))"
        )
    return found


def find_together(parts: Parts, v: Value) -> str:
    """What is made of log w, from the shares of WAYS in the gradient; UNKNOWN if it has no name."""
    probe, several, scale = parts.probe, parts.case.layout.several, v.scale.at(parts.case.sizes())
    case = replace(parts.case, samples=several)
    inputs = case.draw(probe.roles)

    def of_images(i: dict[str, Tensor], way: Callable) -> Tensor:
        return -scale * way(_log_weights(parts, case, i) / scale).sum()

    formulas = [(partial(of_images, way=way), ("x_hat", "z", "mu", "logvar")) for way in WAYS]
    found = fit(probe, [inputs], formulas, one=True)
    if found.residual > 10 * probe.tolerance:
        return UNKNOWN
    weighted, mean, own = shares = tuple(round(float(c), 3) for c in found.mean)
    if weighted and not own and parts.divergence.form != SAMPLED:
        return CLOSED
    if weighted + mean == 1 and min(weighted, mean) > 0 and not own:
        return MIXED
    one = parts.case.draw(probe.roles)
    often = replace(probe, layout=replace(case.layout, alone=True))  # the same sample K times
    more = (probe(one) - often(one)) / scale / case.batch
    if shares == (1, 0, 0) and abs(more - log(several)) < 1e-3:
        return BUT_FOR_LOG_K
    names = {(1, 0, 0): WEIGHTED, (0, 1, 0): MEAN, (0, several, 0): SUM, (0, 0, 1): OWN}
    return names.get(shares, UNKNOWN)


def _log_weights(parts: Parts, case: Case, inputs: dict[str, Tensor]) -> Tensor:
    """Log w of each sample and image, but for scale and constants; shape (samples, batch)."""
    of, one = case.layout, replace(case, samples=1, batch=1)

    def chosen(role: str, value: Tensor, sample: int, image: int) -> Tensor:
        value = value.select(of.samples, sample) if of.sampled(role) else value
        return (value[image] if value.dim() else value).reshape(one.shape(role))

    pairs = product(range(case.samples), range(case.batch))
    chosen_of = ({r: chosen(r, t, *pair) for r, t in inputs.items()} for pair in pairs)
    found = [-parts.terms(each).sum() for each in chosen_of]
    return torch.stack(found).reshape(case.samples, case.batch)
