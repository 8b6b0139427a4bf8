import warnings

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from tests.cases import refused
from vaelib import data
from vaelib.data.numbers import as_tensor, numbers


def test_digits_are_scikit_learns_between_zero_and_one_and_every_sixth_is_to_test_on():
    digits = data.load("digits")
    assert (digits.name, digits.shape, digits.levels) == ("digits", (8, 8), 17)
    pixels, labels = load_digits(return_X_y=True)
    tested = np.arange(len(labels)) % 6 == 5
    parts = (digits.train, digits.train_labels, ~tested), (digits.test, digits.test_labels, tested)
    for x, y, rows in parts:
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        np.testing.assert_array_equal(x, pixels[rows] / 16)
        np.testing.assert_array_equal(y, labels[rows])


def test_the_squares_of_the_photographs_are_theirs_and_none_is_in_both_parts():
    found = data.load("photographs")
    assert (found.name, found.shape, found.levels) == ("photographs", (3, 8, 8), 256)
    train, test = (x.reshape(-1, 3, 8, 8) for x in (found.train, found.test))
    assert (len(train), len(test)) == (2 * 53 * 60, 2 * 53 * 20)
    china, flower = (torch.tensor(i).movedim(-1, 0) / 255 for i in load_sample_images().images)
    torch.testing.assert_close(train[1], flower[:, :8, :8])
    torch.testing.assert_close(train[-2], china[:, 416:424, 600:608])
    torch.testing.assert_close(test[2], china[:, :8, 104:112])


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
    noise = y * levels - k
    assert (noise != noise.float().double()).double().mean() > 0.9  # in double precision


test_bad_arguments_raise_by_name = refused(
    (lambda: data.binarise(torch.tensor([0.5, 1.5])), "must lie in .0, 1., got 0.5 to 1.5"),
    (lambda: data.binarise(torch.tensor([-0.5, 0.5])), "got -0.5 to 0.5"),
    (lambda: data.binarise(torch.tensor([torch.nan])), "must lie in"),
    (lambda: data.dequantise(torch.zeros(2), 1), "levels must be a whole number of at"),
    (lambda: data.dequantise(torch.tensor([0.5]), 2), "must hold the grey levels k / 1"),
    (lambda: data.dequantise(torch.tensor([2.0]), 2), "must hold the grey levels"),
    (lambda: data.dequantise(torch.tensor([-1.0]), 2), "must hold the grey levels"),
)


@pytest.mark.parametrize(("gpu", "name"), [(True, "mnist"), (False, "digits")])
def test_a_gpu_makes_mnist_the_default(small_mnist, monkeypatch, gpu, name):
    monkeypatch.delenv("VAELIB_DATASET", raising=False)
    monkeypatch.setenv("VAELIB_DATA_DIR", str(small_mnist))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert data.load().name == name
    assert data.load("digits").name == "digits"
    for chosen in ("digits", "mnist"):
        monkeypatch.setenv("VAELIB_DATASET", chosen)
        assert data.load().name == chosen
    monkeypatch.setenv("VAELIB_DATASET", "cifar")
    known = "digits, photographs, mnist, fashion-mnist, frey, mnist-static"
    with pytest.raises(ValueError, match=rf"'cifar': choose one of {known}, a f.*_DATASET\)$"):
        data.load()
    monkeypatch.setenv("VAELIB_DATASET", str(small_mnist / "mine.npy"))
    np.save(small_mnist / "mine.npy", np.zeros((10, 4, 6), np.uint8))
    with pytest.warns(UserWarning, match="read as 2 levels"):
        assert (data.load().shape, len(data.load().train)) == ((4, 6), 9)


@pytest.mark.parametrize("ending", ["npy", "npz", "folder"])
def test_images_of_your_own_are_a_data_set_with_a_tenth_to_test_on(tmp_path, ending):
    pixels = np.arange(20 * 6 * 5 * 3, dtype=np.uint16).reshape(20, 6, 5, 3) % 251
    path = tmp_path / f"mine.{ending}"
    if ending == "folder":
        for i, image in enumerate(pixels.astype(np.uint8)):
            (path / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path / "ab"[i % 2] / f"{i:02}.png")
        pixels = np.concatenate([pixels[::2], pixels[1::2]])
    else:
        save = np.save if ending == "npy" else np.savez
        save(path, pixels.astype(np.uint8))
    mine = data.load(path)
    assert (mine.name, mine.shape, mine.levels) == (str(path), (3, 6, 5), 256)
    assert [len(part) for part in (mine.train, mine.test)] == [18, 2]
    rows = torch.from_numpy(pixels.transpose(0, 3, 1, 2).reshape(20, -1) / 255).float()
    where = [[int((rows == x).all(1).nonzero()) for x in part] for part in (mine.train, mine.test)]
    assert sorted(where[0] + where[1]) == list(range(20))
    assert where[0] == sorted(where[0])
    assert where[1] != [18, 19]
    assert torch.equal(mine.test, data.load(path).test)
    for labels, told, places in zip(
        mine.labels, (mine.train_labels, mine.test_labels), where, strict=True
    ):
        assert (told is None) == (ending != "folder")
        assert labels.tolist() == [int(ending == "folder" and i >= 10) for i in places]


def test_rows_without_a_shape_are_no_data_set_of_images(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(64, dtype=np.float32))
    with pytest.raises(ValueError, match=r"rows of numbers: save images as \(images, height"):
        data.load(tmp_path / "x.npy")


def test_an_array_that_may_not_be_written_to_is_read_where_it_lies_without_a_warning():
    x = np.arange(3.0)
    x.flags.writeable = False
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            seen = as_tensor(x)
    finally:
        torch.set_warn_always(False)
    assert seen.data_ptr() == x.ctypes.data
    assert as_tensor(seen) is seen


def test_bytes_are_grey_values_and_other_numbers_stay_as_they_are():
    for x in (torch.tensor([0, 255], dtype=torch.uint8), torch.ones(2)):
        for dtype in (torch.float32, torch.float64):
            seen = numbers(x, dtype)
            assert (seen.dtype, seen[1].item()) == (dtype, 1)
