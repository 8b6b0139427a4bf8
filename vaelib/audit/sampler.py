"""How a whole model uses its second head: told from the gradients of what it draws."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from vaelib.audit.binding import read
from vaelib.audit.heads import READINGS, Reading
from vaelib.audit.probe import (
    Probe,
    Unreadable,
    added,
    entries,
    gradients_to,
    named_values,
    trained,
)

OUTPUTS = ("x_hat", "mu", "logvar")
FEW = 16  # images for the draws; a large model takes long for each
DRAWS, ENOUGH = 400, 20_000
AHEAD = 10  # nats: a reading that is e¹⁰ times less likely than the best is none


@dataclass(frozen=True)
class Sampler:
    """What a model does with the heads of its encoder.

    Attributes:
        readings: every reading of the second head that its draws fit; None where x̂ does not come
            from the heads that are returned, so that it cannot be told.
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

    With z = μ + σ(h) ε, the gradients of anything behind z are dz to μ, and dz · σ'(h) ε to h.
    Their quotient is σ'(h) ε: a normal number, whose spread over draws is σ'(h).

    ``own`` is how the loss reads the second head.

    Raises:
        ValueError: the module does not run, or does not return what ``outputs`` names.
    """
    x = x.float()
    few = x[:: -(-len(x) // FEW)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copied = copy.deepcopy(module).float()
        x_hat, again = (call(copied, x, outputs)["x_hat"].detach() for _ in range(2))
        draws, readings = not torch.equal(x_hat, again), None
        if draws:
            known = READINGS | {own.name: own}
            readings = _readings(spread(module, few, outputs), few, outputs, known)
        unreached = _unreached(copy.deepcopy(module).float(), few, outputs, probe)
    probabilities = bool(((x_hat >= 0) & (x_hat <= 1)).all())
    return Sampler(readings, draws, probabilities, unreached)


def spread(module: nn.Module, x: Tensor, outputs: tuple[str, ...] | None) -> nn.Module:
    """The same with other weights, so that the second head takes values on both sides of zero.

    Where all of them are well below zero, log σ and a softplus cannot be told apart. A head that
    is σ itself stays above zero: then those weights are taken that bring it nearest.
    """
    best, widest = copy.deepcopy(module).float(), -torch.inf
    for scale, share in product((1.0, 2.0, 4.0), (0.0, 0.25, 0.5, 0.75, 1.0)):
        mixed = copy.deepcopy(module).float()
        with torch.no_grad():
            for parameter in mixed.parameters():
                other = parameter.std(correction=0) * torch.randn_like(parameter)
                parameter.copy_(scale * ((1 - share) * parameter + share * other))
            h = call(mixed, x, outputs)["logvar"].flatten()
        width = float(torch.minimum(-h.quantile(0.2), h.quantile(0.8)))
        if width > widest and h.abs().max() < 20:
            best, widest = mixed, width
        if widest > 0.5:
            break
    return best


def _readings(
    module: nn.Module, x: Tensor, outputs, known: dict[str, Reading]
) -> tuple[str, ...] | None:
    """Those that explain the noise of as many draws as it takes."""
    from tqdm.auto import tqdm

    noise, h = torch.empty(0), torch.empty(0)
    for _ in tqdm(range(DRAWS), "drawing", leave=False, delay=2):
        drawn = _quotients(module, x, outputs)
        if drawn is None:
            return None
        noise, h = (torch.cat(pair).double() for pair in zip((noise, h), drawn, strict=True))
        if len(h) >= ENOUGH:
            break
    slopes = {name: head.slope(h) for name, head in known.items()}
    nats = {n: -(0.5 * (noise / s).square() + s.log()).sum() for n, s in slopes.items()}
    least = max(value for value in nats.values() if value.isfinite()) - AHEAD
    return tuple(n for n, s in slopes.items() if nats[n] > least and explains(noise, h, s))


def _quotients(module: nn.Module, x: Tensor, outputs):
    """σ'(h) ε of one draw, and h; None where the heads do not lie on the way to x̂."""
    found = call(module, x, outputs)
    heads = {role: found[role] for role in ("mu", "logvar") if found[role].requires_grad}
    y = found["x_hat"] * torch.randn_like(found["x_hat"])
    by_mu, by_h = map(gradients_to(y.sum(), heads).get, ("mu", "logvar"))
    if by_mu is None or by_h is None:
        return None
    noise = (by_h / by_mu).flatten()
    told = noise.isfinite() & (noise != 0)  # behind a clamp there is nothing to see
    return noise[told], found["logvar"].detach().flatten()[told]


def explains(noise: Tensor, h: Tensor, slope: Tensor) -> bool:
    """Whether noise / slope is standard normal, for small, middle and large h alike."""
    squares = (noise / slope).flatten().square()
    for part in h.flatten().argsort().chunk(3):
        chosen = squares[part][squares[part].isfinite()]
        if len(chosen) < 100:
            return False
        error = (2 / len(chosen)) ** 0.5
        if abs(chosen.mean() - 1) > max(6 * error, 0.02):
            return False
    return True


def _unreached(module: nn.Module, x: Tensor, outputs, probe: Probe) -> tuple[str, ...]:
    """The parameters that would be trained, and get no gradient; none named if it does not run."""
    found = call(module, x, outputs) | {"x": x}
    with suppress(Exception):
        given = {role: found[role] for role in probe.roles}
        y = added(entries(probe.binding.call(probe.loss, given)), probe.entry).sum()
        return tuple(name for name, g in gradients_to(y, trained(module)).items() if g is None)
    return ()


def call(module: Callable, x: Tensor, outputs: tuple[str, ...] | None) -> dict[str, Tensor]:
    """What a model returns for images, or for a mapping that holds them, by role."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return by_role(module(x), outputs)
        except Exception as error:
            with suppress(Exception):
                return by_role(module(defaultdict(lambda: x, x=x)), outputs)
            if isinstance(error, Unreadable):
                raise
            raise ValueError(f"the module ran on no images of {(*x.shape,)}: {error!r}") from error


def by_role(result, outputs: tuple[str, ...] | None) -> dict[str, Tensor]:
    """What a model returns, by role: by its names if it has any and no order is told."""
    named, found = named_values(result), {}
    names, values = outputs or OUTPUTS, [*named.values()] or [*_flat(result)]
    if named and not outputs:
        ways = [way for way, _, _ in read([*named])]
        if len({tuple(map(way.get, OUTPUTS)) for way in ways}) == 1:
            found = {role: named[name] for role, name in ways[0].items()}
    elif len(names) == len(values):
        found = dict(zip(names, values, strict=True))
    if not all(isinstance(found.get(role), Tensor) for role in OUTPUTS):
        raise Unreadable(
            f"the module must return {', '.join(names)}, and returns "
            f"{', '.join(map(str, named)) or f'{len(values)} values'}: tell all in their order, "
            "such as audit(loss, outputs=('x_hat', 'x', 'mu', 'logvar'))"
        )
    return found


def _flat(result) -> Iterator:
    for part in result if isinstance(result, tuple | list) else ():
        yield from _flat(part) if isinstance(part, tuple | list) else (part,)
