"""The stack of bits: a thin cover of the coder of asymmetric numeral systems in constriction."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

WORD = 32  # bits


class Stack:
    """What is pushed comes back in reverse order; what is popped from random bits is random.

    Args:
        words: what lies on it, uint32, the last on top.
        sealed: whether they are any words, and not those that a stack gave.

    Raises:
        ImportError: constriction is not installed.
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
        self.uniform = stream.model.Uniform
        self.lowest = len(self)

    def __len__(self) -> int:
        return self.coder.num_words()

    def push(self, symbols: Tensor, weights: Tensor) -> None:
        """Put symbols, shape ``(...)``, under probabilities with weights ``(..., K)``."""
        self.coder.encode_reverse(_flat(symbols), self.categorical, _rows(weights))

    def pop(self, weights: Tensor) -> Tensor:
        """Take symbols with these probabilities: the inverse of a push."""
        symbols = self.coder.decode(self.categorical, _rows(weights))
        self.lowest = min(self.lowest, len(self))
        return torch.from_numpy(symbols).long().reshape(weights.shape[:-1])

    def push_uniform(self, symbols: Tensor, count: int) -> None:
        """The same for symbols that are all equally probable."""
        self.coder.encode_reverse(_flat(symbols), self.uniform(count))

    def pop_uniform(self, shape: tuple[int, ...], count: int) -> Tensor:
        """The inverse."""
        symbols = self.coder.decode(self.uniform(count), int(np.prod(shape)))
        return torch.from_numpy(symbols).long().reshape(shape)

    @property
    def words(self) -> np.ndarray:
        """All that lies on it."""
        return self.coder.get_compressed()


def random_words(seed: int, count: int) -> np.ndarray:
    """The first words of a seed's endless row (SHAKE-128), the first one on top."""
    row = hashlib.shake_128(str(seed).encode()).digest(WORD // 8 * count)
    return np.frombuffer(row, "<u4").astype(np.uint32)[::-1]


def _flat(symbols: Tensor) -> np.ndarray:
    return symbols.flatten().numpy().astype(np.int32)


def _rows(weights: Tensor) -> np.ndarray:
    """The coder adds 1 to each of K weights that add up to 2²⁴ − K, and takes them as they are."""
    return weights.reshape(-1, weights.shape[-1]).numpy()
