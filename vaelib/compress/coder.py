"""A model's distributions over levels of pixels and bins of latents, on a stack of bits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, pairwise

import torch
from torch import Tensor, nn

from vaelib.compress.stack import Alphabet, Bins, Certain, Stack, Vague, cost, levels
from vaelib.distributions import Symbols
from vaelib.objectives import check_data

MOST, HELD = 64, 2**20  # images that are coded together; numbers held for them


class Coder:
    """Pushes images as levels k onto a stack, with whole numbers j for their latents, and pops."""

    def __init__(self, model: nn.Module, bins: int) -> None:
        self.model, prior = model, model.prior
        if (place := next(chain(model.parameters(), model.buffers())).device).type != "cpu":
            raise ValueError(f"the model must be on the processor, got {place}: model.cpu()")
        self.side = Alphabet(prior) if isinstance(prior, Symbols) else Bins(prior, bins)
        z = self.side.z(torch.zeros(1, *self.side.shape, dtype=torch.long))
        self.p = p = model.decode(z)
        if not hasattr(p, "levels"):
            raise ValueError(
                "bits-back coding needs p(x given z) over levels, such as a Bernoulli's two, "
                f"got {type(p).__name__}"
            )
        self.latents, self.dtype = self.side.shape.numel(), z.dtype
        self.event, self.levels = p.event_shape, p.levels

    def most(self) -> int:
        """How many images are coded together where nobody says it."""
        numbers = max(self.event.numel() * self.levels, self.latents * self.side.count)
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

    def posterior(self, k: Tensor) -> Vague | Certain:
        """How q(z|x) chooses j."""
        return self.side.posterior(self.model.encode(self.values(k)))

    def push(self, stack, k: Tensor, q: Vague | Certain) -> Tensor:
        """Put images on the stack, whose ``posterior`` is q; the bits that each adds to it."""
        j, back = q.take(stack)
        pixels = _put(stack, k, self._pixels(j), self.p.rounds)
        latents = _put(stack, j, self.side.prior, self.side.rounds)
        return pixels + latents - back.flatten(1).sum(1)

    def pop(self, stack: Stack, count: int) -> Tensor:
        """Take the images that were put last: each step of ``push`` undone, from last to first."""
        j = _take(stack, (count, *self.side.shape), self.side.prior, self.side.rounds)
        k = _take(stack, (count, *self.event), self._pixels(j), self.p.rounds)
        self.posterior(k).give(stack, j)
        return k

    def _pixels(self, j: Tensor) -> Callable[[Tensor], Tensor]:
        """Weights under p(x|z), given the levels of earlier rounds."""
        p = self.model.decode(self.side.z(j))
        return lambda k: levels(p.conditional(self.values(k)))


def _put(stack, whole: Tensor, weights: Callable[[Tensor], Tensor], rounds: int) -> Tensor:
    """Push whole numbers, those of the last round first; the bits that each row takes."""
    each = weights(whole)
    for part in reversed(_rounds(rounds)):
        stack.push(whole[part], each[part])
    return cost(each, whole).flatten(1).sum(1)


def _take(stack: Stack, shape, weights: Callable[[Tensor], Tensor], rounds: int) -> Tensor:
    """What was pushed so, round by round."""
    whole = torch.zeros(*shape, dtype=torch.long)
    for part in _rounds(rounds):
        whole[part] = stack.pop(weights(whole)[part])
    return whole


def _rounds(rounds: int) -> list:
    """What picks the numbers of each round."""
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
