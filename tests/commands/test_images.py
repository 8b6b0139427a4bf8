"""The images that a command is told to use: what is learned from, what is judged, what is said."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cases import cases
from tests.commands.test_train import options
from vaelib import data
from vaelib.commands import images
from vaelib.commands.settings import Settings
from vaelib.training.rows import Rows


def typed(*words):
    return options(*words, "--out", "run")


def find(path, *words):
    return images.find(typed("--data", path, "--likelihood", "gaussian", *words))


def seen(part):
    """A part as a model sees it."""
    rows = Rows("x", part, torch.device("cpu"), torch.float32)
    return torch.cat([*rows.chunks()])


@pytest.fixture
def saved(tmp_path):
    def save(x, name="x.npy"):
        np.save(tmp_path / name, x)
        return tmp_path / name

    return save


@cases(
    (2, 1),
    (19, 1),
    (20, 2),
    (99_999, 9_999),
    (100_010, 10_000),
    (200_000, 10_000),
)
def test_a_tenth_is_held_out_but_not_too_much(saved, count, held):
    x = np.arange(count, dtype="f4")[:, None] / count
    found = find(saved(x))
    assert (len(found.train), len(found.validation)) == (count - held, held)
    parts = [seen(part) for part in (found.train, found.validation)]
    assert torch.equal(torch.cat(parts).sort(0).values, torch.from_numpy(x))
    assert all(torch.equal(part, part.sort(0).values) for part in parts)
    assert found.test is found.validation


def test_held_out_rows_are_drawn_by_the_seed_so_that_sorted_classes_are_on_both_sides(saved):
    path = saved(np.repeat(np.eye(10, dtype="f4"), 100, 0))
    held = [seen(find(path, "--seed", seed).validation) for seed in (0, 0, 1)]
    assert torch.equal(held[0], held[1])
    assert not torch.equal(held[0], held[2])
    assert (held[0].sum(0) > 0).sum() >= 8


def test_a_file_is_not_copied(saved):
    base = find(saved(np.random.default_rng(0).random((20, 9)))).train.x
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.mode == "r"


def test_a_name_is_that_of_a_data_set(small_mnist, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA_DIR", str(small_mnist))
    for name in ("digits", "mnist"):
        found, known = find(name), data.load(name)
        whole = found.whole
        assert (whole.name, whole.shape, whole.levels) == (name, known.shape, known.levels)
        whole = torch.cat([seen(found.train), seen(found.validation)])
        assert torch.equal(whole.sum(0), known.train.sum(0))
        assert torch.equal(seen(found.test), known.test)


@pytest.mark.mnist_static
def test_images_that_the_authors_set_apart_are_the_validation(place_of, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA_DIR", str(place_of("mnist_static").parent))
    found = find("mnist-static")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [
        50_000,
        10_000,
        10_000,
    ]


GREY = np.random.default_rng(0).random((100, 4)).astype("f4")


@cases(
    (GREY[:50], ["only 45 images to learn from: what is learned will be coarse"]),
    (GREY * [1, 0, 1, 0], ["2 of 4 pixels are the same in every image"]),
    (np.repeat(GREY[:50], 2, 0), ["held-out images are in the training images, too"]),
    (GREY * 9, ["holds numbers from ", "taken as they are; --levels 256 divides them by 255"]),
    (GREY * 999, ["taken as they are; columns of unlike size should be standardised before"]),
    (GREY, ["rows of 4 numbers, taken as a table: --shape 2,2 makes images"]),
)
def test_what_may_surprise_is_said_in_a_line(saved, x, said):
    lines = find(saved(x)).said
    for words in said:
        assert sum(words in line for line in lines) == 1, lines
    plain = find(saved(GREY[:, :3])).said
    assert plain == ()


def folder(path, counts):
    pixels = np.random.default_rng(0)
    for name, count in counts.items():
        (path / name).mkdir(parents=True)
        for i in range(count):
            grey = pixels.integers(0, 256, (4, 6), dtype=np.uint8)
            Image.fromarray(grey).save(path / name / f"{i}.png")
    return path


def test_a_class_that_is_on_one_side_alone_is_named(tmp_path):
    found = find(folder(tmp_path / "photos", {"cat": 100, "dog": 90, "unicorn": 1}))
    assert found.whole.shape == (4, 6)
    (line,) = found.said
    assert line.endswith("image is of class unicorn")


@cases(
    (GREY * 255, "--levels 256 divides them by 255. But bernoulli pixels need"),
    (np.round(GREY * 16), "--levels 17 divides them by 16"),
    (GREY - 0.5, "--likelihood gaussian"),
)
def test_numbers_that_are_no_grey_values_are_refused_for_black_and_white(saved, x, way):
    path = saved(x)
    with pytest.raises(ValueError, match="bernoulli pixels need grey values") as raised:
        images.find(typed("--data", path))
    assert str(path) in str(raised.value)
    assert way in str(raised.value)


def test_a_run_finds_its_data_again(tmp_path, saved):
    path = folder(tmp_path / "photos", {"a": 30})
    for words in (
        ["--data", path, "--size", 3],
        ["--data", saved(np.eye(30, 8) * 3), "--levels=9"],
    ):
        chosen = typed(*words)
        first = images.find(chosen)
        again = images.find(Settings.of(chosen, first))
        for part in ("train", "validation", "test"):
            assert torch.equal(seen(getattr(again, part)), seen(getattr(first, part)))


def test_other_data_are_read_whole_and_as_the_run_read_its_own(saved):
    chosen = typed("--data", saved(np.full((30, 9), 16, "u1") * np.eye(30, 9, dtype="u1")))
    run = Settings.of(chosen, images.find(chosen))
    other = np.arange(180, dtype="u1").reshape(20, 9) % 4
    path = saved(other, "other.npy")
    for words, by in (([], 16), (["--levels", 4], 3)):
        found = images.find_all(typed("--data", path, *words), run)
        torch.testing.assert_close(seen(found.test), torch.from_numpy(other) / by)
        assert found.said == ()
    far = typed("--data", saved(other * 1.5 - 1, "far.npy"))
    said = images.find_all(far, replace(run, levels=None)).said[-1]
    assert said.endswith("holds numbers from -1 to 3.5, the run learned from 0 to 1")
    with pytest.raises(ValueError, match=r"images of shape .*and the run had 9: --shape, --size"):
        images.find_all(typed("--data", saved(np.eye(5, dtype="u1"), "5.npy")), run)
