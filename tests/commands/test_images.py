"""The images that a command is told to use: a data set by its name, or a file, mapped."""

import numpy as np
import pytest
import torch

from vaelib import data
from vaelib.commands import images


@pytest.mark.parametrize(
    ("shape", "found"),
    [((20, 9), (3, 3)), ((20, 10), None), ((20, 2, 3), (2, 3)), ((20, 1), (1, 1))],
)
def test_a_file_is_mapped_and_its_images_have_their_shape(tmp_path, shape, found):
    x = np.arange(np.prod(shape), dtype="f4").reshape(shape) / 1000
    np.save(tmp_path / "x.npy", x)
    seen = images.find(str(tmp_path / "x.npy"))
    assert seen.shape == found
    assert seen.name == str((tmp_path / "x.npy").resolve())
    assert np.array_equal(seen.train, x[:-2].reshape(18, -1))
    assert seen.test is seen.validation
    base = seen.train
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.mode == "r"


@pytest.mark.parametrize(
    ("count", "held"),
    [(2, 1), (19, 1), (20, 2), (99_999, 9_999), (100_010, 10_000), (200_000, 10_000)],
)
def test_a_tenth_is_held_out_but_not_too_much(tmp_path, count, held):
    x = np.arange(count, dtype="f4")[:, None]
    np.save(tmp_path / "x.npy", x)
    seen = images.find(str(tmp_path / "x.npy"))
    assert np.array_equal(seen.train, x[:-held])
    assert np.array_equal(seen.validation, x[-held:])


def test_a_name_is_that_of_a_data_set(small_mnist, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA_DIR", str(small_mnist))
    for name in ("digits", "mnist"):
        seen, known = images.find(name), data.load(name)
        assert (seen.name, seen.shape) == (name, known.shape)
        assert torch.equal(torch.cat([seen.train, seen.validation]), known.train)
        assert torch.equal(seen.test, known.test)


@pytest.mark.parametrize("shape", [(3,), (1, 4), (2, 2, 2, 2)])
def test_an_array_that_is_no_images_is_told_whole(tmp_path, shape):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(shape))
    with pytest.raises(ValueError, match="two images") as raised:
        images.find(str(path))
    assert str(raised.value) == (
        f"{path} must hold at least two images, shape (images, pixels) or "
        f"(images, height, width), got {shape}"
    )


@pytest.mark.parametrize("content", [b"", b"epoch 3", b"\x93NUMPY\x01\x00", None])
def test_a_file_without_an_array_is_named_and_none_is_unpickled(tmp_path, content):
    path = tmp_path / "x.npy"
    if content is None:
        np.save(path, np.array([{"a": 1}, {"b": 2}], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no array of numbers: ") as raised:
        images.find(str(path))
    assert str(raised.value).startswith(f"{path} holds no array of numbers: ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*none\.npy$"):
        images.find(str(tmp_path / "none.npy"))
