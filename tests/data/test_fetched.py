"""MNIST's files: trusted by their bytes alone, fetched by HTTP from mirrors that may mean ill."""

import errno
import gzip
import hashlib
import io
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import torch
from tqdm import tqdm

from tests.cases import cases
from tests.data.mirror import GZ, mirrored
from vaelib import data
from vaelib.data import download, fetched

ONE, TWO = (f"/{mirror}/{GZ[0]}" for mirror in ("one", "two"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("packed", [True, False])
def test_files_are_read_compressed_or_not(small_mnist, packed):
    for path in [] if packed else list(small_mnist.glob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    mnist = data.load("mnist", small_mnist)
    assert (mnist.name, mnist.shape, mnist.levels) == ("mnist", (28, 28), 256)
    assert (mnist.train.shape, mnist.test.shape) == ((3, 784), (2, 784))
    torch.testing.assert_close(mnist.train.flatten()[:256] * 255, torch.arange(256.0))
    assert mnist.train_labels.tolist() == [0, 1, 2]
    assert mnist.test_labels.dtype == torch.int64


def altered(path):
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[-1] ^= 1
    path.write_bytes(gzip.compress(raw))


@pytest.mark.parametrize("file", data.MNIST)
def test_an_altered_file_is_refused(small_mnist, file):
    altered(small_mnist / f"{file}.gz")
    with pytest.raises(ValueError, match=rf"{file}.gz is not MNIST's {file}.*differs; delete it"):
        data.load("mnist", small_mnist)


@cases(
    lambda b: b[:-20],
    lambda b: b"x" + b,
    lambda b: b[:30] + b"?" * 20,
    lambda b: b[:10] + b[20:],
)
def test_a_damaged_gzip_file_is_refused(small_mnist, damage):
    path = small_mnist / GZ[0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"gz is not a whole gzip file \(.*; delete it"):
        data.load("mnist", small_mnist)


def test_a_file_of_a_size_that_is_just_allowed_is_taken(mirrors, home, monkeypatch):
    largest = max(len(gzip.decompress((mirrors.one / name).read_bytes())) for name in GZ)
    assert fetched.MOST > 60_000 * 28 * 28 + 16
    monkeypatch.setattr(fetched, "MOST", largest)
    data.load("mnist")
    monkeypatch.setattr(fetched, "MOST", largest - 1)
    with pytest.raises(ValueError, match=f"a gzip file of more than {largest - 1} bytes"):
        data.load("mnist")


@cases(
    (gzip.compress(bytes(2**26)), "a gzip file of more than 1048576 bytes; delete it"),
    (bytes(2**20) + b"x", "it has more than 1048576 bytes; delete it"),
    (bytes(2**20), "not a whole gzip file"),
    ids=["a bomb", "a large one", "one just small enough to be read"],
)
def test_a_file_takes_no_more_memory_than_it_may_hold(small_mnist, monkeypatch, content, said):
    monkeypatch.setattr(fetched, "MOST", 2**20)
    (small_mnist / GZ[0]).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=said):
            data.load("mnist", small_mnist)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_what_is_not_there_is_fetched_once(mirrors, home, small_mnist, tmp_path, monkeypatch):
    first = data.load("mnist")
    assert mirrors.asked == [f"/one/{name}" for name in GZ]
    assert names(home) == sorted(GZ)
    again, placed = data.load("mnist"), data.load("mnist", small_mnist)
    assert len(mirrors.asked) == 4
    for x, y, z in zip(first[3:7], again[3:7], placed[3:7], strict=True):
        assert torch.equal(x, y)
        assert torch.equal(x, z)
    monkeypatch.delenv("VAELIB_DATA_DIR")
    data.load("mnist")
    assert names(tmp_path / "cache" / "vaelib" / "mnist") == sorted(GZ)


@pytest.mark.parametrize("missing", GZ)
def test_only_what_a_folder_lacks_is_fetched(mirrors, home, small_mnist, missing):
    (small_mnist / missing).unlink()
    data.load("mnist", small_mnist)
    assert not home.exists()
    assert mirrors.asked == [f"/one/{missing}"]
    assert names(small_mnist) == sorted(GZ)


@pytest.fixture
def fashion(mirrors, monkeypatch):
    """The same mirrors for Fashion-MNIST, of which the compressed bytes are known."""
    files = {f: (mirrors.one / f"{f}.gz").read_bytes() for f in data.MNIST}
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    mirrored(monkeypatch, *mirrors.urls, name="fashion-mnist", files=sums)
    mirrored(monkeypatch, files=dict.fromkeys(data.MNIST, "0" * 64))


@pytest.mark.usefixtures("fashion")
def test_fashion_mnist_is_fetched_from_its_own_mirrors_into_a_place_of_its_own(mirrors, home):
    images = data.load("fashion-mnist")
    assert images.name == "fashion-mnist"
    assert images.train.shape == (3, 784)
    assert mirrors.asked == [f"/one/{name}" for name in GZ]
    assert names(home.with_name("fashion-mnist")) == sorted(GZ)
    assert not home.exists()


@pytest.mark.usefixtures("fashion", "mirrors")
def test_another_fashion_is_refused_and_offline_it_is_said_what_to_do(small_mnist, monkeypatch):
    raw = gzip.decompress((small_mnist / GZ[0]).read_bytes())
    (small_mnist / GZ[0]).write_bytes(gzip.compress(raw, 1, mtime=7))
    with pytest.raises(ValueError, match="is not Fashion-MNIST's train-images-idx3-ubyte: its SHA"):
        data.load("fashion-mnist", small_mnist)
    mirrored(monkeypatch, name="fashion-mnist")
    (small_mnist / "train-images-idx3-ubyte").write_bytes(b"")  # it must be compressed
    (small_mnist / GZ[0]).unlink()
    with pytest.raises(FileNotFoundError) as error:
        data.load("fashion-mnist", small_mnist)
    assert str(error.value).splitlines() == [
        f"no mirror gives Fashion-MNIST's {GZ[0]}:",
        "Offline, put Fashion-MNIST's four files into a folder and set VAELIB_DATA_DIR to it, "
        "or set VAELIB_DATASET=digits, which needs none",
    ]


def test_the_bar_counts_the_bytes_of_each_file_and_goes_away(mirrors, home, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, **settings):
            super().__init__(**settings, file=io.StringIO())
            bars.append(self)

        def close(self):
            self.all = (self.desc, self.n, self.total, self.unit, self.unit_scale, self.leave)
            super().close()

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    data.load("mnist")
    sizes = [(home / name).stat().st_size for name in GZ]
    for bar, name, size in zip(bars, GZ, sizes, strict=True):
        desc, *others = bar.all
        assert desc.startswith(name)
        assert others == [size, size, "B", True, False]


def sent(body, length=None):
    """A fault: an answer with a body, and a length that may be another."""

    def send(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def endless(mirrors, drop=bytes(2**16), pause=0.0):
    def pour(handler):
        handler.send_response(200)
        handler.end_headers()
        while not mirrors.over.wait(pause):
            handler.wfile.write(drop)

    return pour


def dripping(mirrors):
    return endless(mirrors, b"x", 0.05)


def another(mirrors):
    altered(mirrors.one / GZ[0])
    return sent((mirrors.one / GZ[0]).read_bytes())


def round_and_round(handler):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


FAULTS = {  # a function from the mirrors to what one does, what is said of it, a limit to shorten
    "absent": (lambda mirrors: lambda handler: handler.send_error(404), "404"),
    "broken": (lambda mirrors: lambda handler: handler.send_error(500), "500"),
    "altered": (another, f"not MNIST's {GZ[0][:-3]}: its SHA-256 differs"),
    "a page": (lambda mirrors: sent(b"<html>Sign in to the network</html>"), "not a whole gzip"),
    "cut short": (lambda mirrors: sent(b"x", length=9), "IncompleteRead(1 bytes read, 8 more"),
    "silent": (lambda mirrors: lambda handler: mirrors.over.wait(20), "timed out", "TIMEOUT"),
    "dripping": (dripping, "too slow", "PATIENCE"),
    "endless": (endless, "more than 1048576 bytes"),
    "a bomb": (lambda mirrors: sent(gzip.compress(bytes(2**20 + 1))), "more than 1048576 bytes"),
    "round and round": (lambda mirrors: round_and_round, "redirects"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mirror_with_a_fault_is_named_and_left_for_the_next(mirrors, home, monkeypatch, name):
    fault, said, *limits = FAULTS[name]
    monkeypatch.setattr(fetched, "MOST", 2**20)
    for limit in limits:
        monkeypatch.setattr(download, limit, 0.4)
    mirrors.faults[ONE] = mirrors.faults[TWO] = fault(mirrors)
    start = time.monotonic()
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist")
    first, one, two, way_out = str(error.value).splitlines()
    assert first == f"no mirror gives MNIST's {GZ[0]}:"
    for line, url in zip((one, two), mirrors.urls, strict=True):
        assert line.startswith(f"  {url}: ")
        assert said in line
    assert "four files into a folder and set VAELIB_DATA_DIR" in way_out
    assert "VAELIB_DATASET=digits" in way_out
    assert not [*home.iterdir()]
    del mirrors.faults[TWO]
    data.load("mnist")
    assert time.monotonic() - start < 20
    assert mirrors.asked[-4:] == [f"/two/{each}" for each in GZ]
    assert (home / GZ[0]).read_bytes() == (mirrors.two / GZ[0]).read_bytes()
    assert names(home) == sorted(GZ)


def test_what_was_fetched_before_all_failed_is_kept(mirrors, home):
    for folder in (mirrors.one, mirrors.two):
        (folder / GZ[2]).unlink()
    with pytest.raises(FileNotFoundError, match=f"no mirror gives MNIST's {GZ[2]}"):
        data.load("mnist")
    assert names(home) == sorted(GZ[:2])


def test_a_mirror_that_takes_its_time_within_reason_is_used(mirrors, home):
    whole = (mirrors.one / GZ[0]).read_bytes()

    def late(handler):
        sent(b"", len(whole))(handler)
        handler.wfile.flush()
        mirrors.over.wait(0.5)
        handler.wfile.write(whole)

    mirrors.faults[ONE] = late
    data.load("mnist")
    assert mirrors.asked == [f"/one/{name}" for name in GZ]


CHILD = """
from vaelib import data
from vaelib.data.sources import SOURCES
SOURCES["mnist"] = SOURCES["mnist"]._replace(mirrors={urls!r}, files={sums!r})
print(int(data.load("mnist").train.sum()))
"""


def child(mirrors):
    code = CHILD.format(urls=mirrors.urls, sums=dict(data.MNIST))
    return subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)


def test_two_processes_may_fetch_at_once_and_a_killed_one_leaves_nothing(mirrors, home):
    mirrors.faults[ONE] = dripping(mirrors)
    both, deadline = [child(mirrors), child(mirrors)], time.monotonic() + 60
    while len([*home.rglob("*.gz")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    killed, other = both
    killed.kill()
    killed.communicate()
    left = [*home.rglob("*.gz")]
    assert len({path.parent for path in left} - {home}) == 2
    mirrors.faults.clear()
    data.load("mnist")
    mirrors.over.set()
    out, trouble = other.communicate(timeout=120)
    assert (other.returncode, out) == (0, f"{int(data.load('mnist').train.sum())}\n"), trouble
    assert {path.name for path in home.iterdir() if path.is_file()} == set(GZ)


def test_a_full_disk_is_one_clear_sentence(mirrors, home, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name, said in (
        (fetched, "download", f"no room for {GZ[0]} in {home}"),
        (fetched, "TemporaryDirectory", r"cannot be written \(No space left on device\)"),
    ):
        monkeypatch.setattr(module, name, full)
        with pytest.raises(OSError, match=said) as error:
            data.load("mnist")
        assert type(error.value) is OSError
        assert error.value.errno == errno.ENOSPC
        assert len(str(error.value).splitlines()) == 1
        assert not [*home.iterdir()]


@pytest.mark.parametrize("kind", ["read-only", "a file"])
def test_a_folder_that_cannot_be_written_is_one_sentence(mirrors, tmp_path, kind, monkeypatch):
    folder = Path("/sys/vaelib") if kind == "read-only" else tmp_path / "mine"
    if kind == "a file":
        folder.write_text("")
    elif not folder.parent.is_dir():
        pytest.skip("no folder here that even the administrator cannot write to")
    monkeypatch.setenv("VAELIB_DATA_DIR", str(folder))
    said = r"cannot be written .*; set VAELIB_DATA_DIR"
    with pytest.raises(PermissionError, match=said) as error:
        data.load("mnist")
    assert len(str(error.value).splitlines()) == 1
    assert not mirrors.asked
