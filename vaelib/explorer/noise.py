"""Noise on a few points, its level moved by hand, and what a denoiser can make of it."""

from collections.abc import Sequence

import traitlets

from vaelib.explorer.widget import Explorer

FAR, LEVELS = 3.0, (-6.0, 6.0)


class NoiseExplorer(Explorer, module="averages.js noise.js"):
    """Points on a line under noise: which point it was, the best denoiser, and the bound's share.

    ::

        z = alpha x + sigma ε,    alpha² + sigma² = 1,    snr = alpha² / sigma²
        P(x_i|z) ∝ P(x_i) N(z; alpha x_i, sigma²),    x̂(z) = Σ_i P(x_i|z) x_i
        share = ½ snr E(x − x̂(z))²

    One handle is z, the other the level of noise. The share is what the bound of a diffusion model
    with ever more layers pays for each unit of log snr.

    Args:
        points: the x_i, at least two, from −2 to 2.
        probs: their probabilities; all alike if not given.
        log_snr: the level, from −6 to 6.
        z: from −3 to 3.

    Attributes:
        log_snr: follows the hand; setting it moves the figure. So does ``z``.

    Raises:
        ValueError: points or probabilities that cannot be.
        traitlets.TraitError: a value outside the range that the figure draws, by name.

    >>> explorer = NoiseExplorer([-1.0, 1.0], log_snr=0.5)
    >>> explorer.probs
    [0.5, 0.5]
    """

    log_snr = traitlets.CFloat().tag(sync=True)
    z = traitlets.CFloat().tag(sync=True)

    def __init__(
        self,
        points: Sequence[float],
        probs: Sequence[float] | None = None,
        log_snr: float = 0.0,
        z: float = 0.0,
    ) -> None:
        points = [float(x) for x in points]
        probs = [1 / len(points)] * len(points) if probs is None else [float(p) for p in probs]
        if len(points) < 2 or not all(abs(x) <= 2 for x in points):
            raise ValueError(f"points must be two or more numbers from −2 to 2, got {points}")
        if len(probs) != len(points) or min(probs) <= 0 or abs(sum(probs) - 1) > 1e-6:
            raise ValueError(f"probs must be one share for each point, adding up to 1, got {probs}")
        fixed = {"points": points, "probs": probs, "far": FAR, "levels": LEVELS}
        super().__init__(fixed, log_snr=log_snr, z=z)

    @traitlets.validate("log_snr", "z")
    def _drawable(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        low, high = LEVELS if name == "log_snr" else (-FAR, FAR)
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name} must lie between {low} and {high}, got {value}")
        return value
