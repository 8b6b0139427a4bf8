"""Images as rows of numbers in [0, 1]: the embedded digits, and MNIST, fetched where it is not."""

from vaelib.data.dataset import Dataset, load
from vaelib.data.mnist import MNIST
from vaelib.data.noise import binarise, dequantise

__all__ = ["MNIST", "Dataset", "binarise", "dequantise", "load"]
