"""How a whole model uses its second head: told from the gradients of what it draws."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from vaelib.audit.heads import READINGS
from vaelib.audit.probe import Probe, added, entries, gradients_to, trained

DRAWS = 400


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


def find_sampler(module: nn.Module, x: Tensor, outputs: tuple[str, ...], probe: Probe) -> Sampler:
    """Tell how ``module(x)`` samples, and where the gradients of its loss do not reach.

    With z = μ + σ(h) ε, the gradients of anything behind z are dz to μ, and dz · σ'(h) ε to h.
    Their quotient is σ'(h) ε: a normal number, whose spread over draws is σ'(h).

    Raises:
        ValueError: the module does not return what ``outputs`` names.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copied = spread(copy.deepcopy(module).double(), x.double(), outputs)
        drawn = [_quotients(copied, x.double(), outputs) for _ in range(DRAWS)]
        own = copy.deepcopy(module)
        x_hat, again = (by_role(own(x), outputs)["x_hat"] for _ in range(2))
        unreached = _unreached(copy.deepcopy(module), x, outputs, probe)
    draws, readings = not torch.equal(x_hat, again), None
    if draws and drawn[0] is not None:
        noise, h = (torch.stack(part) for part in zip(*drawn, strict=True))
        readings = tuple(r for r, head in READINGS.items() if explains(noise, h, head.slope(h)))
    probabilities = bool(((x_hat >= 0) & (x_hat <= 1)).all())
    return Sampler(readings, draws, probabilities, unreached)


def by_role(result, outputs: tuple[str, ...]) -> dict[str, Tensor]:
    """What a model returns, by role."""
    values = [*result.values()] if isinstance(result, dict) else result
    if not isinstance(values, tuple | list) or len(values) != len(outputs):
        raise ValueError(f"the module must return {', '.join(outputs)}; tell outputs=(…)")
    return dict(zip(outputs, values, strict=True))


def spread(module: nn.Module, x: Tensor, outputs: tuple[str, ...]) -> nn.Module:
    """The same with other weights, so that the second head takes values on both sides of zero.

    Where all of them are well below zero, log σ and a softplus cannot be told apart. A head that
    is σ itself stays above zero: then those weights are taken that bring it nearest.
    """
    best, widest = module, -torch.inf
    for scale, share in product((1.0, 2.0, 4.0), (0.0, 0.25, 0.5, 0.75, 1.0)):
        mixed = copy.deepcopy(module)
        with torch.no_grad():
            for parameter in mixed.parameters():
                other = parameter.std(correction=0) * torch.randn_like(parameter)
                parameter.copy_(scale * ((1 - share) * parameter + share * other))
            h = by_role(mixed(x), outputs)["logvar"].flatten()
        width = float(torch.minimum(-h.quantile(0.2), h.quantile(0.8)))
        if width > widest and h.abs().max() < 20:
            best, widest = mixed, width
        if widest > 0.5:
            break
    return best


def _quotients(module: nn.Module, x: Tensor, outputs: tuple[str, ...]):
    """σ'(h) ε of one draw, and h; None where the heads do not lie on the way to x̂."""
    found = by_role(module(x), outputs)
    mu, h = found["mu"], found["logvar"]
    if not (mu.requires_grad and h.requires_grad):
        return None
    grads = gradients_to(found["x_hat"].square().sum(), {"mu": mu, "h": h})
    if grads["mu"] is None or grads["h"] is None:
        return None
    return grads["h"] / grads["mu"].where(grads["mu"] != 0, torch.nan), h.detach()


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


def _unreached(module: nn.Module, x: Tensor, outputs: tuple, probe: Probe) -> tuple[str, ...]:
    """The parameters that would be trained, and get no gradient; none named if it does not run."""
    found = by_role(module(x), outputs) | {"x": x}
    if not set(probe.roles) <= set(found):
        return ()
    try:
        y = entries(probe.binding.call(probe.loss, {r: found[r] for r in probe.roles}))
        y = added(y, probe.entry).sum()
    except Exception:
        return ()
    return tuple(name for name, grad in gradients_to(y, trained(module)).items() if grad is None)
