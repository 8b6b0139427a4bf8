"""Symbols as latents: the encoder, and priors over rows of symbols."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import one_hot

from vaelib.distributions import Symbols
from vaelib.models.network import Started, inward
from vaelib.validation import check_counts, check_event


class SymbolEncoder(Started):
    """q(z|x) of n symbols: a network gives numbers for each, an alphabet makes symbols of them.

    Args:
        observed: number of pixels; or the shape of an image, ``(channels, height, width)``, for a
            network of convolutions.
        hidden: widths of the hidden layers, or their channels.
        symbols: n.
        alphabet: :class:`OneHots`, :class:`Codebook` or :class:`FiniteScalars`.
        activation: the nonlinearity, a module class.

    >>> from vaelib.models import Codebook
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

    >>> from vaelib.models import OneHots
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
