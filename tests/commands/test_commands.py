"""``python -m vaelib train``, ``evaluate``, ``sample`` and ``data``, as one types them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tests.training.test_shares import torchrun
from vaelib import __main__ as program
from vaelib import data
from vaelib.commands import folder, images
from vaelib.objectives import elbo

SMALL = ["--latent", "2", "--hidden", "16", "--epochs", "2"]


def run(*words):
    program.main([str(word) for word in words])


def shell(*words, **options):
    command = [sys.executable, "-m", "vaelib", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf8"}
    return subprocess.Popen(command, env=environment, text=True, encoding="utf8", **options)


def weights(path):
    model, _ = folder.load(path)
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "deep" / "run"
    run("train", *SMALL, "--out", path)
    return path


def test_a_run_folder_holds_everything(trained):
    names = {"settings.json", "checkpoint.pt", "history.json", "samples.png"}
    assert {p.name for p in trained.iterdir()} == names
    settings = json.loads((trained / "settings.json").read_text("utf8"))
    assert (settings["data"], settings["pixels"], settings["hidden"]) == ("digits", 64, [16])
    history = json.loads((trained / "history.json").read_text("utf8"))
    assert len(history["train"]) == len(history["validation"]) == 2
    assert history["validation"][1]["elbo"] > history["validation"][0]["elbo"]
    assert (trained / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_evaluation_measures_the_trained_model(trained, capsys):
    run("evaluate", trained, "--images", 200, "--samples", 300)
    said = capsys.readouterr().out
    number = r"(-\d+\.\d\d) ± \d+\.\d\d over images, ± \d+\.\d{3} by sampling"
    bound, evidence = (
        float(re.search(f"{name} +{number}", said)[1]) for name in ("ELBO", r"p\(x\)")
    )
    assert "200 images of digits" in said
    assert bound < evidence
    model, _ = folder.load(trained)
    x = data.binarise(data.load("digits").test)
    with torch.no_grad():
        assert bound == pytest.approx(elbo(model, x, 20).mean().item(), abs=0.5)
    assert re.search(r"active units  [012] of 2", said)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--samples", 1], "samples must be a whole number of at least 2"),
        (["--data", "{}/wide.npy"], "x must have shape (..., 64)"),
        (["--data", "{}/large.npy"], "grey values must lie in [0, 1]"),
    ],
)
def test_what_cannot_be_measured_is_said(trained, words, message, tmp_path, capsys):
    np.save(tmp_path / "wide.npy", np.zeros((30, 81)))
    np.save(tmp_path / "large.npy", np.full((30, 64), 3.0))
    with pytest.raises(SystemExit) as stop:
        run("evaluate", trained, *(str(word).format(tmp_path) for word in words))
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_samples_are_a_picture_or_an_array(trained, tmp_path, capsys):
    run("sample", trained, "--count", 5, "--out", tmp_path / "x.npy")
    x = np.load(tmp_path / "x.npy")
    assert x.shape == (5, 64)
    assert 0 < x.min() < x.max() < 1
    run("sample", trained, "--count", 5, "--seed", 1, "--out", tmp_path / "y.npy")
    assert not np.array_equal(x, np.load(tmp_path / "y.npy"))
    run("sample", trained, "--count", 9, "--out", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "x.png") in capsys.readouterr().out


def test_a_file_of_bytes_trains_as_the_same_numbers_do(tmp_path):
    pixels = (data.load("digits").train * 255).round().to(torch.uint8).numpy()
    np.save(tmp_path / "bytes.npy", pixels.reshape(-1, 8, 8))
    np.save(tmp_path / "numbers.npy", pixels.astype(np.float32) / 255)
    for name in ("bytes", "numbers"):
        run("train", *SMALL, "--data", tmp_path / f"{name}.npy", "--out", tmp_path / name)
    assert torch.equal(weights(tmp_path / "bytes"), weights(tmp_path / "numbers"))


def test_images_to_look_on_are_not_learned_from(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40.0).reshape(20, 2) / 40)
    found = images.find(str(tmp_path / "x.npy"))
    assert (len(found.train), len(found.validation)) == (18, 2)
    assert np.array_equal(np.concatenate([found.train, found.validation]).ravel() * 40, range(40))
    assert found.shape is None
    digits = images.find("digits")
    assert torch.equal(torch.cat([digits.train, digits.validation]), data.load("digits").train)
    assert torch.equal(digits.test, data.load("digits").test)


def test_a_run_can_go_on_and_is_not_written_over(tmp_path, capsys):
    long, short = tmp_path / "long", tmp_path / "short"
    run("train", *SMALL[:-1], 4, "--out", long)
    run("train", *SMALL, "--out", short)
    run("train", *SMALL[:-1], 4, "--out", short, "--resume")
    assert torch.equal(weights(long), weights(short))
    before = (short / "settings.json").read_bytes()
    for words, message in (
        ([], f"{short} holds a run: --resume goes on with it"),
        (["--resume", "--beta", "2"], "other settings: beta was 1.0, is 2.0"),
    ):
        with pytest.raises(SystemExit) as stop:
            run("train", *SMALL, "--out", short, *words)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    assert (short / "settings.json").read_bytes() == before


OPTIONS = {
    "gaussian": ["--likelihood", "gaussian", "--activation", "tanh"],
    "iwae": ["--objective", "iwae", "--samples", "3"],
    "free bits": ["--free-bits", "0.1", "--samples", "2"],
    "patience": ["--patience", "1", "--epochs", "30", "--learning-rate", "0.1"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_way_to_train_can_be_evaluated(name, tmp_path, capsys):
    run("train", *SMALL, *OPTIONS[name], "--out", tmp_path / "run")
    assert ("long without progress" in capsys.readouterr().out) == (name == "patience")
    run("evaluate", tmp_path / "run", "--images", 20, "--samples", 50)
    assert "log p(x)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--data", "cifar", "--out", "{}/run"], "no data set 'cifar': choose"),
        (["train", "--data", "{}/none.npy", "--out", "{}/run"], "there is no file {}/none.npy"),
        (["train", "--data", "{}/words.npy", "--out", "{}/run"], "words.npy holds no array"),
        (["train", "--data", "{}/line.npy", "--out", "{}/run"], "must hold at least two images"),
        (["train", "--data", "{}/large.npy", "--out", "{}/run"], "grey values must lie in [0, 1]"),
        (["train", "--out", "{}/words.npy/run"], "Not a directory"),
        (["train", "--free-bits", "-1", "--out", "{}/run"], "must be a number of at least 0"),
        (["train", "--learning-rate", "0", "--out", "{}/run"], "learning_rate must be positive"),
        (
            ["train", "--likelihood", "x", "--out", "{}"],
            "bernoulli, gaussian, grey, got 'x'",
        ),
        (["train"], "the following arguments are required: --out"),
        (["evaluate", "{}"], "{} holds no run: it lacks settings.json or checkpoint.pt"),
        (["sample", "{}", "--out", "{}/x.png"], "holds no run"),
        (["data", "cifar"], "no data set 'cifar': choose one of digits"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_status_2(words, message, tmp_path, capsys):
    (tmp_path / "words.npy").write_text("epoch 3")
    np.save(tmp_path / "line.npy", np.zeros(3))
    np.save(tmp_path / "large.npy", np.full((30, 4), 3.0))
    with pytest.raises(SystemExit) as stop:
        run(*(word.format(tmp_path) for word in words))
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message.format(tmp_path) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["train", "evaluate", "sample", "data", "explorer"])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        run(command, "--help")
    assert stop.value.code == 0
    assert f"example:\n  python -m vaelib {command}" in capsys.readouterr().out


def test_data_says_what_is_where(small_mnist, capsys):
    run("data", "digits")
    run("data", "mnist", "--folder", small_mnist)
    digits, mnist = capsys.readouterr().out.splitlines()
    assert digits.startswith("digits: 1,498 images to learn from and 299 to test on, 8×8 pixels")
    assert mnist.startswith("mnist: 3 images to learn from and 2 to test on, 28×28")
    assert str(small_mnist) in mnist


def started(process, path):
    while process.poll() is None and not path.exists():
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_leaves_a_run_that_can_be_used_and_goes_on(tmp_path):
    path, whole = tmp_path / "run", tmp_path / "whole"
    words = ["train", *SMALL[:-1], "40", "--every", "0", "--out"]
    process = shell(*words, path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started(process, path / "checkpoint.pt")
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate()
    assert (process.returncode, complaint) == (130, "")
    assert "interrupted" in said
    run("evaluate", path, "--images", 10, "--samples", 10)
    run(*words, path, "--resume")
    run(*words, whole)
    assert torch.equal(weights(path), weights(whole))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_torchrun_restarts_a_killed_worker_from_the_checkpoint(tmp_path):
    """A worker that dies once in the middle: the group starts again and ends as if it had not."""
    whole, path = tmp_path / "whole", tmp_path / "run"
    words = [*SMALL[:-1], "6", "--every", "0", "--batch-size", "100", "--out"]
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, signal, sys\n"
        "from vaelib.__main__ import main\n"
        "from vaelib.training import run\n"
        "count = run.Run.count\n"
        "def dying(self, images, sums):\n"
        "    count(self, images, sums)\n"
        "    first = os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'\n"
        "    if first and os.environ['RANK'] == '1' and self.epoch == 2 and self.seen == 500:\n"
        "        open(__file__ + '.died', 'x').close()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "run.Run.count = dying\n"
        "main(sys.argv[1:])\n"
    )
    for place, restarts, script in ((whole, 0, ["-m", "vaelib"]), (path, 1, [worker])):
        options = [f"--max-restarts={restarts}", *script, "train", *words, place]
        done = torchrun(2, *options, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("validation ELBO") == 1
    assert (tmp_path / "worker.py.died").exists()
    assert torch.equal(weights(whole), weights(path))
