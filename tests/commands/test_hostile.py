"""Whatever is wrong with a file or an option: one sentence, status 2, nothing written or lost."""

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cases import cases
from tests.commands.words import run
from vaelib.training import checkpoint

GOOD = np.random.default_rng(0).random((30, 16)).astype("f4")


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text, data=b"\0" * 64):
    head = text.encode()
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def described(shape, descr="'<f4'", order=False):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n")


def npz():
    file = io.BytesIO()
    np.savez(file, x=GOOD, y=GOOD)
    return file.getvalue()


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def broken(row, column, value, dtype="f4"):
    array = GOOD.astype(dtype)
    array[row, column] = value
    return array


#: Contents of a file that is named x.npy.
FILES = {
    "nothing": b"",
    "zeros": b"\0" * 500,
    "a picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 80,
    "npz": npz(),
    "an empty zip": b"PK\x05\x06" + b"\0" * 18,
    "csv": b"0.1,0.2\n0.3,0.4\n",
    "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "the mark alone": b"\x93NUMPY",
    "the mark and a version": b"\x93NUMPY\x01\x00",
    "another version": b"\x93NUMPY\x09\x00" + b"\0" * 80,
    "half a header": npy(GOOD)[:40],
    "no data": npy(GOOD)[:128],
    "half": npy(GOOD)[:900],
    "a header that is code": header("__import__('os').mkdir('executed')\n"),
    "a header that is a list": header("[1, 2]\n"),
    "a header without a shape": header("{'descr': '<f4', 'fortran_order': False}\n"),
    "a header that nests": header("(" * 2000 + ")" * 2000),
    "a long header": header("{" + " " * 60000 + "}"),
    "a negative shape": described((-3, 16)),
    "minus one": described((30, -1)),
    "a shape of words": described(("30", "16")),
    "a shape of halves": described((1.5, 16)),
    "a shape that is a number": described(480),
    "a huge shape": described((2**40, 2**40)),
    "a larger shape than there is": described((10**9, 16)),
    "a shape of no images": described((0, 16)),
    "a shape of true": described((True, True)),
    "an unknown type": described((4, 4), "'<q9'"),
    "a type of nothing": described((4, 4), "''"),
    "a type of code": described((4, 4), "'O'"),
    "an order of words": described((4, 4), order="'yes'"),
    "pickled": pickle.dumps(GOOD),
    "a pickle that runs": pickle.dumps(Malicious()),
    "objects": npy(np.array([{"a": 1}, {"b": 2}], object)),
    "objects that run": npy(np.array([Malicious(), Malicious()], object)),
    "strings": npy(np.array([["a", "b"], ["c", "d"]])),
    "records": npy(np.zeros((9,), [("a", "f4"), ("b", "i4")])),
    "complex": npy(GOOD.astype("c8")),
    "dates": npy(np.zeros((9, 4), "M8[s]")),
    "long doubles": npy(GOOD.astype(np.longdouble)),
    "raw": npy(np.zeros((9, 4), "V3")),
    "a number": npy(np.float32(3)),
    "a row": npy(GOOD[0]),
    "one image": npy(GOOD[:1]),
    "no images": npy(GOOD[:0]),
    "no pixels": npy(GOOD[:, :0]),
    "six dimensions": npy(GOOD.reshape(30, 2, 2, 2, 2, 1)),
    "nan": npy(broken(3, 4, np.nan)),
    "nan at the end": npy(broken(-1, -1, np.nan)),
    "inf": npy(broken(3, 4, np.inf)),
    "minus inf": npy(broken(3, 4, -np.inf)),
    "all nan": npy(np.full((30, 16), np.nan, "f4")),
    "negative": npy(broken(3, 4, -0.5)),
    "above one": npy(broken(3, 4, 1.5)),
    "huge": npy(broken(3, 4, 1e300, "f8")),
    "negative whole": npy(np.full((30, 16), -1, "i8")),
}

#: Values that options of ``train`` may not have, and what else may not be typed, beside
#: ``--data good.npy --epochs 1 --out run``.
VALUES = {
    "--data": "none.npy nmist nowhere/ good.npy/x.npy folder.npy",
    "--latent": "0 -1 2.5 many 1000000000 9223372036854775807 99999999999999999999",
    "--hidden": "0 9000000000000000000",
    "--samples": "0 1000000000 9000000000000000000",
    "--epochs": "0 -3",
    "--batch-size": "0",
    "--learning-rate": "0 -1 inf nan small",
    "--activation": "gelu",
    "--likelihood": "poisson",
    "--objective": "vae",
    "--beta": "-1 nan",
    "--free-bits": "-1",
    "--patience": "0",
    "--seed": "-1 99999999999999999999",
    "--every": "-1 nan",
    "--device": "cuda:99 gpu meta cuda:x xla",
    "--latents": "3",
    "--out": "good.npy good.npy/run there",
    "--tensorboard": "good.npy good.npy/curves",
}
TYPED = [f"{option} {value}" for option in VALUES for value in VALUES[option].split()]
TYPED += ["--data=", "--hidden", "--hidden 100000000 100000000", "--resume", "more"]
TYPED += ["--objective iwae --free-bits 1", "--objective iwae --beta 2"]
TYPED += ["--prior flow --free-bits 0.1"]

