"""Data in bytes, in arrays, in files larger than the memory that a process may use."""

import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from tests.cases import cases, python
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.data.numbers import Part
from vaelib.models import VAE, StandardNormal, conv_decoder, conv_encoder
from vaelib.training import Checkpoint, evaluate
from vaelib.training import rows as rows_room
from vaelib.training.rows import Rows

CPU, META, GPU = (torch.device(name) for name in ("cpu", "meta", "cuda:1"))


def conv():
    torch.manual_seed(0)
    encoder, decoder = conv_encoder((2, 8, 9), [3], 2), conv_decoder((2, 8, 9), [3], 2)
    return VAE(StandardNormal(2), encoder, decoder).double()


def as_bytes(x):
    return (255 * x).round().byte()


def mapped(x, folder):
    np.save(folder / f"{len(x)}.npy", x.numpy())
    return np.load(folder / f"{len(x)}.npy", mmap_mode="r")


NUMBERS = torch.Generator().manual_seed(0)
IMAGES = as_bytes(torch.rand(40, 2, 8, 9, generator=NUMBERS)).double() / 255
HELD = {
    "bytes": lambda x, _: as_bytes(x),
    "an array": lambda x, _: x.numpy(),
    "an array of bytes": lambda x, _: as_bytes(x).numpy(),
    "float32": lambda x, _: x.float(),
    "a file": mapped,
    "a part": lambda x, _: Part(torch.cat([x.flip(0), x]), len(x) + torch.arange(len(x))),
    "a dataset": lambda x, _: TensorDataset(x),
    "a dataset of bytes and labels": lambda x, _: TensorDataset(as_bytes(x), torch.arange(len(x))),
    "a list of arrays": lambda x, _: [image.numpy() for image in x],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", HELD)
def test_images_train_the_same_model_however_they_are_held(kind, tmp_path):
    models, hold = (conv(), conv()), HELD[kind]
    train(models[0], IMAGES, binarise=True, validation=IMAGES[:9])
    for epochs, model in ((1, conv()), (2, models[1])):
        held = {"validation": hold(IMAGES[:9], tmp_path), "epochs": epochs}
        file = Checkpoint(tmp_path / "run.pt", resume=True)
        train(model, hold(IMAGES, tmp_path), binarise=True, checkpoint=file, **held)
    assert torch.equal(*map(parameters, models)) or (
        kind == "float32" and torch.allclose(*map(parameters, models))
    )
    black = IMAGES.round()
    assert evaluate(conv(), hold(black, tmp_path)).kl == evaluate(conv(), black).kl


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
    room = 100_000_000
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
    large = np.lib.format.open_memmap(path, "w+", np.uint8, (50_000, 4096))
    large[::40, ::3] = 200
    large.flush()
    del large
    program = textwrap.dedent(LIMITED.format(path=str(path)))
    said, elbo = python("-c", program).split("\n")[:2]
    assert said == "too large to hold"
    assert -3000 < float(elbo) < 0


def test_a_value_that_is_not_finite_is_found_wherever_it_is(monkeypatch):
    monkeypatch.setattr("vaelib.training.rows.CHUNK", 30)
    x = X.clone()
    x[43, 1] = torch.inf
    with pytest.raises(ValueError, match="x must be finite, got 1 values that are not"):
        train(small_vae(), x)
    with pytest.raises(ValueError, match="validation must be finite, got 1 values"):
        train(small_vae(), X, validation=x)


def fingerprint(x):
    return Rows("x", x, CPU, torch.float32).fingerprint()


def test_a_fingerprint_sees_every_row_of_a_few():
    rows = (X.index_fill(0, torch.tensor(row), 9.0) for row in (0, 24, 49))
    assert len({fingerprint(x) for x in (X, X.float(), X.flip(0), X[:49], X * 2, *rows)}) == 8
    assert fingerprint(X.clone()) == fingerprint(X)


@pytest.mark.parametrize(("row", "seen"), [(0, True), (1, False), (2, True), (2046, True)])
def test_a_fingerprint_looks_at_1024_rows_evenly_spread(row, seen):
    x = torch.zeros(2047, 1)
    other = x.index_fill(0, torch.tensor(row), 1.0)
    assert (fingerprint(x) != fingerprint(other)) is seen


def test_without_a_file_nobody_reads_all_the_data_for_it(monkeypatch):
    monkeypatch.setattr(Rows, "fingerprint", lambda self: pytest.fail("read"))
    train(small_vae())


@pytest.mark.parametrize("fits", [True, False])
def test_data_move_to_the_device_if_they_fit_and_else_row_by_row(monkeypatch, fits):
    asked = []
    monkeypatch.setattr(rows_room, "_fits", lambda *what: asked.append(what) or fits)
    rows = Rows("x", X, META, torch.float32)
    ((x, device),) = asked
    assert (x is X, device) == (True, META)
    assert rows.x.device == (META if fits else CPU)
    picked = rows[torch.tensor([3, 1])]
    assert (picked.device, picked.shape) == (META, (2, 3))
    assert next(rows.chunks()).device == META
    assert next(rows.chunks()).dtype == torch.float32


@cases(
    (CPU, CPU, 0, True),
    (GPU, GPU, 0, True),
    (GPU, CPU, 0, False),
    (GPU, CPU, 2 * 1200, False),
    (GPU, CPU, 2 * 1200 + 1, True),
    (torch.device("cuda:0"), GPU, 0, False),
)
def test_data_fit_a_gpu_in_half_of_what_is_free(monkeypatch, device, lies, free, fits):
    memory = {device: (free, 10**9)}
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory.__getitem__)
    assert rows_room._fits(SimpleNamespace(device=lies, nbytes=1200), device) is fits


@pytest.mark.parametrize(("columns", "sizes"), [(2, [3, 3, 1]), (7, [1] * 7)])
def test_whole_data_come_in_portions_of_so_many_values(monkeypatch, columns, sizes):
    monkeypatch.setattr(rows_room, "CHUNK", 6)
    rows = Rows("x", torch.zeros(7, columns), CPU, torch.float32)
    assert [len(part) for part in rows.chunks()] == sizes
    assert [len(part) for part in rows.chunks(5)] == [5, 2]


def test_a_part_of_an_array_is_read_as_its_copy():
    index = torch.tensor([4, 1, 7, 2])
    x = (torch.arange(20) % 3).to(torch.uint8).reshape(10, 2)
    part = Rows("x", Part(x.numpy(), index, levels=3), CPU, torch.float32)
    copy = Rows("x", x[index].float() / 2, CPU, torch.float32)
    assert len(part) == 4
    picked = torch.tensor([3, 0])
    assert torch.equal(part[picked], copy[picked])
    assert [c.tolist() for c in part.chunks(3)] == [c.tolist() for c in copy.chunks(3)]
    same = Rows("x", Part(x[index], levels=3), CPU, torch.float32)
    assert part.fingerprint() == same.fingerprint()
    assert part.fingerprint() != fingerprint(x[index])
