"""MNIST's files, read where they lie and trusted by their bytes alone."""

import gzip

import pytest
import torch

from vaelib import data

FIRST = next(iter(data.MNIST))


def unpack(path):
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_compressed_or_not(small_mnist, packed):
    if not packed:
        for path in list(small_mnist.glob("*.gz")):
            unpack(path)
    mnist = data.load("mnist", small_mnist)
    assert (mnist.name, mnist.shape, mnist.levels) == ("mnist", (28, 28), 256)
    assert (mnist.train.shape, mnist.test.shape) == ((3, 784), (2, 784))
    torch.testing.assert_close(mnist.train.flatten()[:256] * 255, torch.arange(256.0))
    assert mnist.train_labels.tolist() == [0, 1, 2]
    assert mnist.test_labels.dtype == torch.int64


@pytest.mark.parametrize("file", data.MNIST)
def test_an_altered_file_is_refused(small_mnist, file):
    path = small_mnist / f"{file}.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[-1] ^= 1
    path.write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=rf"{file}.gz is not MNIST's {file}.*differs; delete it"):
        data.load("mnist", small_mnist)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-20],
        lambda b: b"x" + b,
        lambda b: b[:30] + b"?" * 20,
        lambda b: b[:10] + b[20:],
    ],
)
def test_a_damaged_gzip_file_is_refused(small_mnist, damage):
    path = small_mnist / f"{FIRST}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"gz is not a whole gzip file \(.*; delete it"):
        data.load("mnist", small_mnist)


@pytest.mark.mnist
def test_mnist_is_mnist():
    mnist = data.load("mnist")
    assert (mnist.train.shape, mnist.test.shape) == ((60_000, 784), (10_000, 784))
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert (mnist.train.min(), mnist.train.max()) == (0, 1)
    assert mnist.train_labels.bincount().argmax() == 1
