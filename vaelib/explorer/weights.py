"""The decoder's network as numbers that the browser can compute with."""

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

ACTIVATIONS = {
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.SiLU: "silu",
}
PRECISIONS = {"float16": "<f2", "float32": "<f4"}
CLOSE = 1e-5  # between a mean and what the browser computes, where means are near 0


def pack(decoder: nn.Module, precision: str = "float32") -> tuple[list[dict], bytes]:
    """The layers of a decoder's mean, and their weights as bytes.

    ::

        f(z) = g_n(W_n … g_1(W_1 z + b_1) … + b_n)

    Args:
        decoder: module with a ``network`` of linear layers and pointwise nonlinearities; its mean
            is the network's output or the sigmoid of it.
        precision: ``"float32"``, or ``"float16"`` for half the size and three digits.

    Returns:
        For each layer its ``inputs``, ``outputs`` and ``activation``; and for each layer W row by
        row, then b, in that precision, little-endian.

    Raises:
        ValueError: an unknown precision, or a decoder that is not of this kind.

    >>> from vaelib.models import BernoulliDecoder
    >>> layers, weights = pack(BernoulliDecoder(2, [8], 64))
    >>> [layer["activation"] for layer in layers], len(weights)
    (['tanh', 'sigmoid'], 2400)
    """
    network = whole_network(decoder)
    layers, weights = pack_network(network, precision)
    if _squashes(decoder, network):
        layers[-1]["activation"] = "sigmoid"
    return layers, weights


def pack_network(network: nn.Sequential, precision: str = "float32") -> tuple[list[dict], bytes]:
    """The layers of a network of linear ones, as :func:`pack` gives those of a mean."""
    layers, arrays = [], []
    for module in network:
        if isinstance(module, nn.Linear):
            sizes = {"inputs": module.in_features, "outputs": module.out_features}
            layers.append(sizes | {"activation": "identity"})
            bias = torch.zeros(module.out_features) if module.bias is None else module.bias
            arrays += [module.weight, bias]
        elif type(module) in ACTIVATIONS and layers[-1]["activation"] == "identity":
            layers[-1]["activation"] = ACTIVATIONS[type(module)]
        else:
            raise ValueError(f"the browser cannot compute {module} at this place of a network")
    return layers, b"".join(to_bytes(array, precision) for array in arrays)


@torch.no_grad()
def whole_network(decoder: nn.Module) -> nn.Sequential:
    """A decoder's network, with the units that ``start_at`` has set in its last layer."""
    network = getattr(decoder, "network", None)
    if not isinstance(network, nn.Sequential) or not isinstance(network[0], nn.Linear):
        raise ValueError(f"{type(decoder).__name__} has no network that starts with a linear layer")
    if getattr(decoder, "place", None) is None:
        return network
    network = copy.deepcopy(network)
    last, size = network[-1], decoder.size.expand(decoder.place.shape)
    last.weight.mul_(size[:, None])
    last.bias.mul_(size).add_(decoder.place)
    return network


def to_bytes(array: Tensor, precision: str = "float32") -> bytes:
    """The numbers of a tensor, little-endian."""
    return array.detach().cpu().numpy().astype(_kind(precision)).tobytes()


def from_bytes(raw: bytes, precision: str) -> Tensor:
    """The numbers that :func:`to_bytes` wrote, in float32."""
    return torch.from_numpy(np.frombuffer(raw, _kind(precision)).astype("f4"))


def _kind(precision: str) -> str:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be 'float16' or 'float32', got {precision!r}")
    return PRECISIONS[precision]


@torch.no_grad()
def _squashes(decoder: nn.Module, network: nn.Sequential) -> bool:
    """Whether the mean is the sigmoid of the network's output rather than the output itself."""
    weight = network[0].weight
    z = torch.linspace(-3, 3, 5).to(weight)[:, None].expand(5, weight.shape[1])
    output, mean = network(z), decoder(z).mean
    close = partial(torch.allclose, atol=CLOSE)
    if output.shape == mean.shape:
        if close(mean, output):
            return False
        if isinstance(network[-1], nn.Linear) and close(mean, output.sigmoid()):
            return True
    raise ValueError(
        f"the mean of {type(decoder).__name__} is neither its network's output nor its sigmoid"
    )
