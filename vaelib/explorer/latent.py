"""The latent plane of a trained decoder, to be walked through by hand."""

import math

import torch
import traitlets
from contourpy import contour_generator
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.explorer.weights import pack, to_bytes
from vaelib.explorer.widget import Explorer

CELLS = 120  # along a side of the plane, to draw contours
SHARES = [1 - math.exp(-(r**2) / 2) for r in (1, 2, 3)]  # of N(0, I) within r deviations


class LatentExplorer(Explorer, module="latent.js"):
    """A point in the latent plane, dragged by hand, and the image that the decoder makes of it.

    ::

        x = E[p(x|z)],    z = (z_1, z_2)

    The decoder itself runs in the browser. Mouse, finger and arrow keys move the point (Shift makes
    small steps, Home goes to the middle).

    Args:
        decoder: module z ↦ p(x|z) with two latents, as :func:`~vaelib.explorer.pack` takes it.
        means: posterior means to show on the plane, shape ``(images, 2)``.
        labels: the digit that each of them shows, whole numbers 0 to 9, shape ``(images,)``.
        shape: height and width of an image.
        images: the images themselves, in [0, 1], shape ``(images, height * width)``; the one
            nearest to the point is shown. Without them only its label is.
        precision: of the weights, ``"float32"`` or ``"float16"``.
        prior: p(z), whose contours are drawn instead of the rings of N(0, I).

    Attributes:
        z: the point; setting it moves the point in the figure.

    Raises:
        ValueError: arguments that do not fit together, by name.

    >>> import torch
    >>> from vaelib.models import BernoulliDecoder
    >>> means, labels = torch.randn(5, 2), torch.arange(5)
    >>> decoder = BernoulliDecoder(2, [8], 64)
    >>> explorer = LatentExplorer(decoder, means, labels, (8, 8))
    >>> explorer.z = (1.0, -0.5)
    """

    z = traitlets.Tuple(*[traitlets.CFloat()] * 2, default_value=(0.0, 0.0)).tag(sync=True)

    def __init__(
        self,
        decoder: nn.Module,
        means: Tensor,
        labels: Tensor,
        shape: tuple[int, int],
        images: Tensor | None = None,
        precision: str = "float32",
        prior: Distribution | None = None,
    ) -> None:
        layers, weights = pack(decoder, precision)
        _check(layers, means, labels, math.prod(shape), images)
        extent = max(3.2, 1.04 * float(means.abs().max()))
        grey = [] if images is None else (255 * images).round().int().flatten().tolist()
        fixed = {
            "layers": layers,
            "weights": weights,
            "precision": precision,
            "means": to_bytes(means),
            "labels": bytes(labels.tolist()),
            "images": bytes(grey),
            "shape": list(shape),
            "extent": extent,
            "contours": contours(prior, extent) if prior else [],
        }
        super().__init__(fixed)

    @traitlets.validate("z")
    def _finite(self, proposal):
        if not all(abs(value) < math.inf for value in proposal["value"]):
            raise traitlets.TraitError(f"z must be finite, got {proposal['value']}")
        return proposal["value"]


@torch.no_grad()
def contours(prior: Distribution, extent: float) -> list[dict]:
    """The lines around the densest places that together hold a share of the prior.

    Args:
        prior: p(z), event ``(2,)``.
        extent: half the side of the square that is drawn.

    Returns:
        For each of three shares ``share``, and ``paths``: x and y by turns along each line.

    Raises:
        ValueError: the prior is of other than two latents.
    """
    if prior.event_shape != (2,):
        raise ValueError(f"the prior must have two latents, got event {tuple(prior.event_shape)}")
    axis = torch.linspace(-extent, extent, CELLS)
    with torch.random.fork_rng(devices=[]):  # a draw tells device and precision
        points = torch.cartesian_prod(axis, axis).to(prior.sample())
    p = prior.log_prob(points).exp().reshape(CELLS, CELLS).T.double().cpu()
    down = p.flatten().sort(descending=True).values
    held = down.cumsum(0) * (2 * extent / (CELLS - 1)) ** 2
    generator = contour_generator(axis.numpy(), axis.numpy(), p.numpy())
    found = []
    for share in SHARES:
        level = float(down[int((held < share).sum().clamp(max=len(down) - 1))])
        paths = [path.round(3).flatten().tolist() for path in generator.lines(level)]
        found.append({"share": share, "paths": paths})
    return found


def _check(layers, means, labels, pixels, images) -> None:
    if layers[0]["inputs"] != 2:
        raise ValueError(f"the explorer needs two latents, the decoder has {layers[0]['inputs']}")
    if layers[-1]["outputs"] != pixels:
        raise ValueError(f"the decoder gives {layers[-1]['outputs']} pixels, shape has {pixels}")
    n = len(means)
    if means.shape != (n, 2) or n == 0 or not means.isfinite().all():
        raise ValueError(f"means must be finite, of shape (images, 2), got {tuple(means.shape)}")
    if labels.shape != (n,) or labels.is_floating_point() or not _within(labels, 9):
        raise ValueError(f"labels must be {n} whole numbers from 0 to 9")
    if images is not None and not (images.shape == (n, pixels) and _within(images, 1)):
        raise ValueError(f"images must lie in [0, 1], of shape {(n, pixels)}")


def _within(values: Tensor, most: int) -> bool:
    return bool(((values >= 0) & (values <= most)).all())
