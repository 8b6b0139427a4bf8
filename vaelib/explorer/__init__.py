"""Figures that answer the hand, with a kernel and without."""

from vaelib.explorer.latent import LatentExplorer
from vaelib.explorer.weights import pack

__all__ = ["LatentExplorer", "pack"]
