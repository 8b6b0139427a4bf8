"""What all tests share: a seed, MNIST where its files are at hand, and a small stand-in for it."""

import gzip
import hashlib
import json
import os
from collections import Counter
from functools import cache, partial
from pathlib import Path
from threading import RLock

import numpy as np
import pytest
import torch
from tqdm import tqdm

from tests.browser.fixtures import browser, pytest_terminal_summary, site  # noqa: F401
from tests.commands.words import refused, typed  # noqa: F401
from tests.data.mirror import home, mirrored, mirrors  # noqa: F401
from vaelib import data

collect_ignore = ["fuzz", "mutants"]  # need more than the tests do: make fuzz, make mutants


def pytest_configure():
    torch.set_num_threads(1)  # the tensors are small: more threads only wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"  # and so in the kernels and processes of the tests
    os.environ.setdefault("VAELIB_DATASET", "digits")  # on a GPU, too: tests fetch nothing
    tqdm.set_lock(RLock())  # its own is shared with forks, and stays locked if one is killed
    tqdm.monitor_interval = 0


AT_HAND = Path(os.environ.get("VAELIB_DATA_DIR") or "/nonexistent")
PLACES = {  # marker of a test ↦ folders that may hold its data, and a file of them
    "mnist": (("mnist", "."), "train-images-idx3-ubyte*"),
    "fashion_mnist": (("fashion-mnist",), "train-images-idx3-ubyte.gz"),
    "frey": (("frey",), "frey_rawface.mat"),
    "mnist_static": (("mnist-static", "binarised-mnist"), "*"),
    "cifar_png": (("cifar-png",), "*/*.png"),
    "odd_images": (("odd-images",), "hopper.ppm"),
}


def place(marker):
    """Where the data of a marker lie: in VAELIB_DATA_DIR, or beside it."""
    names, file = PLACES[marker]
    folders = (base / name for base in (AT_HAND, AT_HAND.parent) for name in names)
    return next((folder for folder in folders if any(folder.glob(file))), None)


def pytest_runtest_setup(item):
    for marker in PLACES:
        if item.get_closest_marker(marker) and not place(marker):
            pytest.skip(f"set VAELIB_DATA_DIR to the folder that holds {PLACES[marker][0][0]}")


@pytest.fixture
def place_of():
    """A function from a marker to the folder of its data."""
    return place


@cache
def _seconds(stats):
    return json.loads(stats.read_text("utf8"))["duration_by_test"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what needs the site. Where ``make mutants`` has left its times, quick files go first."""
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker("site")
    stats = Path("mutmut-stats.json")
    if stats.exists():
        total = Counter()
        for item in items:
            total[item.path] += _seconds(stats).get(item.nodeid, 0)
        items.sort(key=lambda item: total[item.path])


@pytest.fixture(autouse=True)
def checked():
    """Compiling turns the checks of torch's distributions off, for all that comes after."""
    torch.distributions.Distribution.set_default_validate_args(True)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_cache(request, monkeypatch):
    """No test reads or fills the cache of whoever runs it."""
    tmp_path = partial(request.getfixturevalue, "tmp_path")
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path() / "cache" / project)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four small IDX files in MNIST's layout; their checksums are now MNIST's."""
    folder = tmp_path / "small"
    folder.mkdir()
    for file, n in zip(data.MNIST, (3, 3, 2, 2), strict=True):
        sizes = (n, 28, 28) if "images" in file else (n,)
        values = np.arange(np.prod(sizes)) % (256 if "images" in file else 10)
        header = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">i4").tobytes()
        raw = header + values.astype(np.uint8).tobytes()
        monkeypatch.setitem(data.MNIST, file, hashlib.sha256(raw).hexdigest())
        (folder / f"{file}.gz").write_bytes(gzip.compress(raw))
    mirrored(monkeypatch, "http://127.0.0.1:9/")
    return folder
