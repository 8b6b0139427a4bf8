"""Several processes train as one does: same order, same noise, same weights."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from test_training import GREY, X, parameters, small_vae, train
from test_training_resume import coins
from torch.distributions import Gamma, Laplace, Normal, StudentT, Uniform

from vaelib.objectives import iwae
from vaelib.training import shares

pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(), reason="torch without gloo"
)
BATCH = {"epochs": 13, "batch_size": 7}  # 8 steps an epoch, the last with a single row
RUNS = {
    "plain": (small_vae, X, {}),
    "several samples": (small_vae, X, {"samples": 3, "kl": "sampled"}),
    "free bits": (small_vae, X, {"free_bits": 0.3}),
    "importance weights": (small_vae, X, {"objective": partial(iwae, samples=4)}),
    "pixels drawn": (coins, GREY, {"binarise": True, "validation": GREY[:9]}),
}


def worker(folder):
    """What each process does."""
    dist.init_process_group("gloo")
    done = {}
    for name, (make, x, settings) in RUNS.items():
        model = make(seed=dist.get_rank())  # the first process's parameters count
        history = train(model, x, **BATCH, **settings)
        done[name] = parameters(model), [tuple(t) for t in history.train + history.validation]
    torch.save(done, Path(folder, f"{dist.get_rank()}.pt"))
    dist.destroy_process_group()


def torchrun(processes, *arguments, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    done = torchrun(2, __file__, folder, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.processes
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_weights_of_one(together, name):
    make, x, settings = RUNS[name]
    alone = make()
    history = train(alone, x, **BATCH, **settings)
    averages = [tuple(t) for t in history.train + history.validation]
    for weights, seen in (one[name] for one in together):
        assert torch.allclose(weights, parameters(alone), atol=1e-5, rtol=0)
        assert torch.allclose(
            torch.tensor(seen), torch.tensor(averages), atol=1e-5, rtol=0, equal_nan=True
        )
    assert torch.equal(together[0][name][0], together[1][name][0])


@pytest.mark.parametrize("rows", [1, 2, 7, 128])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_row_is_one_processs(monkeypatch, rows, size):
    monkeypatch.setattr(shares, "size", lambda: size)
    seen = []
    for rank in range(size):
        monkeypatch.setattr(shares, "rank", lambda rank=rank: rank)
        share = shares.Share(rows)
        seen += range(rows)[share.rows] if share.counts else ()
        assert len(range(rows)[share.rows]) > 0
    assert seen == list(range(rows))


FAMILIES = {
    "normal": lambda a: Normal(a, 1 + a),
    "laplace": lambda a: Laplace(a, 1 + a),
    "uniform": lambda a: Uniform(a, 1 + a),
    "gamma": lambda a: Gamma(1 + a, 1.0),
    "student": lambda a: StudentT(5.0 * torch.ones_like(a), a, 1 + a),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("samples", [1, 3])
def test_each_row_meets_the_noise_of_a_single_process(monkeypatch, family, samples):
    a = torch.rand(7, 2, dtype=torch.float64)
    torch.manual_seed(1)
    whole = FAMILIES[family](a).rsample((samples,))
    following = torch.rand(3)
    monkeypatch.setattr(shares, "size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(shares, "rank", lambda rank=rank: rank)
        torch.manual_seed(1)
        share = shares.Share(7)
        with share.noise():
            part = FAMILIES[family](a[share.rows]).rsample((samples,))
        assert torch.allclose(part, whole[:, share.rows], atol=1e-12)
        assert family == "gamma" or torch.equal(torch.rand(3), following)


def test_a_process_without_rows_uses_up_the_same_noise(monkeypatch):
    torch.manual_seed(1)
    torch.bernoulli(torch.full((1, 2), 0.5))
    following = torch.rand(3)
    monkeypatch.setattr(shares, "size", lambda: 3)
    monkeypatch.setattr(shares, "rank", lambda: 0)
    torch.manual_seed(1)
    share = shares.Share(1)
    with share.noise():
        assert torch.bernoulli(torch.full((1, 2), 0.5)).shape == (1, 2)
    assert share.counts == 0
    assert torch.equal(torch.rand(3), following)


if __name__ == "__main__":
    worker(sys.argv[1])
