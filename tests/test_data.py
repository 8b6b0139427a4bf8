import gzip
import hashlib

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_digits

from vaelib import data


def test_digits_are_rows_of_numbers_between_zero_and_one():
    digits = data.load("digits")
    assert (digits.name, digits.shape, digits.levels) == ("digits", (8, 8), 17)
    for x, labels in [(digits.train, digits.train_labels), (digits.test, digits.test_labels)]:
        assert x.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert x.shape == (len(labels), 64)
        assert x.min() == 0
        assert x.max() == 1
        assert labels.unique().tolist() == list(range(10))


def test_the_split_of_the_digits_is_disjoint_and_complete():
    digits = data.load("digits")
    pixels, labels = load_digits(return_X_y=True)
    whole = np.column_stack([pixels / 16, labels])
    train, test = (
        np.column_stack([x, y])
        for x, y in [(digits.train, digits.train_labels), (digits.test, digits.test_labels)]
    )
    assert len(test) == len(whole) // 6
    np.testing.assert_array_equal(test, whole[5::6])
    together = np.concatenate([train, test])
    order = [np.lexsort(rows.T) for rows in (together, whole)]
    np.testing.assert_array_equal(together[order[0]], whole[order[1]])


@pytest.mark.parametrize("levels", [17, 256])
def test_grey_values_are_levels(levels):
    k = torch.arange(levels) / (levels - 1)
    assert data.dequantise(k, levels).shape == (levels,)


def test_binarised_pixels_are_zeros_and_ones_with_the_grey_value_as_mean():
    grey = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]).double()
    n = 20_000
    x = data.binarise(grey.expand(n, 5))
    assert x.dtype == torch.float64
    assert set(x.unique().tolist()) == {0.0, 1.0}
    for white, p in zip(x.sum(0).tolist(), grey.tolist(), strict=True):
        assert scipy.stats.binomtest(int(white), n, p).pvalue > 1e-4


@pytest.mark.parametrize("draw", [data.binarise, lambda x, g: data.dequantise(x, 5, g)])
def test_a_generator_decides_all_noise(draw):
    def noise(seed):
        return torch.Generator().manual_seed(seed)

    x = torch.full((1000,), 0.5)
    before = torch.random.get_rng_state()
    torch.testing.assert_close(draw(x, noise(1)), draw(x, noise(1)))
    assert (draw(x, noise(1)) != draw(x, noise(2))).any()
    assert (before == torch.random.get_rng_state()).all()
    assert (draw(x, None) != draw(x, None)).any()


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantised_values_fill_their_own_interval_evenly(levels):
    k = torch.randint(levels, (5000,))
    y = data.dequantise(k.double() / (levels - 1), levels)
    torch.testing.assert_close((y * levels).floor().long(), k)
    assert scipy.stats.kstest((y * levels - k).numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.binarise(torch.tensor([0.5, 1.5])), "must lie in .0, 1., got 0.5 to 1.5"),
        (lambda: data.binarise(torch.tensor([-0.5, 0.5])), "got -0.5 to 0.5"),
        (lambda: data.binarise(torch.tensor([torch.nan])), "must lie in"),
        (lambda: data.dequantise(torch.zeros(2), 1), "levels must be at least 2, got 1"),
        (lambda: data.dequantise(torch.tensor([0.5]), 2), "must hold the grey levels k / 1"),
        (lambda: data.dequantise(torch.tensor([2.0]), 2), "must hold the grey levels"),
        (lambda: data.dequantise(torch.tensor([-1.0]), 2), "must hold the grey levels"),
        (lambda: data.load("cifar"), "no data set 'cifar': choose 'digits' or 'mnist'"),
    ],
)
def test_bad_arguments_raise_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four small IDX files in MNIST's layout, their checksums in place of MNIST's."""
    sums = {}
    for file, n in zip(data.MNIST, (3, 3, 2, 2), strict=True):
        sizes = (n, 28, 28) if "images" in file else (n,)
        values = np.arange(np.prod(sizes)) % (256 if "images" in file else 10)
        header = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">i4").tobytes()
        raw = header + values.astype(np.uint8).tobytes()
        sums[file] = hashlib.sha256(raw).hexdigest()
        (tmp_path / f"{file}.gz").write_bytes(gzip.compress(raw))
    monkeypatch.setattr(data, "MNIST", sums)
    return tmp_path


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


def test_the_environment_names_the_folder_and_the_data_set(small_mnist, monkeypatch):
    monkeypatch.delenv("VAELIB_DATASET", raising=False)
    monkeypatch.setenv("VAELIB_DATA_DIR", str(small_mnist))
    assert data.load().name == "digits"
    assert data.load("mnist").name == "mnist"
    monkeypatch.setenv("VAELIB_DATASET", "mnist")
    assert data.load().name == "mnist"
    assert data.load("digits").name == "digits"
    monkeypatch.setenv("VAELIB_DATASET", "cifar")
    with pytest.raises(ValueError, match=r"no data set 'cifar'.*VAELIB_DATASET"):
        data.load()


def test_no_folder_says_which_variable_to_set(monkeypatch):
    monkeypatch.delenv("VAELIB_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=r"VAELIB_DATA_DIR.*VAELIB_DATASET=digits"):
        data.load("mnist")


@pytest.mark.parametrize("file", data.MNIST)
def test_a_missing_file_is_named(small_mnist, file):
    (small_mnist / f"{file}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {file}.gz: set VAELIB_DATA_DIR"):
        data.load("mnist", small_mnist)


@pytest.mark.parametrize("file", data.MNIST)
def test_an_altered_file_is_refused(small_mnist, file):
    path = small_mnist / f"{file}.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[-1] ^= 1
    path.write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=f"does not hold MNIST's {file}"):
        data.load("mnist", small_mnist)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b"x" + b, lambda b: b[:30] + b"?" * 20]
)
def test_a_damaged_gzip_file_is_refused(small_mnist, damage):
    path = small_mnist / f"{next(iter(data.MNIST))}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is not a whole gzip file"):
        data.load("mnist", small_mnist)


@pytest.mark.mnist
def test_mnist_is_mnist():
    mnist = data.load("mnist")
    assert (mnist.train.shape, mnist.test.shape) == ((60_000, 784), (10_000, 784))
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert (mnist.train.min(), mnist.train.max()) == (0, 1)
    assert mnist.train_labels.bincount().argmax() == 1
