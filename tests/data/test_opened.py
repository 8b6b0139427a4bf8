"""Folders of images, files of numpy's and names, opened by one function."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cases import cases
from vaelib import data
from vaelib.data import folder
from vaelib.data.numbers import numbers


def opened(x, tmp_path, **how):
    np.save(tmp_path / "x.npy", x)
    return data.open(tmp_path / "x.npy", **how)


def grey(found):
    """The rows as a model sees them."""
    x = torch.from_numpy(np.array(found.x))
    return numbers(x, levels=found.levels).numpy()


COLOUR = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 5), dtype=np.uint8)


@cases(
    (COLOUR, None, (3, 6, 5), COLOUR),
    (np.moveaxis(COLOUR, 1, -1), None, (3, 6, 5), COLOUR),
    (COLOUR[:, 0], None, (6, 5), COLOUR[:, 0]),
    (COLOUR[:, :1], None, (6, 5), COLOUR[:, 0]),
    (COLOUR[:, 0, ..., None], None, (6, 5), COLOUR[:, 0]),
    (COLOUR.reshape(5, -1), None, None, COLOUR),
    (COLOUR.reshape(5, -1), (3, 6, 5), (3, 6, 5), COLOUR),
    (COLOUR[:, 0].reshape(5, -1), (1, 6, 5), (6, 5), COLOUR[:, 0]),
    (COLOUR[:, :, :3], (3, 3, 5), (3, 3, 5), COLOUR[:, :, :3]),
    (COLOUR[..., :3], (3, 6, 3), (3, 6, 3), COLOUR[..., :3]),
    (np.moveaxis(COLOUR[..., :3], 1, -1), (3, 6, 3), (3, 6, 3), COLOUR[..., :3]),
    (np.asfortranarray(COLOUR), None, (3, 6, 5), COLOUR),
    (COLOUR[:, :, 0, 0] / 255, None, None, COLOUR[:, :, 0, 0]),
    (np.zeros((5, 36)) + COLOUR[:, 0, 0, :1] / 255, None, None, None),
)
def test_arrays_of_every_usual_form_become_rows_with_channels_first(tmp_path, x, told, shape, rows):
    found = opened(x, tmp_path, shape=told)
    assert found.shape == shape
    if rows is not None:
        np.testing.assert_allclose(grey(found), rows.reshape(5, -1) / 255, rtol=1e-6)


@cases(
    (COLOUR[0, 0, 0], None, "must hold at least two images, shape .images, height, width"),
    (COLOUR[None], None, "at least two images"),
    (COLOUR[..., :3], None, "not clear: --shape 3,6,3 or --shape 3,3,6 says it"),
    (np.moveaxis(np.repeat(COLOUR, 3, 1), 1, 2)[..., [0] * 6], None, "not clear: --shape"),
    (COLOUR[:, 0], (5, 6), r"the shape 5,6 is not that of .*x.npy, \(5, 6, 5\)"),
    (COLOUR.reshape(5, -1), (6, 5), "the shape 6,5 is not that of"),
)
def test_other_arrays_are_refused_with_the_way_out(tmp_path, x, told, said):
    with pytest.raises(ValueError, match=said):
        opened(x, tmp_path, shape=told)


WHOLE = np.array([[0, 1, 5], [3, 2, 4]])


@cases(
    (WHOLE.astype("u1") * 51, None, 256, 255, ""),
    (WHOLE.astype("u1") % 2, None, 2, 1, "0 to 1, read as 2 levels"),
    (WHOLE.astype("u1"), None, 6, 5, "0 to 5, read as 6 levels"),
    (WHOLE.astype("u1"), 17, 17, 16, ""),
    (WHOLE.astype("u1"), 256, 256, 255, ""),
    (WHOLE % 2 == 1, None, 2, 1, ""),
    (WHOLE * 51, None, 256, 255, "0 to 255, read as 256 levels"),
    (WHOLE.astype("u2") * 50, None, 256, 255, "read as 256 levels"),
    (WHOLE.astype("u2") * 13000, None, 65536, 65535, "read as 65536 levels"),
    (WHOLE.astype("u2") * 800, 4096, 4096, 4095, ""),
    (WHOLE.astype(">i4"), None, 6, 5, "read as 6 levels"),
    (WHOLE / 5, None, None, 1, ""),
    (WHOLE / 5, 6, 6, 1, ""),
    ((WHOLE / 5).astype(">f4"), None, None, 1, ""),
    ((WHOLE / 5).astype("f2"), None, None, 1, ""),
    (WHOLE * 50.5, 256, 256, 255, ""),
    (WHOLE * 50.5, None, None, 1, "taken as they are; --levels 256"),
    (WHOLE * 51.0, None, None, 1, "taken as they are; --levels 256"),
    (WHOLE * -1.0, None, None, 1, "from -5 to 0, taken as they are"),
    (WHOLE[:, None] * 51.0, None, 256, 255, "0 to 255, read as 256 levels"),
)
def test_what_numbers_mean_is_read_where_it_is_certain(tmp_path, x, told, levels, divided, said):
    found = opened(x, tmp_path, levels=told)
    assert found.levels == levels
    expected = x.reshape(2, 3).astype("f8") / divided
    np.testing.assert_allclose(grey(found), expected, rtol=1e-3 if x.itemsize == 2 else 1e-6)
    assert found.seen.low == pytest.approx(expected.min(), rel=1e-3)
    assert found.seen.high == pytest.approx(expected.max(), rel=1e-3)
    assert said in "".join(found.said)
    assert bool(said) == bool(found.said)


@cases(
    (WHOLE.astype("u2") * 800, None, "from 0 to 4000, of type uint16: --levels 65536, 4096"),
    (WHOLE * -1, None, "from -5 to 0, of type int64: .* save them as floats"),
    (WHOLE * 10**6, None, "--levels"),
    (WHOLE, 5, "from 0 to 5, and --levels 5 means 0 to 4"),
    (WHOLE * np.nan, None, "must be finite: row 0 holds"),
    (np.where(WHOLE == 2, np.inf, 0), None, "must be finite: row 1 holds"),
    (WHOLE.astype("longdouble"), None, r"can be used but .*save it as x.astype\('float32'\)"),
)
def test_numbers_that_may_mean_several_things_are_refused_with_the_way_out(tmp_path, x, told, said):
    with pytest.raises(ValueError, match=said) as raised:
        opened(x, tmp_path, levels=told)
    assert "x.npy" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_of_several_arrays_one_is_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, train=COLOUR, labels=np.arange(5))
    found = data.open(path, array="train")
    assert found.shape == (3, 6, 5)
    for how, said in (({}, "2 arrays"), ({"array": "test"}, "no array 'test'")):
        with pytest.raises(ValueError, match=f"x.npz holds {said}: --array train or labels"):
            data.open(path, **how)
    np.savez(path, COLOUR)
    assert data.open(path).shape == (3, 6, 5)
    os.replace(path, tmp_path / "misnamed.npy")
    assert data.open(tmp_path / "misnamed.npy").shape == (3, 6, 5)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", "no array")
    with pytest.raises(ValueError, match=r"x\.npz holds no array of numbers"):
        data.open(path)


@pytest.mark.parametrize("source", ["none.npy", "photos", "x.txt", "x.npy/y", ""])
def test_what_is_not_there_is_named_with_what_could_be(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    Path("x.txt").touch()
    said = f"folder of images or data set '{source}': the names are digits"
    with pytest.raises(FileNotFoundError, match=said):
        data.open(source)
    (tmp_path / ".hidden").touch()
    Path("x.txt").unlink()
    with pytest.raises(ValueError, match="holds no files: it should hold images"):
        data.open(tmp_path)


def test_what_had_to_be_converted_may_be_larger_than_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("vaelib.data.levels.CHUNK", 72)
    for x in (np.moveaxis(COLOUR, 1, -1), COLOUR.astype("i8"), COLOUR.astype("u2") * 257):
        for _ in range(2):
            found = opened(x, tmp_path)
            assert isinstance(found.x.base, np.memmap) or isinstance(found.x, np.memmap)
            np.testing.assert_allclose(grey(found), COLOUR.reshape(5, -1) / 255, rtol=1e-6)


def pictures(path, **files):
    for name, image in files.items():
        file = path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    return path


def plain(colour, size=(4, 6), mode="RGB"):
    return Image.new(mode, size[::-1], colour)


def test_folders_in_a_folder_are_classes_and_colour_is_kept(tmp_path):
    red, grey_one = plain((255, 0, 0)), plain(51, mode="L")
    path = pictures(tmp_path / "p", cat__b_png=red, cat__a_png=grey_one, dog__deep__a_webp=red)
    (path / "cat" / ".DS_Store").write_bytes(b"no image")
    (path / "__MACOSX").mkdir()
    (path / "__MACOSX" / "a.png").write_bytes(b"no image")
    found = data.open(path)
    assert (found.shape, found.levels, found.classes) == ((3, 4, 6), 256, ("cat", "dog"))
    assert found.files == ("cat/a.png", "cat/b.png", "dog/deep/a.webp")
    assert found.labels.tolist() == [0, 0, 1]
    assert (found.x[0] == 51).all()
    assert found.x[1].reshape(3, -1).T.tolist() == [[255, 0, 0]] * 24
    assert found.said == ()
    assert data.open(path, grey=True).x[1].tolist() == [76] * 24
    pictures(path, c_png=red)
    assert data.open(path).labels is None


def test_it_is_decoded_once_unless_something_changed(tmp_path, monkeypatch):
    path = pictures(tmp_path / "p", a_png=plain("red"), b_png=plain("blue"))
    decoded = []
    real = folder.decode
    monkeypatch.setattr(folder, "decode", lambda p, *how: decoded.append(p.name) or real(p, *how))
    first, again = data.open(path), data.open(path)
    assert decoded == ["a.png", "b.png"]
    assert np.array_equal(first.x, again.x)
    assert (again.files, again.said, again.shape) == (first.files, first.said, first.shape)
    data.open(path, size=(2, 2))
    assert len(decoded) == 4
    pictures(path, b_png=plain("green"))
    assert data.open(path).x[1].tolist() == [0] * 24 + [128] * 24 + [0] * 24
    pictures(path, c_png=plain("green"))
    assert len(data.open(path)) == 3


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "file" / project)
    path = pictures(tmp_path / "p", a_png=plain("red"), b_png=plain("blue"))
    with pytest.raises(NotADirectoryError):
        data.open(path)


def test_unlike_sizes_name_two_files_and_the_way_out(tmp_path):
    sizes = {"a_png": (8, 8), "b_png": (8, 8), "c_png": (6, 9), "d_png": (7, 7)}
    path = pictures(tmp_path / "p", **{n: plain("red", size) for n, size in sizes.items()})
    with pytest.raises(ValueError, match=r"a.png has 8×8 pixels, c.png has 6×9 .*: --size 6 cuts"):
        data.open(path)
    found = data.open(path, size=(6, 5))
    assert found.shape == (3, 6, 5)
    assert found.x.reshape(4, 3, 30)[:, 0].min() == 255


def test_the_middle_is_cut_out_and_made_smaller_without_aliases(tmp_path):
    x = np.zeros((40, 80), "u1")
    x[:, 20:60:2] = 200  # the middle alone has stripes
    path = pictures(tmp_path / "p", a_png=Image.fromarray(x), b_png=Image.fromarray(x))
    small = data.open(path, size=(10, 10)).x[0].reshape(10, 10)
    assert abs(small[:, 1:-1].astype(int) - 100).max() <= 6


def test_files_that_are_no_images_are_all_listed_and_left_out_when_told(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8))
    path = pictures(tmp_path / "p", a_png=image, b_png=image, c_bmp=image)
    (path / "notes.txt").write_text("notes")
    with pytest.raises(ValueError, match=r"no whole images: notes.txt: cannot"):
        data.open(path)
    (path / "notes.txt").unlink()
    (path / "c.bmp").write_bytes((path / "c.bmp").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"c.bmp: image .*; --skip-broken goes on without"):
        data.open(path)
    found = data.open(path, skip_broken=True)
    assert found.files == ("a.png", "b.png")
    assert "left out: " in found.said[0]
    (path / "a.png").unlink()
    with pytest.raises(ValueError, match="p holds 1 images: at least two are needed"):
        data.open(path, skip_broken=True)


@pytest.mark.cifar_png
def test_a_folder_as_users_have_them(place_of):
    found = data.open(place_of("cifar_png"))
    assert (found.shape, found.levels, found.x.shape) == ((3, 32, 32), 256, (1000, 3072))
    assert found.labels.bincount().tolist() == [100] * 10
    assert found.classes[:2] == ("airplane", "automobile")
    assert not found.said
    for i in (0, 250, 999):
        own = np.asarray(Image.open(place_of("cifar_png") / found.files[i]))
        assert np.array_equal(found.x[i].reshape(3, 32, 32), own.transpose(2, 0, 1))
