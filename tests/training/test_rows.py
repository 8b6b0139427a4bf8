"""Data in bytes, in arrays, in files larger than the memory that a process may use."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from tests.training.test_resume import coins
from tests.training.test_training import GREY, X, parameters, small_vae, train
from vaelib.training import evaluate
from vaelib.training.rows import Rows

BYTES = (GREY * 255).round().to(torch.uint8)
CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", ["bytes", "array", "array of bytes", "float32"])
def test_the_same_numbers_train_the_same_model_however_they_are_held(kind):
    held = {
        "bytes": BYTES,
        "array": (BYTES.double() / 255).numpy(),
        "array of bytes": BYTES.numpy(),
        "float32": BYTES.float() / 255,
    }[kind]
    models = coins(), coins()
    plain = BYTES.double() / 255
    for model, x in zip(models, (plain, held), strict=True):
        train(model, x, binarise=True, validation=x[:9])
    assert torch.equal(*map(parameters, models)) or (
        kind == "float32" and torch.allclose(*map(parameters, models))
    )


@pytest.mark.filterwarnings("error")
def test_a_file_is_read_where_it_is_picked(tmp_path):
    np.save(tmp_path / "x.npy", X.numpy())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    models = small_vae(), small_vae()
    train(models[0], X)
    train(models[1], mapped)
    assert torch.equal(*map(parameters, models))
    assert evaluate(models[0], mapped).kl == evaluate(models[0], X).kl


LIMITED = """
    import resource, sys
    import numpy as np, torch
    from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
    from vaelib.training import fit

    torch.set_num_threads(1)
    model = VAE(StandardNormal(2), GaussianEncoder(4096, [8], 2), BernoulliDecoder(2, [8], 4096))
    small = torch.rand(256, 4096)
    fit(model, small, epochs=1, binarise=True, progress=False)   # everything is loaded now
    status = open("/proc/self/status").read()
    used = int(status.partition("VmData:")[2].split()[0]) * 1024
    room = 200_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (used + room, used + room))
    x = np.load({path!r}, mmap_mode="r")
    assert x.nbytes > 2 * room
    try:
        np.array(x)
    except MemoryError:
        print("too large to hold")
    print(fit(model, x, epochs=1, binarise=True, progress=False).train[0].elbo)
"""


@pytest.mark.not_mutated
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_training_needs_less_memory_than_its_file(tmp_path):
    path = tmp_path / "large.npy"
    large = np.lib.format.open_memmap(path, "w+", np.uint8, (100_000, 4096))
    large[::40, ::3] = 200
    large.flush()
    del large
    program = textwrap.dedent(LIMITED.format(path=str(path)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, elbo = done.stdout.split("\n")[:2]
    assert said == "too large to hold"
    assert -3000 < float(elbo) < 0


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 2), np.int32), "x must be floating point or bytes, .* got torch.int32"),
        (np.zeros(3), r"got torch.float64 \(3,\)"),
        (np.zeros((0, 2)), r"got torch.float64 \(0, 2\)"),
    ],
)
def test_other_arrays_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        Rows("x", x, CPU, torch.float32)


def test_a_value_that_is_not_finite_is_found_wherever_it_is(monkeypatch):
    monkeypatch.setattr("vaelib.training.rows.CHUNK", 30)
    x = X.clone()
    x[43, 1] = torch.inf
    with pytest.raises(ValueError, match="x must be finite, got 1 values that are not"):
        train(small_vae(), x)
    with pytest.raises(ValueError, match="validation must be finite, got 1 values"):
        train(small_vae(), X, validation=x)


def test_a_fingerprint_tells_data_apart():
    prints = {
        Rows("x", x, CPU, torch.float32).fingerprint()
        for x in (X, X.float(), X.flip(0), X[:49], X * 2)
    }
    assert len(prints) == 5
    assert Rows("x", X.clone(), CPU, torch.float64).fingerprint() in prints
