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
from vaelib.__main__ import main
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

#: Options of ``train`` beside ``--data good.npy --epochs 1 --out run``.
OPTIONS = {
    "no data": "--data none.npy",
    "no name": "--data nmist",
    "an empty name": "--data=",
    "no folder": "--data nowhere/",
    "a file in a file": "--data good.npy/x.npy",
    "a folder that is named as a file": "--data folder.npy",
    "no latent": "--latent 0",
    "negative latent": "--latent -1",
    "half a latent": "--latent 2.5",
    "latent that is a word": "--latent many",
    "huge latent": "--latent 1000000000",
    "latent beyond numbers": "--latent 9223372036854775807",
    "latent beyond words": "--latent 99999999999999999999",
    "huge hidden": "--hidden 100000000 100000000",
    "hidden beyond numbers": "--hidden 9000000000000000000",
    "no hidden": "--hidden 0",
    "hidden without a width": "--hidden",
    "too many samples": "--samples 1000000000",
    "samples beyond numbers": "--samples 9000000000000000000",
    "no samples": "--samples 0",
    "no epochs": "--epochs 0",
    "negative epochs": "--epochs -3",
    "no batch": "--batch-size 0",
    "no step": "--learning-rate 0",
    "a negative step": "--learning-rate -1",
    "an infinite step": "--learning-rate inf",
    "a step that is none": "--learning-rate nan",
    "a step of words": "--learning-rate small",
    "an unknown activation": "--activation gelu",
    "an unknown likelihood": "--likelihood poisson",
    "an unknown objective": "--objective vae",
    "negative beta": "--beta -1",
    "beta that is none": "--beta nan",
    "negative bits": "--free-bits -1",
    "bits for importance weights": "--objective iwae --free-bits 1",
    "beta for importance weights": "--objective iwae --beta 2",
    "no patience": "--patience 0",
    "a negative seed": "--seed -1",
    "a seed beyond numbers": "--seed 99999999999999999999",
    "negative seconds": "--every -1",
    "seconds that are none": "--every nan",
    "no such gpu": "--device cuda:99",
    "no such device": "--device gpu",
    "a device without numbers": "--device meta",
    "a device with a word": "--device cuda:x",
    "a device of another kind": "--device xla",
    "nothing to go on with": "--resume",
    "an unknown option": "--latents 3",
    "a word too much": "more",
    "a run in a file": "--out good.npy",
    "a run below a file": "--out good.npy/run",
    "a run where one is": "--out there",
    "curves in a file": "--tensorboard good.npy",
    "curves below a file": "--tensorboard good.npy/curves",
}

#: Changes of the settings of a run, and of its checkpoint.
SETTINGS = {
    "empty": "",
    "cut": '{"latent": 2,',
    "a list": "[]",
    "a word": '"run"',
    "nothing known": "{}",
    "null": "null",
    "not text": "\udcff",
}
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
    small = ["--latent", "2", "--hidden", "4", "--epochs", "1"]
    main(["train", "--data", str(path / "x.npy"), *small, "--out", str(path / "run")])
    return path / "run"


@pytest.fixture
def refused(place, capsys):
    """A function that types words, which are refused with one sentence and leave all as it was."""

    def typed(*words):
        before = {p: p.is_file() and p.read_bytes() for p in place.rglob("*")}
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        said = capsys.readouterr().err
        assert end.value.code == 2, said
        last = said.strip().splitlines()[-1]
        assert last.startswith("python -m vaelib"), said
        assert len(last) > 30
        assert "Traceback" not in said
        assert "allow_pickle" not in said
        assert said.startswith("usage: ") or said.count("python -m vaelib") == 1, said
        assert {p: p.is_file() and p.read_bytes() for p in place.rglob("*")} == before
        return last

    return typed


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused(place, refused, name):
    (place / "x.npy").write_bytes(FILES[name])
    assert "x.npy" in refused("train", "--data", "x.npy", "--epochs", 1, "--out", "run")
    refused("encode", "there", "--data", "x.npy", "--out", "codes.csv")


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_cannot_be_is_refused(refused, name):
    words = ["--data", "good.npy", "--epochs", "1", "--out", "run", *OPTIONS[name].split(" ")]
    said = refused("train", *words)
    assert "curves" not in name or "Not a directory" in said


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
    refused(*words.split())


def test_settings_that_are_none_are_refused(place, refused):
    for text in SETTINGS.values():
        (place / "there/settings.json").write_bytes(text.encode("utf8", "surrogateescape"))
        assert "there/settings.json" in refused("sample", "there", "--out", "x.npy")
        assert "there/settings.json" in refused("train", "--resume", "--out", "there")


@pytest.mark.parametrize("field", FIELDS)
def test_settings_with_another_or_no_value_are_refused(place, refused, field):
    path = place / "there/settings.json"
    good = json.loads(path.read_text("utf8"))
    changed = [good | {field: value} for value in FIELDS[field]]
    without = {name: value for name, value in good.items() if name != field}
    for settings in [*changed, *([without] if field in good else [])]:
        path.write_text(json.dumps(settings), "utf8")
        refused("sample", "there", "--out", "x.npy")
        refused("train", "--resume", "--out", "there")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_is_none_is_refused(place, refused, name):
    path, state = place / "there/checkpoint.pt", CHECKPOINTS[name]
    if isinstance(state, bytes):
        path.write_bytes(state)
    else:
        checkpoint.save(path, state)
    for command in ("sample", "score", "encode"):
        assert "checkpoint.pt" in refused(command, "there", "--out", "x.npy")


def test_a_checkpoint_whose_bytes_were_changed_is_refused(place, refused):
    path = place / "there/checkpoint.pt"
    with zipfile.ZipFile(path) as members:
        start = members.infolist()[0].header_offset + 200
    content = bytearray(path.read_bytes())
    content[start] ^= 255
    path.write_bytes(content)
    assert "checkpoint.pt" in refused("sample", "there", "--out", "x.npy")


def test_there_are_enough_of_them():
    assert len(FILES) + len(OPTIONS) + len(CHECKPOINTS) + sum(map(len, FIELDS.values())) > 100
