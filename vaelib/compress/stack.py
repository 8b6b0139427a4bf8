"""Probabilities as whole numbers, and the stack of bits on which symbols lie under them."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vaelib.distributions import Symbols

PRECISION, WORD = 24, 32  # bits of a probability in the coder, and of what lies on the stack
FINEST = 2**16  # bins of a coordinate


def weights(cdf: Tensor) -> Tensor:
    """Whole numbers that a cumulative distribution becomes, so that nothing is impossible.

    ::

        w_k = ⌊F_k (2²⁴ − K)⌋ − ⌊F_{k−1} (2²⁴ − K)⌋,    F_{−1} = 0
        P_k = (w_k + 1) / 2²⁴

    These P_k are what is coded. They are at least 2⁻²⁴ and add up to 1 without an error. F, of
    shape ``(..., K)`` in float64, rises to 1 in the last place.
    """
    steps = (cdf * (2**PRECISION - cdf.shape[-1])).floor().cummax(-1).values
    return steps.diff(dim=-1, prepend=torch.zeros_like(steps[..., :1]))


def cost(weights: Tensor, symbols: Tensor) -> Tensor:
    """The bits of each symbol, −log2 P, shape ``(...)`` as of the symbols."""
    found = weights.gather(-1, symbols.unsqueeze(-1)).squeeze(-1)
    return PRECISION - (found + 1).log2()


def levels(log_probabilities: Tensor) -> Tensor:
    """Those of pixels, from the logarithm of each level's probability, shape ``(..., levels)``."""
    cdf = log_probabilities.double().exp().cumsum(-1)
    return weights(cdf / cdf[..., -1:])


class Vague(NamedTuple):
    """What q(z|x) leaves to the bits that lie there: they choose j, and come back."""

    weights: Tensor

    def take(self, stack) -> tuple[Tensor, Tensor]:
        """j, and the bits that chose it."""
        return (j := stack.pop(self.weights)), cost(self.weights, j)

    def give(self, stack, j: Tensor) -> None:
        stack.push(j, self.weights)


class Certain(NamedTuple):
    """A q(z|x) that leaves no choice."""

    j: Tensor

    def take(self, stack) -> tuple[Tensor, Tensor]:
        return self.j, torch.zeros(self.j.shape, dtype=torch.float64)

    def give(self, stack, j: Tensor) -> None:
        pass


class Bins:
    """Each coordinate in K pieces, equally probable under N(0, 1), so that one costs log2 K bits.

    What latents are to the coder: whole numbers j of some shape, with weights under p(z) and under
    q(z|x), and the z that a j stands for.
    """

    rounds = 1

    def __init__(self, prior: Distribution, count: int) -> None:
        mu, sigma = (base := normal(prior, "p(z)")).loc, base.scale
        if (mu != 0).any() or (sigma != 1).any():
            raise ValueError("bits-back coding needs the prior N(0, I), got another normal one")
        self.shape, self.dtype = mu.shape, mu.dtype
        if not isinstance(count, int) or count not in (2**b for b in range(1, 17)):
            raise ValueError(f"bins must be a power of two from 2 to {FINEST:,}, got {count!r}")
        shares = torch.arange(1, 2 * count + 1, dtype=torch.float64) / (2 * count)
        halves = torch.special.ndtri(shares)
        self.count, self.medians, self.ends = count, halves[::2], halves[1::2]

    def prior(self, j: Tensor) -> Tensor:
        """Weights under N(0, 1): all alike, shape ``(..., K)`` for j of shape ``(...)``."""
        alike = 2**PRECISION / self.count - 1
        return torch.full((*j.shape, self.count), alike, dtype=torch.float64)

    def posterior(self, q: Distribution) -> Vague:
        """Those that a normal distribution gives to each bin, shape ``(..., K)``."""
        base = normal(q, "q(z given x)")
        mu, sigma = base.loc.double().unsqueeze(-1), base.scale.double().unsqueeze(-1)
        return Vague(weights(torch.special.ndtr((self.ends - mu) / sigma)))

    def z(self, j: Tensor) -> Tensor:
        """The median of each bin."""
        return self.medians[j].to(self.dtype)


class Alphabet:
    """Latents that are symbols: whole numbers already, under any prior of symbols."""

    def __init__(self, prior: Symbols) -> None:
        self.p, self.z, self.rounds, self.count = prior, prior.written, prior.rounds, prior.levels
        self.shape = prior.event_shape[:1]

    def prior(self, j: Tensor) -> Tensor:
        return levels(self.p.conditional(j))

    def posterior(self, q: Symbols) -> Vague | Certain:
        return Vague(levels(q.logits)) if q.covers else Certain(q.k)


def normal(d: Distribution, name: str) -> Normal:
    """The coordinates of a normal distribution; a ValueError where it has none."""
    base = d.base_dist if isinstance(d, Independent) else None
    if not isinstance(base, Normal):
        raise ValueError(
            f"bits-back coding needs {name} normal with independent coordinates, "
            f"got {type(d).__name__}"
        )
    return base


class Stack:
    """What is pushed comes back in reverse order; what is popped from random bits is random.

    A thin cover of constriction's asymmetric numeral systems. On it lie words, the last on top;
    ``sealed`` where they are any words, and not those that a stack gave.
    """

    def __init__(self, words: np.ndarray, sealed: bool = False) -> None:
        try:
            from constriction import stream
        except ModuleNotFoundError:
            raise ImportError(
                "vaelib.compress needs constriction: pip install 'vaelib[compress]'"
            ) from None
        self.coder = stream.stack.AnsCoder(words, seal=sealed)
        self.categorical = stream.model.Categorical(perfect=False)
        self.lowest = len(self)

    def __len__(self) -> int:
        return self.coder.num_words()

    def push(self, symbols: Tensor, weights: Tensor) -> None:
        """Put symbols, shape ``(...)``, under probabilities with weights ``(..., K)``."""
        flat = symbols.flatten().numpy().astype(np.int32)
        self.coder.encode_reverse(flat, self.categorical, _rows(weights))

    def pop(self, weights: Tensor) -> Tensor:
        """Take symbols with these probabilities: the inverse of a push."""
        symbols = self.coder.decode(self.categorical, _rows(weights))
        self.lowest = min(self.lowest, len(self))
        return torch.from_numpy(symbols).long().reshape(weights.shape[:-1])

    @property
    def words(self) -> np.ndarray:
        """All that lies on it."""
        return self.coder.get_compressed()


def random_words(seed: int, count: int) -> np.ndarray:
    """The first words of a seed's endless row (SHAKE-128), the first one on top."""
    row = hashlib.shake_128(str(seed).encode()).digest(WORD // 8 * count)
    return np.frombuffer(row, "<u4").astype(np.uint32)[::-1]


def _rows(weights: Tensor) -> np.ndarray:
    """The coder adds 1 to each of K weights that add up to 2²⁴ − K, and takes them as they are."""
    return weights.reshape(-1, weights.shape[-1]).contiguous().numpy()
