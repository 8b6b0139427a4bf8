"""Mirrors, disks and files that mean ill: the next mirror, a clear error, and bounded memory."""

import errno
import gzip
import subprocess
import sys
import time
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from urllib3.exceptions import ProtocolError

from tests.data.mirror import GZ
from vaelib import data
from vaelib.data import download, mnist
from vaelib.data.idx import parse

ONE = f"/one/{GZ[0]}"


def begin(handler, length=None):
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def silent(mirrors):
    return lambda handler: mirrors.over.wait(20)


def dripping(mirrors):
    def drip(handler):
        begin(handler, 10_000)
        while not mirrors.over.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return drip


def endless(mirrors):
    def pour(handler):
        begin(handler)
        while not mirrors.over.is_set():
            handler.wfile.write(bytes(2**16))

    return pour


def a_bomb(mirrors):
    packed = gzip.compress(bytes(2**26 + 1))

    def send(handler):
        begin(handler, len(packed))
        handler.wfile.write(packed)

    return send


def broken(mirrors):
    return lambda handler: handler.send_error(500)


def round_and_round(mirrors):
    def send(handler):
        handler.send_response(302)
        handler.send_header("Location", handler.path)
        handler.end_headers()

    return send


FAULTS = {
    silent: "timed out",
    dripping: "too slow",
    endless: "more than",
    a_bomb: "more than",
    broken: "500",
    round_and_round: "redirects",
}


@pytest.fixture
def hurried(monkeypatch):
    """Limits small enough for a test."""
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    monkeypatch.setattr(download, "MOST", 2**20)
    monkeypatch.setattr(mnist, "MOST", 2**20)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("hurried")
def test_a_mirror_that_means_ill_is_left_for_the_next(mirrors, home, fault):
    mirrors.faults[ONE] = fault(mirrors)
    start = time.monotonic()
    data.load("mnist")
    assert time.monotonic() - start < 10
    assert f"/two/{GZ[0]}" in mirrors.asked
    assert (home / GZ[0]).read_bytes() == (mirrors.two / GZ[0]).read_bytes()
    assert sorted(path.name for path in home.iterdir()) == sorted(GZ)


@pytest.mark.parametrize(("fault", "said"), FAULTS.items())
@pytest.mark.usefixtures("hurried")
def test_what_was_wrong_with_it_is_said(mirrors, home, fault, said):
    mirrors.faults[ONE] = mirrors.faults[f"/two/{GZ[0]}"] = fault(mirrors)
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist")
    lines = str(error.value).splitlines()
    assert [url in line for url, line in zip(mirrors.urls, lines[1:], strict=False)] == [True, True]
    assert all(said in line for line in lines[1:3])
    assert not [*home.iterdir()]


@pytest.mark.parametrize(
    ("seconds", "sizes", "said"),
    [
        ([20], [1], None),
        ([21], [21 * 4096], None),
        ([21], [21 * 4096 - 1], "^86015 bytes in 21 seconds are too slow$"),
        ([1, 40], [40 * 4096 - 1, 1], None),
        ([1, 40], [40 * 4096 - 2, 1], "^163839 bytes in 40 seconds are too slow$"),
        ([1], [download.MOST], None),
        ([1, 1], [download.MOST, 1], "^more than 67108864 bytes$"),
    ],
)
def test_what_is_too_slow_or_too_much_is_known_to_the_byte(monkeypatch, seconds, sizes, said):
    clock = iter([5.0, *(5.0 + s for s in seconds)])
    monkeypatch.setattr(download, "monotonic", lambda: next(clock))
    coming = iter([memoryview(bytes(size)) for size in sizes] + [b""])
    chunks = download._chunks(SimpleNamespace(read1=lambda size: next(coming)), 9)
    with pytest.raises(OSError, match=said) if said else nullcontext():
        assert [len(chunk) for chunk in chunks] == sizes


@pytest.mark.parametrize(("more", "said"), [(0, "SHA-256"), (1, "it has more than 8 bytes")])
def test_a_file_may_have_just_as_many_bytes_as_are_read(tmp_path, monkeypatch, more, said):
    monkeypatch.setattr(mnist, "MOST", 8)
    path = tmp_path / GZ[0]
    path.write_bytes(bytes(8 + more))
    wanted = mnist.source("fashion-mnist")
    with pytest.raises(ValueError, match=said):
        mnist._verified(path, next(iter(wanted.files)), wanted)


def test_each_process_fetches_into_a_folder_of_its_own(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(mnist, "TemporaryDirectory", lambda **how: asked.append(how))
    mnist._place(tmp_path)
    assert asked == [{"dir": tmp_path, "prefix": ".fetch-", "ignore_cleanup_errors": True}]


def test_a_bomb_takes_no_more_memory_than_a_file_may_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 2**16)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(2**26)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="a gzip file of more than 65536 bytes"):
            mnist._uncompressed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("hurried")
def test_a_mirror_that_takes_its_time_within_reason_is_used(mirrors, home):
    def late(handler):
        begin(handler, (mirrors.one / GZ[0]).stat().st_size)
        handler.wfile.flush()
        mirrors.over.wait(0.3)
        handler.wfile.write((mirrors.one / GZ[0]).read_bytes())

    mirrors.faults[ONE] = late
    data.load("mnist")
    assert mirrors.asked == [f"/one/{name}" for name in GZ]


def test_a_connection_that_breaks_says_how(monkeypatch):
    class Broken:
        def read1(self, _):
            raise ProtocolError("Connection broken: 12 bytes read")

    with pytest.raises(OSError, match="Connection broken: 12 bytes read"):
        next(download._chunks(Broken(), 10))


