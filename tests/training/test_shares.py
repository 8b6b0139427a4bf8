"""Several processes train as one does: same order, same noise, same weights."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributions import Gamma, Laplace, Normal, StudentT, Uniform

from tests.cases import cases
from tests.training import test_training as training
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.divergence import kl_by_coordinate
from vaelib.objectives import ELBO, elbo
from vaelib.training import Loss, shares

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(), reason="torch without gloo"
)
RUNS = {name: run for name, run in training.RUNS.items() if name != "patience"}
BATCH = {"epochs": 5, "batch_size": 7}  # 8 steps an epoch, the last with a single row


def worker(folder, device="cpu"):
    """What each process does."""
    if device == "cpu":
        shares.join(torch.device(device))
    else:
        dist.init_process_group("gloo")  # NCCL wants a GPU for each process
    assert dist.get_backend() == "gloo"
    done = {}
    for name, (make, x, settings) in RUNS.items():
        model = make(seed=dist.get_rank())  # the first process's parameters count
        history = train(model, x, **BATCH, **settings, device=device)
        done[name] = parameters(model), [tuple(t) for t in history.train + history.validation]
    torch.save(done, Path(folder, f"{dist.get_rank()}.pt"))
    shares.leave()


def torchrun(processes, *arguments, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", *map(str, arguments)]
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    done = torchrun(2, "-m", __name__, folder, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.not_mutated
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


def each_of(monkeypatch, size):
    """Be one of several processes after the other."""
    monkeypatch.setattr(shares, "size", lambda: size)
    for rank in range(size):
        monkeypatch.setattr(shares, "rank", lambda rank=rank: rank)
        yield rank


@pytest.mark.parametrize("rows", [1, 2, 7, 128])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_row_is_one_processs(monkeypatch, rows, size):
    seen = []
    for _ in each_of(monkeypatch, size):
        share = shares.Share(rows)
        seen += range(rows)[share.rows] if share.counts else ()
        assert len(range(rows)[share.rows]) > 0
    assert seen == list(range(rows))


DRAWN = {  # functions of the parameters of some rows
    "sizes": lambda a: torch.randn(len(a), 2),
    "a size": lambda a: torch.rand((len(a), 2)),
    "three dimensions": lambda a: torch.randn(4, len(a), 2),
    "parameters": lambda a: torch.normal(torch.zeros_like(a), 2.0),
    "a generator": lambda a: torch.bernoulli(
        torch.full_like(a, 0.5), generator=torch.Generator().manual_seed(4)
    ),
    "in place": lambda a: torch.zeros_like(a).normal_(mean=3.0, std=0.1),
    "normal": lambda a: Normal(a, 1 + a).rsample((3,)),
    "laplace": lambda a: Laplace(a, 1 + a).rsample(),
    "uniform": lambda a: Uniform(a, 1 + a).rsample((3,)),
    "gamma": lambda a: Gamma(1 + a, 1.0).rsample((1,)),
    "student": lambda a: StudentT(5.0 * torch.ones_like(a), a, 1 + a).rsample((3,)),
}
SHARED = {
    "a vector": lambda: torch.randn(5),
    "a vector of coins": lambda: torch.bernoulli(torch.full((5,), 0.5)),
    "a vector in place": lambda: torch.zeros(5).uniform_(),
}


@pytest.mark.parametrize(("rows", "size"), [(7, 2), (7, 3), (1, 3)])
@pytest.mark.parametrize("name", DRAWN)
def test_each_row_meets_the_noise_of_a_single_process(monkeypatch, name, rows, size):
    a = torch.rand(rows, 2, dtype=torch.float64)
    torch.manual_seed(1)
    whole, following = DRAWN[name](a), torch.rand(3)
    for _ in each_of(monkeypatch, size):
        torch.manual_seed(1)
        share = shares.Share(rows)
        with share.noise():
            part = DRAWN[name](a[share.rows])
        torch.testing.assert_close(part, whole[..., share.rows, :], atol=1e-12, rtol=0)
        assert name == "gamma" or torch.equal(torch.rand(3), following)


@pytest.mark.parametrize("name", SHARED)
def test_what_has_no_rows_is_the_same_for_all(monkeypatch, name):
    torch.manual_seed(1)
    whole = SHARED[name]()
    for _ in each_of(monkeypatch, 3):
        torch.manual_seed(1)
        with shares.Share(7).noise():
            assert torch.equal(SHARED[name](), whole)


LOSSES = {"plain": ELBO(), "free bits": ELBO(free_bits=0.3), "its own": partial(elbo, samples=2)}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_average_bound_with_its_weights(name):
    model, x, beta = small_vae(), X[:7], 0.5
    value, sums = Loss(model, LOSSES[name])(x, beta, shares.Share(7))
    each = kl_by_coordinate(model.encode(x), model.prior).mean(0)
    if name == "its own":
        expected = -sums[0] / 7
    else:
        expected = beta * each.clamp(min=LOSSES[name].free_bits).sum() - sums[1] / 7
    assert torch.allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_the_average_of_the_shares_is_the_whole(monkeypatch, name):
    model, x, beta = small_vae(), X[:7], 0.5
    each = kl_by_coordinate(model.encode(x), model.prior).detach()
    assert each.mean(0).min() < 0.3 < each.mean(0).max()
    loss = Loss(model, LOSSES[name])

    def seen(share):
        torch.manual_seed(1)
        value, sums = loss(x[share.rows], beta, share)
        slopes = torch.autograd.grad(value, [p for p in model.parameters() if p.requires_grad])
        return [value.detach(), sums, *slopes]

    whole = seen(shares.Share(7))
    monkeypatch.setattr(shares, "total", lambda value: each.sum(0))
    parts = [seen(shares.Share(7)) for _ in each_of(monkeypatch, 3)]
    value, sums, *slopes = map(sum, zip(*parts, strict=True))
    assert torch.allclose(sums, whole[1], atol=1e-12, equal_nan=True)
    for part, right in zip([value, *slopes], [whole[0], *whole[2:]], strict=True):
        assert torch.allclose(part / 3, right, atol=1e-12)


@pytest.mark.parametrize("initialized", [True, False])
def test_who_one_is_and_how_many_there_are(monkeypatch, initialized):
    monkeypatch.setattr(dist, "is_initialized", lambda: initialized)
    monkeypatch.setattr(dist, "get_rank", lambda: 3)
    monkeypatch.setattr(dist, "get_world_size", lambda: 5)
    assert (shares.rank(), shares.size()) == ((3, 5) if initialized else (0, 1))


@pytest.mark.parametrize("size", [1, 2])
def test_a_total_is_over_all_processes_and_what_was_given_stays(monkeypatch, size):
    monkeypatch.setattr(shares, "size", lambda: size)
    monkeypatch.setattr(dist, "all_reduce", lambda value: value.mul_(size))
    mine = torch.ones(3)
    assert torch.equal(shares.total(mine), torch.full((3,), float(size)))
    assert torch.equal(mine, torch.ones(3))


@cases(
    ("cpu", None),
    ("cuda:1", [torch.device("cuda:1")]),
)
def test_gradients_are_averaged_where_there_are_several(monkeypatch, device, devices):
    monkeypatch.setattr(shares, "DistributedDataParallel", lambda *a, **named: (*a, named))
    loss, device = small_vae(), torch.device(device)
    assert shares.distribute(loss, device) is loss
    monkeypatch.setattr(shares, "size", lambda: 2)
    assert shares.distribute(loss, device) == (loss, {"device_ids": devices})


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda:1", "nccl")])
@pytest.mark.parametrize("machines", ["1", "2", None])
def test_processes_meet_by_the_address_that_torchrun_gives(monkeypatch, device, backend, machines):
    """On one machine each start has a corner of the store, named by the number of the start."""
    asked, chosen = [], []
    monkeypatch.setattr(dist, "rendezvous", lambda url: iter([(f"store of {url}", 3, 5)]))
    monkeypatch.setattr(dist, "PrefixStore", lambda prefix, store: (prefix, store))
    monkeypatch.setattr(dist, "init_process_group", lambda *a, **named: asked.append((*a, named)))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "7")
    monkeypatch.delenv("GROUP_WORLD_SIZE", raising=False)
    if machines:
        monkeypatch.setenv("GROUP_WORLD_SIZE", machines)
    shares.join(torch.device(device))
    store = ("7", "store of env://") if machines == "1" else "store of env://"
    assert asked == [(backend, {"store": store, "rank": 3, "world_size": 5})]
    assert chosen == ([torch.device(device)] if backend == "nccl" else [])


if __name__ == "__main__":
    worker(*sys.argv[1:])
