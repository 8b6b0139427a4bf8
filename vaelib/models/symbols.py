"""Symbols as latents: what an encoder's numbers become, and priors over rows of symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import one_hot

from vaelib.distributions import Quantised, Symbols, finite_scalar_quantiser, vector_quantiser
from vaelib.models.network import Started, inward
from vaelib.validation import check_counts, check_event


class OneHots(nn.Module):
    """Numbers h as the log-probabilities of K symbols: q(z|x) draws them.

    Args:
        size: K.
    """

    codes = None

    def __init__(self, size: int) -> None:
        super().__init__()
        check_counts(2, size=size)
        self.size = self.width = size

    def forward(self, h: Tensor) -> Symbols:
        return Symbols(h)


class Codebook(nn.Module):
    """Numbers h as the nearest of K vectors, which are learned.

    Its parameter ``codes``, shape ``(K, width)``, begins on draws of N(0, I). Whenever gradients
    pass, ``uses`` and ``sums`` take up how many h each code stood for, and their sum, of examples
    that count in the loss. :class:`~vaelib.training.Averaging` takes them from there.

    Args:
        size: K.
        width: coordinates of a code.
        commitment: as of :func:`~vaelib.distributions.vector_quantiser`.

    Source:
        van den Oord, Vinyals and Kavukcuoglu (2017).
    """

    def __init__(self, size: int, width: int, commitment: float = 0.25) -> None:
        super().__init__()
        check_counts(size=size, width=width)
        self.size, self.width, self.commitment = size, width, commitment
        self.codes = nn.Parameter(torch.randn(size, width))
        self.register_buffer("counts", torch.zeros(size))
        self.register_buffer("uses", torch.zeros(size), persistent=False)
        self.register_buffer("sums", torch.zeros(size, width), persistent=False)

    def forward(self, h: Tensor) -> Quantised:
        q = vector_quantiser(h, self.codes, self.commitment)
        if self.training and q.penalty.requires_grad:
            q.penalty.register_hook(partial(self._count, q.k, h.detach()))
        return q

    def _count(self, k: Tensor, h: Tensor, weight: Tensor) -> None:
        counts = (weight != 0)[..., None].expand(k.shape).flatten().to(self.uses)
        self.uses.index_add_(0, k.flatten(), counts)
        self.sums.index_add_(0, k.flatten(), counts[:, None] * h.reshape(-1, self.width))

    @torch.no_grad()
    def cover(self, h: Tensor, which: Tensor | None = None) -> None:
        """Put codes on some of the given h, shape ``(..., width)``, and forget their counts.

        Args:
            h: what the encoder gives; where there are fewer than codes, some are taken twice.
            which: codes to move, such as ``counts < 1``; all of them if not given.
        """
        check_event("h", h, self.codes.shape[1:])
        rows = h.reshape(-1, self.width)
        check_counts(**{"rows of h": len(rows)})
        which = torch.ones_like(self.counts, dtype=torch.bool) if which is None else which
        order = torch.randperm(len(rows), device=rows.device)
        picked = order.repeat(-(-self.size // len(rows)))[: int(which.sum())]
        self.codes[which], self.counts[which] = rows[picked], 0.0


class FiniteScalars(nn.Module):
    """Numbers h, each rounded to a few values: a fixed codebook that is a grid.

    Args:
        levels: values of each coordinate, at least 3; K is their product.

    Source:
        Mentzer et al. (2024).
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels, self.size, self.width = tuple(levels), math.prod(levels), len(levels)
        whole = finite_scalar_quantiser(torch.zeros(1, self.width), self.levels)
        self.register_buffer("codes", whole.codes, persistent=False)

    def forward(self, h: Tensor) -> Quantised:
        return finite_scalar_quantiser(h, self.levels)


