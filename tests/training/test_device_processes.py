"""Several processes on GPUs: by NCCL in one process, and in as many as there are GPUs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from tests.training.test_device import DEVICE, needs_gpu, same
from tests.training.test_shares import BATCH, RUNS, torchrun
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.training import shares
from vaelib.training import step as steps

pytestmark = [pytest.mark.not_mutated, needs_gpu]


def alone(folder):
    """One process that averages its gradients with nobody, but by the same road as several."""
    device = torch.device("cuda:0")
    shares.join(device)
    assert dist.get_backend() == "nccl"
    shares.distribute = lambda loss, _: DistributedDataParallel(loss, device_ids=[device])
    steps._recordable = lambda rows, optimizer: False
    total = torch.ones(2, device=device)
    dist.all_reduce(total)
    assert total.tolist() == [1, 1]
    model = small_vae()
    train(model, epochs=3, device=device)
    torch.save(parameters(model), Path(folder, "alone.pt"))
    shares.leave()


def test_a_process_that_averages_gradients_with_nobody_makes_the_weights_of_one(tmp_path):
    done = torchrun(1, "-m", __name__, tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    train(model := small_vae(), epochs=3, device=DEVICE)
    same([torch.load(tmp_path / "alone.pt")], [parameters(model)])


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_on_a_gpu_give_the_weights_of_one(two, name):
    make, x, settings = RUNS[name]
    train(model := make(), x, **BATCH, **settings, device=DEVICE)
    for weights, _ in (one[name] for one in two):
        assert torch.allclose(weights, parameters(model), atol=1e-5, rtol=0)
    assert torch.equal(two[0][name][0], two[1][name][0])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(2, "-m", "tests.training.test_shares", folder, DEVICE, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("processes", [1, 2])
def test_the_command_trains_on_as_many_gpus(processes, tmp_path):
    pytest.importorskip("matplotlib")
    if processes > torch.cuda.device_count():
        pytest.skip(f"needs {processes} GPUs")
    np.save(tmp_path / "x.npy", X.sigmoid().float().numpy())
    words = ["--data", tmp_path / "x.npy", "--epochs", 2, "--out", tmp_path / "run"]
    done = torchrun(processes, "-m", "vaelib", "train", *words, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "run" / "checkpoint.pt").exists()


if __name__ == "__main__":
    alone(sys.argv[1])
