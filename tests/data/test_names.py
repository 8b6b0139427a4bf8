"""The data sets by name, from their own files: what they hold, and where they are looked for."""

import shutil

import numpy as np
import pytest
import torch

from vaelib import data

NAMED = {  # images to learn from, to choose by, to judge; height and width, levels
    "mnist": (60_000, None, 10_000, (28, 28), 256),
    "fashion-mnist": (60_000, None, 10_000, (28, 28), 256),
    "mnist-static": (50_000, 10_000, 10_000, (28, 28), 2),
    "frey": (1565, None, 400, (28, 20), 256),
}
MARKED = [pytest.param(name, marks=getattr(pytest.mark, name.replace("-", "_"))) for name in NAMED]


@pytest.mark.parametrize("name", MARKED)
def test_a_named_set_is_what_its_sums_say(name, place_of):
    found = data.load(name, place_of(name.replace("-", "_")))
    train, validation, test, shape, levels = NAMED[name]
    assert (len(found.train), len(found.test)) == (train, test)
    assert (found.validation if validation is None else len(found.validation)) == validation
    assert (found.name, found.shape, found.levels) == (name, shape, levels)
    steps = found.train[:100] * (levels - 1)
    torch.testing.assert_close(steps, steps.round())
    assert (found.train.min(), found.train.max()) == (0, 1) or name == "frey"
    if name == "mnist":
        assert found.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert found.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.frey
def test_a_face_stands_upright(place_of):
    frey = data.load("frey", place_of("frey"))
    face = frey.train.mean(0).reshape(28, 20)
    aligned, skewed = (x.diff(dim=0).abs().mean() for x in (face, face.reshape(20, 28)))
    assert aligned < skewed / 1.5
    levels = torch.cat([frey.train, frey.test]) * 255
    assert (round(float(levels.min())), round(float(levels.max()))) == (8, 238)


@pytest.mark.mnist
@pytest.mark.mnist_static
def test_the_static_test_images_are_mnists_drawn_once(place_of):
    static = data.load("mnist-static", place_of("mnist_static"))
    mnist = data.load("mnist", place_of("mnist"))
    grey = mnist.test[mnist.test_labels.argsort(stable=True)]
    at = slice(None, None, 100)
    impossible = ((grey == 0) & (static.test == 1)) | ((grey == 1) & (static.test == 0))
    assert impossible[at].float().mean() < 1e-3


def linked(path, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for file in path.glob("*-ubyte*"):
        (folder / file.name).symlink_to(file)


@pytest.mark.mnist
@pytest.mark.fashion_mnist
def test_each_is_found_in_its_folder_or_in_the_one_that_has_its_sums(home, place_of):
    mnist, fashion = place_of("mnist"), place_of("fashion_mnist")
    linked(fashion, home.parent)
    assert data.folder_of("fashion-mnist") == home.parent
    assert data.folder_of("mnist") == home
    linked(mnist, home)
    assert data.load("mnist").name == "mnist"
    assert data.load("fashion-mnist").test_labels[:3].tolist() == [9, 2, 1]
    linked(fashion, own := home.with_name("fashion-mnist"))
    assert data.folder_of("fashion-mnist") == own


@pytest.mark.parametrize("name", ["frey", "mnist-static"])
@pytest.mark.usefixtures("home")
def test_what_nobody_fetches_says_how_to_put_it_there(name):
    with pytest.raises(FileNotFoundError, match=f"vaelib data {name} --folder F puts it there"):
        data.load(name)


@pytest.mark.frey
def test_another_film_is_refused(place_of, tmp_path):
    from scipy.io import loadmat, savemat

    faces = loadmat(place_of("frey") / "frey_rawface.mat")["ff"]
    faces[3, 3] ^= 1
    savemat(tmp_path / "frey_rawface.mat", {"ff": faces})
    with pytest.raises(ValueError, match="the SHA-256 of the faces is another"):
        data.load("frey", tmp_path)
    for content in (b"", b"MATLAB", bytes(400)):
        (tmp_path / "frey_rawface.mat").write_bytes(content)
        with pytest.raises(ValueError, match=r"frey_rawface\.mat holds no Frey faces: "):
            data.load("frey", tmp_path)


@pytest.mark.mnist_static
def test_the_authors_own_files_are_read_too_and_others_are_refused(place_of, tmp_path):
    from vaelib.data.given import STATIC, static

    packed = static(place_of("mnist_static"))
    for part, x in packed.items():
        text = np.stack([x + ord("0"), np.full_like(x, ord(" "))], 2).reshape(len(x), -1)
        text[:, -1] = ord("\n")
        text.tofile(tmp_path / f"binarized_mnist_{part}.amat")
    assert all(np.array_equal(x, packed[part]) for part, x in static(tmp_path).items())
    first = tmp_path / "binarized_mnist_valid.amat"
    first.write_bytes(b"1" + first.read_bytes()[1:])
    with pytest.raises(ValueError, match="the SHA-256 of valid is another"):
        static(tmp_path)
    for content in ({"train": packed["train"][:9]}, {p: packed["valid"][:5] for p in STATIC}):
        np.savez(tmp_path / "packed.npz", **content)
        with pytest.raises(ValueError, match=r"holds no static images|SHA-256"):
            static(tmp_path)
    shutil.copy(first, tmp_path / "packed.npz")
    with pytest.raises(ValueError, match="holds no static images"):
        static(tmp_path)