#: Changes of the settings of a run, and of its checkpoint.
SETTINGS = ("", '{"latent": 2,', "[]", '"run"', "{}", "null", "\udcff")
FIELDS = {
    "latent": [None, -1, "2", 2.5, 10**30, []],
    "hidden": [None, 5, "16", [0], ["a"], {}],
    "activation": [None, "gelu", 3],
    "likelihood": [None, "poisson", []],
    "pixels": [None, 0, "16"],
    "epochs": ["many"],
    "unheard": [1],
}
CHECKPOINTS = {
    "empty": b"",
    "a word": b"state",
    "a zip": npz(),
    "a pickle that runs": pickle.dumps(Malicious()),
    "of another model": {"model": {"weight": torch.zeros(2)}, "best": None},
    "without a model": {"best": None},
    "of a list": {"model": [1, 2], "best": None},
}


@pytest.fixture
def place(tmp_path, monkeypatch, trained):
    """A folder with a good file, a folder that is named as a file, and a run."""
    monkeypatch.chdir(tmp_path)
    np.save("good.npy", GOOD)
    Path("folder.npy").mkdir()
    shutil.copytree(trained, "there")
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    np.save(path / "x.npy", GOOD)
    small = "--latent 2 --hidden 4 --epochs 1 --out"
    run("train --data", path / "x.npy", small, path / "run")
    return path / "run"


@pytest.fixture
def refused(place, refused):
    """A function that types words, which are refused with one sentence and leave all as it was."""

    def contents():
        return {p: p.is_file() and p.read_bytes() for p in place.rglob("*")}

    def typed(*words):
        before, said = contents(), refused(*words)
        assert len(said) > 12
        assert "allow_pickle" not in said
        assert contents() == before
        return said

    return typed


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused(place, refused, name):
    (place / "x.npy").write_bytes(FILES[name])
    assert "x.npy" in refused("train --data x.npy --epochs 1 --out run")
    refused("encode there --data x.npy --out codes.csv")


@cases(*TYPED)
def test_an_option_that_cannot_be_is_refused(refused, words):
    said = refused("train --data good.npy --epochs 1 --out run", words)
    assert "--tensorboard" not in words or "Not a directory" in said
    assert "--prior" not in words or "--free-bits needs independent coordinates, not" in said


@cases(
    "sample nowhere", "sample good.npy", "sample folder.npy", "sample there --count 0",
    "sample there --out x.jpg", "sample there --out x.png --count 1000000000",
    "sample there --out folder.npy", "sample there --out x",
    "encode there", "encode there --out x.png", "encode there --give code --out x.npy",
    "encode there --data digits --out x.npy", "encode there --data none.npy --out x.npy",
    "score there --out x.csv --samples 1", "score there --out x.csv --samples -1",
    "score there --out good.npy/x.csv", "reconstruct there --out x.csv",
    "reconstruct there --out x.png --count none", "interpolate there --out x.png --between 1",
    "interpolate there --out x.png --between 1 99", "interpolate there --steps 0 --out x.png",
    "interpolate there --out x.png --between cat.png 1", "evaluate nowhere",
    "evaluate there --data digits", "evaluate there --images 0", "evaluate", "", "train",
)  # fmt: skip
def test_other_commands_refuse_as_well(refused, words):
    refused(words)


def test_settings_that_are_none_are_refused(place, refused):
    for text in SETTINGS:
        (place / "there/settings.json").write_bytes(text.encode("utf8", "surrogateescape"))
        assert "there/settings.json" in refused("sample there --out x.npy")
        assert "there/settings.json" in refused("train --resume --out there")


@pytest.mark.parametrize("field", FIELDS)
def test_settings_with_another_or_no_value_are_refused(place, refused, field):
    path = place / "there/settings.json"
    good = json.loads(path.read_text("utf8"))
    changed = [good | {field: value} for value in FIELDS[field]]
    without = {name: value for name, value in good.items() if name != field}
    for settings in [*changed, *([without] if field in good else [])]:
        path.write_text(json.dumps(settings), "utf8")
        refused("sample there --out x.npy")
        refused("train --resume --out there")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_is_none_is_refused(place, refused, name):
    path, state = place / "there/checkpoint.pt", CHECKPOINTS[name]
    if isinstance(state, bytes):
        path.write_bytes(state)
    else:
        checkpoint.save(path, state)
    for command in ("sample", "score", "encode"):
        assert "checkpoint.pt" in refused(command, "there --out x.npy")


def test_a_checkpoint_whose_bytes_were_changed_is_refused(place, refused):
    path = place / "there/checkpoint.pt"
    with zipfile.ZipFile(path) as members:
        start = members.infolist()[0].header_offset + 200
    content = bytearray(path.read_bytes())
    content[start] ^= 255
    path.write_bytes(content)
    assert "checkpoint.pt" in refused("sample there --out x.npy")
