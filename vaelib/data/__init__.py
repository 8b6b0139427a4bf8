"""Examples as rows of numbers: data sets by name, folders of images, arrays, tables."""

from vaelib.data.dataset import Dataset, files_of, folder_of
from vaelib.data.loaded import load
from vaelib.data.noise import binarise, dequantise
from vaelib.data.opened import Examples, open
from vaelib.data.sources import FASHION_MNIST, MNIST

__all__ = [
    "FASHION_MNIST",
    "MNIST",
    "Dataset",
    "Examples",
    "binarise",
    "dequantise",
    "files_of",
    "folder_of",
    "load",
    "open",
]
