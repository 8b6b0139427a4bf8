"""What the decoders share: a network from z to some numbers for each pixel."""

from collections.abc import Sequence

from torch import Size, Tensor, nn

from vaelib.models.network import Started, event, outward
from vaelib.validation import check_event


class Decoder(Started):
    """A network from z to some numbers for each pixel."""

    heads = 1

    def __init__(
        self,
        latent: int | Sequence[int],
        hidden: Sequence[int],
        observed: int | Sequence[int],
        activation: type[nn.Module] = nn.Tanh,
    ) -> None:
        side = self.side(event(observed))
        self.rank, numbers = len(event(observed)), event(latent).numel()
        super().__init__(outward(numbers, hidden, side, observed, activation), observed)
        self.latent = event(latent)

    def side(self, shape: Size) -> int:
        """How many numbers stand where the event has its first side."""
        return self.heads * shape[0]

    def outputs(self, z: Tensor) -> Tensor:
        """What the network gives for all heads, one after the other along the event's first side.

        Shape ``(*batch, side)``, or ``(*batch, side, height, width)``.
        """
        check_event("z", z, self.latent)
        outputs = self.network(z.flatten(-len(self.latent)))
        return outputs if self.place is None else self.place + self.size * outputs

    def best(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        return None
