"""Chains of linear normals: everything in closed form, whichever layer is drawn first."""

from collections.abc import Callable, Sequence

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, MultivariateNormal

from vaelib.distributions import Chain, chain, diagonal_normal
from vaelib.divergence.closed_form import full_covariance
from vaelib.validation import check_shape


class GaussianChain:
    """Layers z and what is seen of them, all linear normals: Bayes' rule draws them upward.

    ::

        p(z) p(x|z) = p(x) p(z|x)

    The left side is a chain whose lowest layer is x. The right side is the same normal, x first.

    Args:
        prior: p(z), a chain of normals whose means are linear in the layers before.
        decode: z ↦ p(x|z), normal, its mean linear in z.

    Raises:
        ValueError: as for :func:`as_normal`.

    >>> from vaelib.distributions import unit_normal
    >>> prior = chain([1, 1], unit_normal(torch.zeros(1)), unit_normal)
    >>> model = GaussianChain(prior, lambda z: unit_normal(z[..., :1]))
    >>> model.encode(torch.full((1,), 3.0)).mean  # a third each
    tensor([2.0000, 1.0000])
    """

    def __init__(self, prior: Chain, decode: Callable[[Tensor], Distribution]) -> None:
        self.prior, self.decode, row = prior, decode, as_normal(prior)
        widths = [decode(row.mean).event_shape.numel(), row.event_shape.numel()]
        joint = as_normal(chain(widths, row, decode))
        self._evidence, self._posterior = as_chain(joint, widths, upward=True).parts

    def encode(self, x: Tensor) -> MultivariateNormal:
        """The exact posterior of the row; :func:`as_chain` draws it layer by layer."""
        return self._posterior(x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape ``(*batch)``, for x of shape ``(*batch, observed)``."""
        return self._evidence.log_prob(x)


def as_normal(p: Chain) -> MultivariateNormal:
    """The row of a chain of linear normals as one normal; the way back is :func:`as_chain`.

    ::

        z = m + K eps,    p(z) = N(m, K Kᵀ)

    m and K are read off the chain, drawn with eps = 0 and with one coordinate of eps at 1, and
    tried at another eps.

    Raises:
        ValueError: a layer is not normal, its mean not linear, or its covariance not constant.
    """
    (n,), batch, like = p.event_shape, p.batch_shape, p.parts[0].mean
    other = torch.linspace(-2.0, 3.0, n).to(like)
    eps = torch.cat([like.new_zeros(1, n), like.new_ones(n).diag(), other[None]])
    eps = eps.reshape(n + 2, *[1] * len(batch), n).expand(n + 2, *batch, n).split(p.widths, -1)

    def drawn(t: int, layer: Distribution) -> Tensor:
        layer = full_covariance(layer)
        if not isinstance(layer, MultivariateNormal):
            raise ValueError(f"layer {t + 1} must be normal, got {layer}")
        return layer.mean + (layer.scale_tril @ eps[t].unsqueeze(-1)).squeeze(-1)

    mean, *columns, found = torch.cat(p.walk(drawn)[1], -1)
    K = torch.stack(columns, -1) - mean.unsqueeze(-1)
    if not torch.allclose(mean + K @ other, found):
        raise ValueError("a layer's mean must be linear in those before, its covariance constant")
    return MultivariateNormal(mean, K @ K.mT)


def as_chain(
    row: MultivariateNormal, widths: Sequence[int], upward: bool = False, diagonal: bool = False
) -> Chain:
    """A normal row as a chain of layers, or the chain of least KL(q ‖ row) with diagonal layers.

    ::

        row:       p(z_t|before) = N(m_t(before), Λ_t⁻¹)
        diagonal:  q(z_t|before) = N(m_t(before), 1 / diag Λ_t)

    The second is best in each layer by itself, whatever the layers before it are: mean field.

    Args:
        row: batch ``(*batch)``, event ``(Σ widths,)``, such as a posterior.
        widths, upward: as for :func:`~vaelib.distributions.chain`.
        diagonal: whether a layer's coordinates are independent, given the layers before.

    Raises:
        ValueError: the widths are not those of the row.

    Source:
        Bishop (2006), section 10.1.2, for mean field.
    """
    check_shape("the row must have event", row.event_shape, Size([sum(widths)]))
    places = torch.arange(sum(widths)).split(list(widths))[:: 1 if upward else -1]

    def part(k: int) -> Callable[..., Distribution]:
        order, w = torch.cat(places[k::-1]), len(places[k])
        mu, given = row.mean[..., order].split([w, len(order) - w], -1)
        precision = row.covariance_matrix[..., order, :][..., order].inverse()[..., :w, :]
        own, gain = precision[..., :w], torch.linalg.solve(precision[..., :w], precision[..., w:])

        def layer(*before: Tensor) -> Distribution:
            away = torch.cat(before, -1) - given if before else torch.zeros_like(given)
            mean = mu - (gain @ away.unsqueeze(-1)).squeeze(-1)
            if diagonal:
                return diagonal_normal(mean, own.diagonal(dim1=-2, dim2=-1).rsqrt())
            return MultivariateNormal(mean, precision_matrix=own)

        return layer

    first, *others = map(part, range(len(places)))
    return chain(widths, first(), *others, upward=upward)
