"""What does not fit into memory is refused with the size that it asks for, and what would fit."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.cases import cases
from tests.commands.test_train import SETTINGS
from vaelib.commands import memory

CPU = torch.device("cpu")
WIDE = replace(SETTINGS, pixels=64, hidden=[1000], latent=20, batch_size=1400)


@pytest.fixture
def room(monkeypatch):
    """A function that says how much memory there is."""
    return lambda size: monkeypatch.setattr(memory, "of", lambda device: size)


def refused(settings, error=None):
    with pytest.raises(MemoryError) as raised, memory.bounded(settings, 10_000, CPU):
        raise error or AssertionError("it was begun")
    return str(raised.value)


def test_a_batch_that_asks_for_too_much_is_refused_and_one_that_fits_is_named(room):
    room(10_000_000)
    said = refused(WIDE)
    fits = int(re.search(r"cpu has 0.01 GiB: --batch-size (\d+) would fit$", said)[1])
    assert 100 < fits < 700
    with memory.bounded(replace(WIDE, batch_size=fits), 10_000, CPU):
        pass
    with memory.bounded(WIDE, fits, CPU):  # no more rows than that
        pass


def test_a_model_that_is_too_large_is_told_with_what_it_asks_for(room):
    room(3_000_000)
    said = refused(WIDE)
    asked = float(
        re.match(r"out of memory: (\d+\.\d\d) GiB asked for, cpu has 0.00 GiB: ", said)[1]
    )
    assert asked * 2**30 > 16 * sum(p.numel() for p in WIDE.model().parameters())
    assert said.endswith("take a smaller --hidden or --latent, or fewer --samples")


def gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.50 MiB. GPU 0 has")


@cases(
    (lambda: torch.empty(10**15), r" 4000000000000000 bytes"),
    (lambda: np.empty(10**15), r" 7\.11 PiB"),
    (lambda: torch.empty(2**62), ""),
    (gpu, r" 20\.50 MiB"),
)
def test_what_a_machine_refuses_is_told_in_its_words_with_half_a_batch(room, allocate, asked):
    room(2**40)
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        allocate()
    said = refused(WIDE, raised.value)
    assert re.search(f"^out of memory: .*{asked}", said)
    assert said.endswith("cpu has 1024.00 GiB: --batch-size 700 would fit")


def test_other_errors_are_not_of_memory(room):
    room(2**40)
    with pytest.raises(RuntimeError, match=r"^a fault$"), memory.bounded(WIDE, 9, CPU):
        raise RuntimeError("a fault")