class SymbolEncoder(Started):
    """q(z|x) of n symbols: a network gives numbers for each, an alphabet makes symbols of them.

    Args:
        observed: number of pixels; or the shape of an image, ``(channels, height, width)``, for a
            network of convolutions.
        hidden: widths of the hidden layers, or their channels.
        symbols: n.
        alphabet: :class:`OneHots`, :class:`Codebook` or :class:`FiniteScalars`.
        activation: the nonlinearity, a module class.

    >>> encoder = SymbolEncoder(64, [32], 3, Codebook(16, 2))
    >>> encoder(torch.rand(5, 64)).sample().shape
    torch.Size([5, 3, 2])
    """

    def __init__(
        self,
        observed: int | Sequence[int],
        hidden: Sequence[int],
        symbols: int,
        alphabet: nn.Module,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        check_counts(symbols=symbols)
        super().__init__(inward(observed, hidden, symbols * alphabet.width, activation), observed)
        self.symbols, self.alphabet = symbols, alphabet

    def numbers(self, x: Tensor) -> Tensor:
        """h, shape ``(*batch, n, width)``."""
        check_event("x", x, self.event)
        x = x if self.place is None else (x - self.place) / self.size
        return self.network(x).unflatten(-1, (self.symbols, self.alphabet.width))

    def forward(self, x: Tensor) -> Symbols:
        return self.alphabet(self.numbers(x))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """As the other encoders; a codebook then begins on what the network says of some data."""
        super().start_at(x)
        getattr(self.alphabet, "cover", lambda h: None)(self.numbers(x))


class SymbolPrior(nn.Module):
    """p(z) of n independent symbols: uniform, or as often as learned.

    Args:
        alphabet: that of the encoder, which it holds.
        symbols: n.
        learn: whether each place has K log-probabilities to learn, which begin alike.
    """

    def __init__(self, alphabet: nn.Module, symbols: int, learn: bool = False) -> None:
        super().__init__()
        check_counts(symbols=symbols)
        self.alphabet = alphabet
        self.logits = nn.Parameter(torch.zeros(symbols, alphabet.size), requires_grad=learn)

    def forward(self) -> Symbols:
        return Symbols(self.logits, self.alphabet.codes)


class AutoregressivePrior(nn.Module):
    """p(z) of n symbols, each given those before it, by one network with masks.

    ::

        p(z) = ∏_i p(k_i|k_1, …, k_{i−1})

    Args:
        alphabet: that of the encoder, which it holds.
        symbols: n.
        hidden: widths of the network.

    Raises:
        ImportError: zuko is not installed.

    Source:
        Germain et al. (2015) for the masks, by the library zuko; van den Oord, Vinyals and
        Kavukcuoglu (2017) for such a prior over codes, fitted afterwards.

    >>> prior = AutoregressivePrior(OneHots(4), 3)
    >>> prior().log_prob(prior().sample((5,))).shape
    torch.Size([5])
    """

    def __init__(self, alphabet: nn.Module, symbols: int, hidden: Sequence[int] = (128,)) -> None:
        super().__init__()
        check_counts(2, symbols=symbols)
        try:
            from zuko.nn import MaskedMLP
        except ModuleNotFoundError:
            raise ImportError(
                "a prior with masks needs zuko: pip install 'vaelib[flows]'"
            ) from None
        place = torch.arange(symbols).repeat_interleave(alphabet.size)
        self.alphabet, self.symbols = alphabet, symbols
        self.network = MaskedMLP(place[:, None] > place, hidden_features=[*hidden])

    def forward(self) -> Symbols:
        return _Autoregressive(self.network, self.symbols, self.alphabet)


class _Autoregressive(Symbols):
    def __init__(self, network, symbols: int, alphabet, batch=()) -> None:
        self.network, self.rounds, self.alphabet = network, symbols, alphabet
        self.place = next(network.parameters())
        self._written(self.place, torch.Size(batch), symbols, alphabet.size, alphabet.codes)

    def expand(self, batch_shape, _instance=None) -> Symbols:
        return _Autoregressive(self.network, self.rounds, self.alphabet, batch_shape)

    def conditional(self, k: Tensor) -> Tensor:
        rows = one_hot(k, self.levels).flatten(-2).to(self.dtype)
        return self.network(rows).unflatten(-1, (self.rounds, self.levels)).log_softmax(-1)

    def sample(self, sample_shape=()) -> Tensor:
        shape = self._extended_shape(sample_shape)[:-1]
        k = torch.zeros(shape, dtype=torch.long, device=self.place.device)
        with torch.no_grad():
            for i in range(self.rounds):
                k[..., i] = Categorical(logits=self.conditional(k)[..., i, :]).sample()
        return self.written(k)
