"""``compress`` and ``decompress``: images as files, and back in another process, bit for bit."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaelib
from tests.cases import cases, python
from tests.commands.words import run
from vaelib import compress, data

COLOUR = np.random.default_rng(5).integers(0, 256, (30, 3, 8, 8), "u1")
SMALL = "--latent 3 --hidden 8 --epochs 1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run of each likelihood, and the colour images of two of them."""
    path = tmp_path_factory.mktemp("runs")
    np.save(path / "x.npy", COLOUR)
    for name in ("bernoulli", "logistic", "mixture", "gaussian"):
        colour = ("--network conv --data", path / "x.npy") * (name in ("mixture", "gaussian"))
        run("train", *colour, SMALL, "--likelihood", name, "--out", path / name)
    return path


def elsewhere(*words, threads):
    python("-m", "vaelib", *words, env=os.environ | {"OMP_NUM_THREADS": str(threads)})


@pytest.mark.parametrize("name", ["logistic", "mixture"])
def test_what_one_process_writes_another_reads_bit_for_bit(runs, tmp_path, name):
    x = COLOUR if name == "mixture" else np.random.default_rng(1).integers(0, 17, (50, 8, 8), "u1")
    np.save(tmp_path / "x.npy", x)
    file, back = tmp_path / "x.bits", tmp_path / "back.npy"
    elsewhere("compress", runs / name, "--data", tmp_path / "x.npy", "--out", file, threads=2)
    (tmp_path / "x.npy").unlink()
    elsewhere("decompress", file, "--run", runs / name, "--out", back, threads=1)
    found = np.load(back)
    assert (found.dtype, found.shape) == (np.uint8, x.shape)
    assert (found == x).all()


def test_the_file_is_that_of_the_library_and_its_bits_are_told(runs, typed, capsys):
    typed("compress", runs / "logistic", "--seed 3 --out x.bits")
    model, x = vaelib.load(runs / "logistic"), data.load("digits").test
    made = compress.coded(model, x, seed=3)
    content = Path("x.bits").read_bytes()
    assert content == made.content
    said = capsys.readouterr().out
    head = r"x\.bits: ([\d,]+) bytes for 299 images, digits; (\S+) bits an image, (\S+) a dimension"
    size, each, share = re.match(head, said).groups()
    assert int(size.replace(",", "")) == len(content)
    assert float(each) == pytest.approx(float(made.images.mean()), abs=0.06)
    assert float(share) == pytest.approx(float(made.images.mean()) / 64, abs=6e-5)
    assert f"and {made.header + made.initial:,} bits that say" in said


def test_grey_images_are_drawn_black_and_white_once_and_that_is_said(runs, typed, capsys):
    run, drawn = runs / "bernoulli", "grey pixels are drawn black or white"
    typed("compress", run, "--out a.bits --seed 4")
    assert drawn in capsys.readouterr().err
    typed("decompress a.bits --out a.npy --run", run)
    x = data.binarise(data.load("digits").test, torch.Generator().manual_seed(4))
    assert (np.load("a.npy") == 16 * x.numpy().reshape(-1, 8, 8)).all()  # as digits has ink
    typed("compress", run, "--data a.npy --out b.bits --seed 4")
    assert capsys.readouterr().err == ""
    assert Path("a.bits").read_bytes() == Path("b.bits").read_bytes()


def test_numbers_that_are_taken_as_they_are_come_back_so(typed, tmp_path):
    x = np.random.default_rng(2).integers(0, 2, (30, 5)).astype("f4")
    np.save("x.npy", x)
    typed("train --data x.npy", SMALL, "--out run")
    typed("compress run --out x.bits")
    typed("decompress x.bits --run run --out back.npy")
    back = np.load("back.npy")
    assert back.dtype == np.float32
    assert (back == x).all()


@pytest.mark.parametrize(("name", "mode"), [("mixture", "RGB"), ("bernoulli", "L")])
def test_pictures_are_written_into_a_new_folder_and_read_again(runs, typed, name, mode):
    run = runs / name
    typed("compress", run, "--out x.bits")
    typed("decompress x.bits --out pictures --run", run)
    names = sorted(os.listdir("pictures"))
    count = 30 if mode == "RGB" else 299
    assert names == [f"{n:0{len(str(count - 1))}}.png" for n in range(count)]
    assert Image.open("pictures/" + names[0]).mode == mode
    typed("compress", run, "--data pictures --levels 256 --out y.bits")
    assert Path("x.bits").read_bytes() == Path("y.bits").read_bytes()


@pytest.fixture(scope="module")
def files(runs):
    """Files of the runs beside them, one cut short, and images that no level is of."""
    for name, file in (("mixture", "x.bits"), ("logistic", "digits.bits")):
        run("compress", runs / name, "--out", runs / file)
    content = (runs / "x.bits").read_bytes()
    (runs / "half.bits").write_bytes(content[: len(content) // 2])
    np.save(runs / "grey.npy", COLOUR / np.float32(256))
    return runs


UNFIT = "17 levels of images of shape (8, 8) do not fit into pictures: write an array, .npy"


@cases(
    ("decompress HERE/half.bits --run HERE/mixture --out y.npy", "file is cut short or altered"),
    ("decompress HERE/x.bits --run HERE/bernoulli --out y.npy", "was written by another model"),
    ("decompress HERE/grey.npy --run HERE/mixture --out y.npy", "grey.npy: this is no file of va"),
    ("decompress none.bits --run HERE/mixture --out y.npy", "none.bits: No such file or director"),
    ("decompress HERE/x.bits --run HERE/mixture --out full", "full is there already: name a new"),
    ("decompress HERE/digits.bits --run HERE/logistic --out new", UNFIT),
    ("compress HERE/gaussian --out y.bits", "bits-back coding needs p(x given z) over levels"),
    ("compress HERE/mixture --data HERE/grey.npy --out y.bits", "outside the decoder's support"),
)
@pytest.mark.usefixtures("typed")
def test_what_cannot_be_is_told_in_a_sentence(files, refused, words, said):
    Path("full").mkdir()
    assert said in refused(words.replace("HERE", str(files)))
    assert {*os.listdir()} - {"cache"} == {"full"}