def test_a_disk_too_full_for_a_folder_is_said_as_such(mirrors, home, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mnist, "TemporaryDirectory", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\)") as error:
        data.load("mnist")
    assert type(error.value) is OSError
    assert error.value.errno == errno.ENOSPC


CHILD = """
from vaelib import data
from vaelib.data import mnist
mnist.MIRRORS = {urls!r}
mnist.MNIST.update({sums!r})
print(data.load("mnist").train.sum())
"""


def test_several_processes_may_fetch_at_once(mirrors, home):
    code = CHILD.format(urls=mirrors.urls, sums=dict(mnist.MNIST))
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    ends = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0] * 4, ends
    assert len({out for out, _ in ends}) == 1
    assert sorted(path.name for path in home.iterdir()) == sorted(GZ)


def test_a_fetch_that_is_killed_leaves_nothing_that_is_read_later(mirrors, home):
    mirrors.faults[ONE] = dripping(mirrors)
    code = CHILD.format(urls=mirrors.urls, sums=dict(mnist.MNIST))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
    deadline = time.monotonic() + 60
    while not [*home.rglob("*.gz")] and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    left = [path for path in home.rglob("*.gz")]
    assert len(left) == 1
    assert left[0].parent != home
    mirrors.faults.clear()
    data.load("mnist")
    assert {path.name for path in home.iterdir() if path.is_file()} == set(GZ)


def test_a_full_disk_is_one_clear_sentence(mirrors, home, monkeypatch):
    def full(url, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mnist, "download", full)
    with pytest.raises(OSError, match=f"no room for {GZ[0]} in {home}") as error:
        data.load("mnist")
    assert error.value.errno == errno.ENOSPC
    assert len(str(error.value).splitlines()) == 1
    assert not [*home.iterdir()]


@pytest.mark.parametrize("kind", ["read-only", "a file"])
def test_a_folder_that_cannot_be_written_is_one_clear_sentence(
    mirrors, tmp_path, kind, monkeypatch
):
    folder = Path("/sys/vaelib") if kind == "read-only" else tmp_path / "mine"
    if kind == "a file":
        folder.write_text("")
    elif not folder.parent.is_dir():
        pytest.skip("no folder here that even the administrator cannot write to")
    monkeypatch.setenv("VAELIB_DATA_DIR", str(folder))
    with pytest.raises(
        PermissionError, match=r"cannot be written .*; set VAELIB_DATA_DIR"
    ) as error:
        data.load("mnist")
    assert len(str(error.value).splitlines()) == 1
    assert not mirrors.asked


def test_a_large_file_that_lies_there_is_refused_before_it_is_read(small_mnist, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 2**20)
    path = small_mnist / GZ[0]
    with path.open("wb") as file:
        file.truncate(2**30)
    tracemalloc.start()
    with pytest.raises(ValueError, match="it has more than 1048576 bytes; delete it"):
        data.load("mnist", small_mnist)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def mutated(raw: bytearray, generator: torch.Generator) -> bytes:
    """A few bytes changed, cut out or put in, most of them in the header."""

    def below(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    for _ in range(1 + below(4)):
        at = below(min(len(raw), 20)) if below(4) else below(len(raw))
        kind = below(4)
        if kind == 0:
            raw[at] = below(256)
        elif kind == 1:
            raw[at] ^= 1 << below(8)
        elif kind == 2:
            del raw[at : at + 1 + below(5)]
        else:
            raw[at:at] = bytes(below(256) for _ in range(1 + below(5)))
        raw = raw or bytearray(1)
    return bytes(raw)


SEEDS = [
    bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(24)]),
    bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5]),
    bytes([0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 7]),
]


def test_idx_files_are_arrays_or_clear_errors_whatever_is_in_them(record_property):
    generator, read, refused = torch.Generator().manual_seed(0), 0, 0
    record_property("altered files read", 20_000)
    for n in range(20_000):
        raw = mutated(bytearray(SEEDS[n % 3]), generator)
        try:
            array = parse(raw)
        except ValueError:
            refused += 1
        else:
            read += 1
            assert raw[4 + 4 * array.ndim :] == array.tobytes()
            assert raw[:4] == bytes([0, 0, 8, array.ndim])
    assert read > 500
    assert refused > 5000


@pytest.mark.parametrize("header", [b"", b"\0\0\x08", b"\0\0\x08\0", b"\0\0\x08\4", b"\0\0\x09\1"])
def test_what_has_no_header_or_another_is_no_idx_file(header):
    with pytest.raises(ValueError, match=r"^no IDX file of bytes with one to three dimensions$"):
        parse(header + bytes(40) * (len(header) == 4))


def test_idx_files_are_read_as_their_header_says():
    assert parse(SEEDS[0]).tolist() == torch.arange(24).view(2, 3, 4).tolist()
    assert parse(SEEDS[2]).shape == (0, 7)
    for raw, said in {
        b"": "no IDX file",
        b"\0\0\x09\x01": "no IDX file",
        b"\0\0\x08\x03\0": "a header",
        b"\0\0\x08\x01\xff\xff\xff\xff": "need 4294967295 bytes, 0 follow",
        b"\0\0\x08\x01\0\0\0\x01ab": "need 1 bytes, 2 follow",
    }.items():
        with pytest.raises(ValueError, match=said.replace("a header", "IDX header")):
            parse(raw)


def test_the_readers_limit_is_above_the_largest_file():
    assert download.MOST >= mnist.MOST > 60_000 * 28 * 28 + 16
    assert Path(download.__file__).name == "download.py"
