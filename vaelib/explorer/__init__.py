"""Figures that answer the hand, with a kernel and without."""

from vaelib.explorer.gap import GapExplorer
from vaelib.explorer.gaussians import GaussianExplorer
from vaelib.explorer.latent import LatentExplorer
from vaelib.explorer.noise import NoiseExplorer
from vaelib.explorer.patch import PatchExplorer
from vaelib.explorer.saved import SavedExplorer, unpack
from vaelib.explorer.weights import pack

__all__ = [
    "GapExplorer", "GaussianExplorer", "LatentExplorer", "NoiseExplorer", "PatchExplorer",
    "SavedExplorer", "pack", "unpack",
]  # fmt: skip
