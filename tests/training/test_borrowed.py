"""What a run borrows of a device, and puts back: generators, quick products, memory."""

import platform
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from tests.cases import cases, python
from tests.training.test_training import small_vae, train
from vaelib.training import device

CPU = torch.device("cpu")


class Moving(torch.nn.Module):
    """Says where it is; of several GPUs, the third is meant where none is named."""

    device = CPU

    def to(self, device):
        self.device = torch.device("cuda:2") if device == torch.device("cuda") else device
        return self

    def parameters(self):
        yield SimpleNamespace(device=self.device, dtype=torch.float64)


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs, each with a generator; what is asked of them."""
    forked = Mock(return_value=nullcontext())
    monkeypatch.setattr(torch.random, "fork_rng", forked)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    return forked


@cases(
    ("cuda", "cuda:2"),
    ("cuda:1", "cuda:1"),
    ("cpu", "cpu"),
    (None, "cpu"),
)
def test_a_device_has_the_name_that_its_tensors_give_it(gpus, asked, given):
    model = Moving()
    with device.borrowed(model, asked, 0) as found:
        assert found == torch.device(given)
    assert model.device == CPU


@cases(
    ("cpu", False, []),
    ("cpu", True, [0, 1, 2]),
    ("cuda:1", False, [0, 1, 2]),
)
def test_every_generator_that_a_seed_reaches_is_put_back(gpus, monkeypatch, where, in_use, kept):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: in_use)
    with device.borrowed(Moving(), where, 0):
        assert [*gpus.call_args.kwargs["devices"]] == kept


def test_a_run_asks_for_the_device_that_it_is_told():
    with pytest.raises(RuntimeError, match="device string: nowhere"):
        train(small_vae(), device="nowhere")


@cases(
    (0.0, torch.float32, "medium"),
    (1e-3, torch.float32, "highest"),
    (0.0, torch.float64, "highest"),
)
def test_a_run_takes_the_fast_route_only_where_it_keeps_float32(monkeypatch, error, dtype, route):
    monkeypatch.setattr(device, "matmul_error", lambda: error)
    model, seen, found = small_vae().to(dtype), set(), torch.get_float32_matmul_precision
    model.encoder.register_forward_pre_hook(lambda *_: seen.add(found()))
    assert found() == "highest"
    train(model)
    assert seen == {route}
    assert found() == "highest"


def test_the_error_of_a_product_tells_float32_from_bfloat16(monkeypatch):
    assert 0 < device.matmul_error() < 1e-6
    product = torch.Tensor.__matmul__

    def coarse(a, b):
        if a.dtype == torch.float64:
            return product(a, b)
        return product(a.bfloat16().float(), b.bfloat16().float())

    monkeypatch.setattr(torch.Tensor, "__matmul__", coarse)
    assert device.matmul_error() > 1e-4


PAGES = """
import resource
import torch
from tests.training.test_training import small_vae, train

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step = [torch.ones(6_000_000) for _ in range(4)]
        del step
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

model, inside = small_vae(), []
model.encoder.register_forward_pre_hook(lambda *_: inside.append(pages()))
train(model, epochs=1)
print(inside[-1], pages())
"""


@pytest.mark.not_mutated
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_the_memory_of_a_step_is_kept_for_the_next():
    said = python("-c", PAGES, cwd=Path(__file__).parents[2])
    inside, outside = map(int, said.split())
    assert 3 * inside < outside
