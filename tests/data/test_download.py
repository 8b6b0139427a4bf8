"""Mirrors that cannot be reached, or are too slow: given up in seconds, and asked only once."""

import socket
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Event
from threading import enumerate as enumerate_threads
from types import SimpleNamespace

import pytest

from tests.cases import cases
from tests.data.mirror import GZ, mirrored
from vaelib import data
from vaelib.data import download, fetched


@contextmanager
def listening(full=False):
    """A port that takes connections and never answers; or one whose queue is full, a black hole."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0 if full else 9)
        for _ in range(4 if full else 0):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()


@pytest.fixture
def asked(monkeypatch):
    """Every address that was asked, within limits small enough for a test."""
    urls, real = [], fetched.download

    def noted(url, *how):
        urls.append(url)
        real(url, *how)

    monkeypatch.setattr(fetched, "download", noted)
    monkeypatch.setattr(download, "REACH", 0.5)
    return urls


@contextmanager
def a_black_hole(monkeypatch):
    with listening(full=True) as (host, port):
        yield f"https://{host}:{port}/", UNREACHED.format(host, "no connection within 0.5 s")


@contextmanager
def a_silent_port(monkeypatch):
    with listening() as (host, port):
        yield f"https://{host}:{port}/", "timeout=0.5"


@contextmanager
def a_closed_port(monkeypatch):
    yield "https://127.0.0.1:9/", UNREACHED.format("127.0.0.1", "Connection refused")


@contextmanager
def an_unknown_name(monkeypatch, seconds=0, said="Name or service not known"):
    over = Event()

    def look_up(*_, **__):
        over.wait(seconds)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patched:
        patched.setattr(download, "getaddrinfo", look_up)
        yield "http://a.invalid/", UNREACHED.format("a.invalid", said)
        over.set()


def a_look_up_without_an_end(monkeypatch):
    return an_unknown_name(monkeypatch, 20, "no connection within 0.5 seconds")


UNREACHED = "{} cannot be reached: {}"
DEAD = [a_black_hole, a_silent_port, a_closed_port, an_unknown_name, a_look_up_without_an_end]


@pytest.mark.parametrize("dead", DEAD)
def test_what_cannot_be_reached_is_given_up_for_a_short_reason(home, asked, monkeypatch, dead):
    before = enumerate_threads()
    with dead(monkeypatch) as (url, reason):
        mirrored(monkeypatch, url, url)
        with pytest.raises(FileNotFoundError) as error:
            data.load("mnist")
    assert all(thread.daemon for thread in set(enumerate_threads()) - {*before})
    _, *reasons, way_out = str(error.value).splitlines()
    assert all(line.startswith(f"  {url}: ") and reason in line for line in reasons)
    assert "set VAELIB_DATA_DIR" in way_out
    assert asked == [f"{url}{GZ[0]}"] * len(reasons) == [f"{url}{GZ[0]}"] * 2


@pytest.mark.parametrize("dead", [a_black_hole, a_closed_port])
def test_it_is_not_asked_again_for_the_other_files(mirrors, home, asked, monkeypatch, dead):
    with dead(monkeypatch) as (url, _):
        mirrored(monkeypatch, url, *mirrors.urls)
        data.load("mnist")
    assert asked == [f"{url}{GZ[0]}", *(f"{mirrors.urls[0]}{name}" for name in GZ)]


def test_another_load_asks_it_again(mirrors, asked, tmp_path, monkeypatch):
    closed = "http://127.0.0.1:9/"
    mirrored(monkeypatch, closed, *mirrors.urls)
    for folder in ("one", "two"):
        data.load("mnist", tmp_path / "fetched" / folder)
    assert asked.count(f"{closed}{GZ[0]}") == 2


def test_one_dead_address_of_several_does_no_harm(asked, monkeypatch):
    with listening(full=True) as hole, listening() as port:
        found = [(2, 1, 6, "", address) for address in (hole, port)]
        monkeypatch.setattr(download, "getaddrinfo", lambda *_, **__: found)
        download.reach("http://c.invalid/")
        found.pop()
        with pytest.raises(ConnectionError, match=r"c\.invalid cannot be reached"):
            download.reach("http://c.invalid/")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443), ("socks5", 1080)])
def test_the_port_is_that_of_the_scheme_unless_it_is_named(asked, monkeypatch, scheme, port):
    ports = []

    def look_up(host, port, **_):
        ports.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(download, "getaddrinfo", look_up)
    for url in (f"{scheme}://d.invalid/", f"{scheme}://d.invalid:7/"):
        with pytest.raises(ConnectionError):
            download.reach(url)
    assert ports == [("d.invalid", port), ("d.invalid", 7)]


def test_behind_a_proxy_only_the_proxy_must_be_reached(asked, monkeypatch):
    with listening() as (host, port):
        monkeypatch.setenv("http_proxy", f"{host}:{port}")
        monkeypatch.setenv("no_proxy", "")
        download.reach("http://e.invalid/")


MOST = 2**26


@cases(
    ([20], [1], None),
    ([21], [21 * 4096], None),
    ([21], [21 * 4096 - 1], "^86015 bytes in 21 seconds are too slow$"),
    ([1, 40], [40 * 4096 - 1, 1], None),
    ([1, 40], [40 * 4096 - 2, 1], "^163839 bytes in 40 seconds are too slow$"),
    ([1], [MOST], None),
    ([1, 1], [MOST, 1], "^more than 67108864 bytes$"),
)
def test_what_is_too_slow_or_too_much_is_known_to_the_byte(monkeypatch, seconds, sizes, said):
    clock = iter([5.0, *(5.0 + s for s in seconds)])
    monkeypatch.setattr(download, "monotonic", lambda: next(clock))
    coming = iter([memoryview(bytes(size)) for size in sizes] + [b""])
    chunks = download.steady(SimpleNamespace(read1=lambda size: next(coming)), 9, MOST)
    with pytest.raises(OSError, match=said) if said else nullcontext():
        assert [len(chunk) for chunk in chunks] == sizes
