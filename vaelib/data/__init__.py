"""Images as rows of numbers in [0, 1]: the embedded digits, MNIST and Fashion-MNIST."""

from vaelib.data.dataset import Dataset, folder_of, load
from vaelib.data.noise import binarise, dequantise
from vaelib.data.sources import FASHION_MNIST, MNIST

__all__ = ["FASHION_MNIST", "MNIST", "Dataset", "binarise", "dequantise", "folder_of", "load"]
