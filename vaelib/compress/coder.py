"""A model's distributions over levels of pixels and bins of latents, on a stack of bits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from vaelib.compress.stack import Bins, Stack, cost, levels, normal
from vaelib.objectives import check_data

MOST, HELD = 64, 2**20  # images that are coded together; numbers held for them


class Coder:
    """Pushes images as levels k onto a stack, with the bins j of their latents, and pops them."""

    def __init__(self, model: nn.Module, bins: int) -> None:
        self.model, self.bins, prior = model, Bins(bins), model.prior
        mu, sigma = (base := normal(prior, "p(z)")).loc, base.scale
        if mu.device.type != "cpu":
            raise ValueError(f"the model must be on the processor, got {mu.device}: model.cpu()")
        if (mu != 0).any() or (sigma != 1).any():
            raise ValueError("bits-back coding needs the prior N(0, I), got another normal one")
        self.p = p = model.decode(mu.unsqueeze(0))
        if not hasattr(p, "levels"):
            raise ValueError(
                "bits-back coding needs p(x given z) over levels, such as a Bernoulli's two, "
                f"got {type(p).__name__}"
            )
        self.latent, self.latents, self.dtype = mu.shape, mu.numel(), mu.dtype
        self.event, self.levels = p.event_shape, p.levels

    def most(self) -> int:
        """How many images are coded together where nobody says it."""
        numbers = max(self.event.numel() * self.levels, self.latents * self.bins.count)
        return min(MOST, max(1, HELD // numbers))

    def whole(self, x: Tensor) -> Tensor:
        """Images as levels, whole numbers from 0."""
        check_data(self.p, x)
        if x.ndim != len(self.event) + 1 or not len(x):
            raise ValueError(f"x must hold images in one batch, got shape {tuple(x.shape)}")
        return (x.double() * (self.levels - 1)).round().long()

    def values(self, k: Tensor) -> Tensor:
        """Levels as the model takes them, k / (levels − 1)."""
        return k.to(self.dtype) / (self.levels - 1)

    def posterior(self, k: Tensor) -> Tensor:
        """Weights of the bins under q(z|x)."""
        return self.bins.weights(normal(self.model.encode(self.values(k)), "q(z given x)"))

    def push(self, stack, k: Tensor, q: Tensor) -> Tensor:
        """Put images on the stack, whose ``posterior`` is q; the bits that each adds to it."""
        j = stack.pop(q)
        pixels = self._likelihood(j).conditional(self.values(k))
        added = self.latents * math.log2(self.bins.count) - _each(cost(q, j))
        for part in reversed(self._rounds()):
            weights = levels(pixels[part])
            stack.push(k[part], weights)
            added += _each(cost(weights, k[part]))
        stack.push(j, self.bins.prior(j.shape))
        return added

    def pop(self, stack: Stack, count: int) -> Tensor:
        """Take the images that were put last: each step of ``push`` undone, from last to first."""
        j = stack.pop(self.bins.prior((count, *self.latent)))
        p, k = self._likelihood(j), torch.zeros(count, *self.event, dtype=torch.long)
        for part in self._rounds():
            k[part] = stack.pop(levels(p.conditional(self.values(k))[part]))
        stack.push(j, self.posterior(k))
        return k

    def _likelihood(self, j: Tensor):
        return self.model.decode(self.bins.medians[j].to(self.dtype))

    def _rounds(self) -> list:
        """What picks the pixels of each round."""
        rounds = self.p.rounds
        return [(slice(None), r) for r in range(rounds)] if rounds > 1 else [...]


class Dice:
    """A stack on which nothing is kept: what is popped comes from torch's generator."""

    def pop(self, weights: Tensor) -> Tensor:
        cdf = (weights + 1).cumsum(-1)
        u = cdf[..., -1:] * torch.rand(*weights.shape[:-1], 1, dtype=cdf.dtype)
        return torch.searchsorted(cdf, u, right=True).squeeze(-1)

    def push(self, symbols: Tensor, weights: Tensor) -> None:
        pass


@contextmanager
def steady(model: nn.Module) -> Iterator[None]:
    """Networks that give the same numbers both ways: without dropout, on one thread."""
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a file knows its model by the parameters: it takes a VAE, got {type(model).__name__}"
        )
    threads, training = torch.get_num_threads(), model.training
    torch.set_num_threads(1)
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
        torch.set_num_threads(threads)


def parts(count: int, most: int) -> list[slice]:
    """Images that are coded together: at most so many, and an eighth of those before them."""
    ends = [0]
    while ends[-1] < count:
        ends.append(min(count, ends[-1] + min(most, max(1, ends[-1] // 8))))
    return [slice(start, end) for start, end in pairwise(ends)]


def _each(bits: Tensor) -> Tensor:
    return bits.flatten(1).sum(1)
