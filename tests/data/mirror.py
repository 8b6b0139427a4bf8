"""Two mirrors of MNIST on this machine, which misbehave where a test tells them to."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from vaelib import data
from vaelib.data.sources import SOURCES

GZ = [f"{file}.gz" for file in data.MNIST]


def mirrored(monkeypatch, *urls, name="mnist", **others):
    """Say where a data set is fetched."""
    monkeypatch.setitem(SOURCES, name, SOURCES[name]._replace(mirrors=urls, **others))


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder, lists what was asked for, and does otherwise where told to."""

    def __init__(self, *args, asked, faults, **kwargs):
        self.asked, self.faults = asked, faults
        super().__init__(*args, **kwargs)

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        if fault := self.faults.get(self.path):
            fault(self)
        else:
            super().do_GET()


@pytest.fixture
def mirrors(small_mnist, tmp_path, monkeypatch):
    """Two folders, served as mirrors, and what was ``asked`` of them.

    ``faults`` holds for a path what to do instead of serving it; ``over`` is set at the end.
    """
    asked, faults, over = [], {}, Event()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        for path in small_mnist.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    handler = partial(Mirror, directory=tmp_path, asked=asked, faults=faults)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{name}/" for name in ("one", "two"))
        mirrored(monkeypatch, *urls)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        one, two = folders
        yield SimpleNamespace(one=one, two=two, urls=urls, asked=asked, faults=faults, over=over)
        over.set()
        server.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "not" / "mnist"
    monkeypatch.setenv("VAELIB_DATA_DIR", str(folder.parent))
    return folder
