"""A model as a file format: images in as many bits as the ELBO says, and back bit for bit."""

from vaelib.compress.bits_back import Coded, bits, coded, compress, decompress

__all__ = ["Coded", "bits", "coded", "compress", "decompress"]
