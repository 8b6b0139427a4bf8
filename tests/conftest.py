"""What all tests share: a seed, and MNIST where its files are at hand."""

import os
from pathlib import Path

import pytest
import torch

from vaelib import data


def pytest_configure(config):
    torch.set_num_threads(1)  # the tensors are small: more threads only wait for each other
    config.addinivalue_line("markers", "mnist: needs MNIST's four files in VAELIB_DATA_DIR")


def pytest_runtest_setup(item):
    folder = Path(os.environ.get("VAELIB_DATA_DIR") or "/nonexistent")
    missing = [f for f in data.MNIST if not any((folder / n).is_file() for n in (f, f"{f}.gz"))]
    if missing and item.get_closest_marker("mnist"):
        pytest.skip("set VAELIB_DATA_DIR to the folder with MNIST's four files")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
