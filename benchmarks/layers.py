"""Which layer takes the time: each one alone, forward and backward, on what it gets in a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks import limits
from benchmarks.setting import Setting
from benchmarks.turns import Entry, interleave


def measure(s: Setting, x: Tensor, device: str, rounds: int, target: float) -> list[dict]:
    """The median seconds of each layer, and its share of all of them."""
    x = s.rows(x[: s.batch]).to(device)
    networks = [network.to(device) for network in s.networks()]
    z = torch.randn(s.batch, s.latent, device=device, requires_grad=True)
    entries = [
        Entry(f"{name}, {layer}", run)
        for name, network, given in zip(("encoder", "decoder"), networks, (x, z), strict=True)
        for layer, run in _alone(network, given)
    ]
    interleave([e.warm_up(device, target) for e in entries], device, rounds)
    whole = sum(e.median for e in entries)
    return [{"layer": e.name, "seconds": e.median, "share": e.median / whole} for e in entries]


def _alone(network: nn.Module, x: Tensor):
    """The name of each layer, and both its passes, to run so many times."""
    found: list[tuple[nn.Module, Tensor]] = []
    layers = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [la.register_forward_hook(lambda la, i, y: found.append((la, i[0]))) for la in layers]
    network(x)
    for hook in hooks:
        hook.remove()
    for layer, inputs in found:
        yield (
            _named(layer, inputs),
            _passes(layer, inputs.detach().requires_grad_(inputs.requires_grad)),
        )


def _passes(layer: nn.Module, inputs: Tensor):
    slope = torch.ones_like(layer(inputs))
    wanted = [t for t in (inputs, *layer.parameters()) if t.requires_grad]

    def run(times: int) -> None:
        with limits.route(limits.float32_route(inputs.device.type)):
            for _ in range(times):
                for tensor in wanted:
                    tensor.grad = None
                y = layer(inputs)
                if wanted:
                    y.backward(slope)

    return run


def _named(layer: nn.Module, inputs: Tensor) -> str:
    sizes = ("×".join(map(str, x.shape[1:])) for x in (inputs, layer(inputs)))
    return f"{type(layer).__name__}, {' → '.join(sizes)}"
