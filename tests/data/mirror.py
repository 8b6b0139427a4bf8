"""Two mirrors of MNIST on this machine, which misbehave where a test tells them to."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from vaelib import data

GZ = [f"{file}.gz" for file in data.MNIST]


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder, lists what was asked for, and hangs up early or worse where told to."""

    def __init__(self, *args, asked, cut, faults, **kwargs):
        self.asked, self.cut, self.faults = asked, cut, faults
        super().__init__(*args, **kwargs)

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        if fault := self.faults.get(self.path):
            fault(self)
        else:
            super().do_GET()

    def send_header(self, key, value):
        more = key == "Content-Length" and self.path in self.cut
        super().send_header(key, str(int(value) + 1) if more else value)


@pytest.fixture
def mirrors(small_mnist, tmp_path, monkeypatch):
    """Two folders, served as mirrors; what was ``asked`` of them, and what they shall ``cut``.

    ``faults`` holds for a path what to do instead of serving it; ``over`` is set at the end.
    """
    asked, cut, faults, over = [], set(), {}, Event()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        for path in small_mnist.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    handler = partial(Mirror, directory=tmp_path, asked=asked, cut=cut, faults=faults)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{name}/" for name in ("one", "two"))
        monkeypatch.setattr("vaelib.data.mnist.MIRRORS", urls)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        one, two = folders
        yield SimpleNamespace(
            one=one, two=two, urls=urls, asked=asked, cut=cut, faults=faults, over=over
        )
        over.set()
        server.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "not" / "yet"
    monkeypatch.setenv("VAELIB_DATA_DIR", str(folder))
    return folder
