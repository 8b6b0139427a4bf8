"""Images as rows of numbers in [0, 1]: the embedded digits, MNIST and Fashion-MNIST."""

from vaelib.data.dataset import Dataset, load, place
from vaelib.data.mnist import FASHION_MNIST, MNIST
from vaelib.data.noise import binarise, dequantise

__all__ = ["FASHION_MNIST", "MNIST", "Dataset", "binarise", "dequantise", "load", "place"]
