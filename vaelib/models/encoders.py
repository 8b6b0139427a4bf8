"""The encoder: a module that returns q(z|x)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.distributions import Independent

from vaelib.distributions import diagonal_normal
from vaelib.models.network import Started, deviation, inward
from vaelib.validation import check_counts, check_event


class GaussianEncoder(Started):
    """q(z|x) = N(mu(x), diag sigma(x)²), both from one network whose second head is log sigma.

    Within ±10 log sigma is what the network says, and it never leaves ±11, so that sigma neither
    vanishes nor grows without bound.

    Args:
        observed: number of pixels; or the shape of an image, ``(channels, height, width)``, for a
            network of convolutions.
        hidden: widths of the hidden layers, or their channels.
        latent: number of latent coordinates.
        activation: the nonlinearity, a module class.

    Source:
        Kingma and Welling (2014), appendix C.2.
    """

    def __init__(
        self,
        observed: int | Sequence[int],
        hidden: Sequence[int],
        latent: int,
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        check_counts(latent=latent)
        super().__init__(inward(observed, hidden, 2 * latent, activation), observed)

    def forward(self, x: Tensor) -> Independent:
        check_event("x", x, self.event)
        x = x if self.place is None else (x - self.place) / self.size
        mu, log_sigma = self.network(x).chunk(2, -1)
        return diagonal_normal(mu, deviation(log_sigma))


def conv_encoder(
    shape: Sequence[int], hidden: Sequence[int], latent: int, activation: type[nn.Module] = nn.ReLU
) -> GaussianEncoder:
    """A :class:`GaussianEncoder` of convolutions, each of which halves height and width.

    Args:
        shape: of an image, ``(channels, height, width)``, from 8 × 8 pixels, odd sides, too.
        hidden: channels after each halving.
        latent: number of latent coordinates.
        activation: the nonlinearity, a module class.

    Raises:
        ValueError: another shape, or more halvings than a side has.
    """
    return GaussianEncoder(tuple(shape), hidden, latent, activation)
