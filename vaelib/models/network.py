"""The networks inside the modules: what they take, whatever stands before it."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import softshrink, tanhshrink

from vaelib.validation import check_counts, check_event

SMALLEST = 8  # pixels along a side of an image that convolutions take
WIDEST = 10.0  # up to here log sigma is what a network says


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Linear layers with a nonlinearity between them, none after the last.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: fewer than two sizes, or one that is not a positive whole number.

    >>> len(mlp([64, 32, 2]))
    3
    """
    if len(sizes) < 2:
        raise ValueError(f"a network needs an input and an output size, got {list(sizes)}")
    check_counts(**{f"sizes[{i}]": n for i, n in enumerate(sizes)})
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


class Started(nn.Module):
    """A network from x or to x; once started, in units of ``size`` around a ``place``."""

    def __init__(self, network: nn.Sequential, observed: int | Sequence[int]) -> None:
        super().__init__()
        self.network, self.event = network, event(observed)
        self.register_buffer("place", None)
        self.register_buffer("size", None)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Begin near the best p(x|z) that ignores z, and the q(z|x) near N(0, I).

        ::

            b = mean of x,    sigma² = mean of (x − b)²    (eq-best-sigma)

        An encoder sees (x − b) / sigma from now on, a normal decoder gives b + sigma times its
        network, others begin at b in their own terms. The last layer becomes a tenth of itself.

        Args:
            x: some of the data, shape ``(examples, *observed)``.
        """
        check_event("x", x, self.event)
        start = self.best(x.reshape(-1, *self.event).to(next(self.parameters())))
        if start is not None:
            self.place, self.size = start
            for parameter in self.network[-1].parameters():
                parameter.mul_(0.1)

    def best(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """The place and the size that are best for all of x alike, if they can be told."""
        mean = x.mean(0)
        spread = (x - mean).square().mean().sqrt()
        return mean, spread.clamp(min=math.exp(-WIDEST))

    def _load_from_state_dict(self, state: dict, prefix: str, *how) -> None:
        for name in ("place", "size"):
            there = state.get(prefix + name)
            setattr(self, name, None if there is None else torch.empty_like(there))
        super()._load_from_state_dict(state, prefix, *how)


class Layers(nn.Sequential):
    """Layers that take one batch dimension, for events with any number of them in front."""

    def __init__(self, *layers: nn.Module, event: Sequence[int]) -> None:
        super().__init__(*layers)
        self.event = Size(event)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[: x.ndim - len(self.event)]
        y = super().forward(x.reshape(batch.numel(), *self.event))
        return y.reshape(*batch, *y.shape[1:])


def inward(
    observed: int | Sequence[int], hidden: Sequence[int], outputs: int, activation: type[nn.Module]
) -> nn.Sequential:
    """From x to some numbers: linear layers, or, for the shape of an image, convolutions."""
    if isinstance(observed, int):
        return mlp([observed, *hidden, outputs], activation)
    smallest = _sides(observed, hidden)[-1]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([observed[0], *hidden]):
        layers += [_begun(nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), 16 * n_in), activation()]
    features = [*observed[:1], *hidden][-1] * smallest.numel()
    last = _begun(nn.Linear(features, outputs), features)
    return Layers(*layers, nn.Flatten(), last, event=observed)


def outward(
    latent: int, hidden: Sequence[int], channels: int, observed, activation: type[nn.Module]
) -> nn.Sequential:
    """From z to some numbers for each pixel, in as many channels: the way of inward back."""
    if isinstance(observed, int):
        return mlp([latent, *hidden, channels], activation)
    *sides, smallest = _sides(observed, hidden[::-1])
    first = [*hidden, channels][0]
    layers: list[nn.Module] = [_begun(nn.Linear(latent, first * smallest.numel()), latent)]
    layers.append(nn.Unflatten(1, (first, *smallest)))
    for n_in, n_out in pairwise([*hidden, channels]):
        odd = tuple(n % 2 for n in sides.pop())
        up = nn.ConvTranspose2d(n_in, n_out, 4, 2, padding=1, output_padding=odd)
        layers += [activation(), _begun(up, 4 * n_in)]
    return Layers(*layers, event=(latent,))


def _begun(layer: nn.Module, inputs: int) -> nn.Module:
    """Weights as large as keep the signal through many layers (He et al., 2015, equation 10)."""
    reach = math.sqrt(6 / inputs)
    nn.init.uniform_(layer.weight, -reach, reach)
    nn.init.zeros_(layer.bias)
    return layer


def channels(shape: Sequence[int]) -> list[int]:
    """Channels of convolutions for images of a shape, halved while no side falls below 4.

    >>> channels((1, 8, 100)), channels((3, 178, 218))
    ([32], [32, 64, 64, 64, 64])
    """
    halvings = sum(min(side) >= SMALLEST // 2 for side in _halved(shape)[1:])
    return [32, *[64] * (halvings - 1)]


def event(observed: int | Sequence[int]) -> Size:
    """The shape of an event, given as it is or by its length."""
    return Size([observed] if isinstance(observed, int) else observed)


def deviation(log_sigma: Tensor) -> Tensor:
    """sigma from its logarithm, which is kept from where float32 has no sigma² or no 1 / sigma².

    ::

        sigma = exp(log_sigma − e + tanh(e))

    where e is what log_sigma has beyond ±10. Where trained models live, between 5e-5 and 22,000, e
    is 0, and sigma is exp(log_sigma) to the last bit. Beyond, sigma stays within exp(±11), with a
    slope that soon vanishes.
    """
    return bounded(log_sigma).exp()


def bounded(log_sigma: Tensor) -> Tensor:
    """The logarithm of :func:`deviation`."""
    return log_sigma - tanhshrink(softshrink(log_sigma, WIDEST))


def _sides(shape: Sequence[int], hidden: Sequence[int]) -> list[Size]:
    """Height and width before each halving, and after the last."""
    if len(shape) != 3 or min(shape[1:]) < SMALLEST:
        raise ValueError(
            f"convolutions take images (channels, height, width) from {SMALLEST} x {SMALLEST} "
            f"pixels, got {tuple(shape)}"
        )
    check_counts(**{f"hidden[{i}]": n for i, n in enumerate(hidden)}, channels=shape[0])
    sides = _halved(shape)[: len(hidden) + 1]
    if len(sides) <= len(hidden):
        raise ValueError(f"{tuple(shape)} can be halved {len(sides) - 1} times, not {len(hidden)}")
    return sides


def _halved(shape: Sequence[int]) -> list[Size]:
    """The sides of an image, halved again and again as long as a pixel is left."""
    sides = [Size(shape[1:])]
    while min(half := Size(n // 2 for n in sides[-1])):
        sides.append(half)
    return sides
