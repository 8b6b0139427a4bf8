"""A file from an HTTP server that may be slow, broken or hostile."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from socket import SOCK_STREAM, create_connection, getaddrinfo
from threading import Thread
from time import monotonic
from urllib.parse import SplitResult, urlsplit

REACH = 6  # seconds for a mirror to be found and to take a connection
TIMEOUT = 20  # seconds for a mirror to answer, and for the next bytes to come
PATIENCE = 20  # seconds after which a mirror must have been as fast as SLOWEST
SLOWEST = 4096  # bytes a second


def download(url: str, path: Path, most: int) -> None:
    """Write what ``url`` gives to ``path``, with a progress bar; what goes wrong is an OSError."""
    from pooch import HTTPDownloader
    from tqdm.auto import tqdm

    def hook(response, *_, **__):
        response.iter_content = lambda chunk_size: steady(response.raw, chunk_size, most)

    reach(url)
    with tqdm(desc=path.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
        fetch = HTTPDownloader(
            progressbar=bar, chunk_size=2**16, timeout=(REACH, TIMEOUT), hooks={"response": hook}
        )
        fetch(url, path, None)


def reach(url: str) -> None:
    """Connect to a server, or to the proxy before it, in ``REACH`` seconds all told.

    The system looks a name up for as long as it likes, so a thread does it, and is left behind.
    """
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    nearest = select_proxy(url, get_environ_proxies(url)) or url
    server, connected = urlsplit(prepend_scheme_if_needed(nearest, "http")), Future()
    Thread(target=_connect, args=(server, connected), daemon=True).start()
    try:
        connected.result(REACH)
    except OSError as error:
        reason = error.strerror or f"no connection within {REACH} seconds"
        raise ConnectionError(f"{server.hostname} cannot be reached: {reason}") from None


def _connect(server: SplitResult, connected: Future) -> None:
    """Take the first address that answers; each has its share of the time."""
    port = server.port or {"http": 80, "https": 443}.get(server.scheme, 1080)
    try:
        found = getaddrinfo(server.hostname, port, type=SOCK_STREAM)
    except OSError as error:
        return connected.set_exception(error)
    for *_, address in found:
        try:
            create_connection(address[:2], REACH / len(found)).close()
        except OSError as error:
            failed = error
        else:
            return connected.set_result(None)
    connected.set_exception(failed)


def steady(raw, size: int, most: int) -> Iterator[bytes]:
    """Yield what has come so far of a urllib3 response, unless it is too slow or too much."""
    from urllib3.exceptions import HTTPError

    begin, got = monotonic(), 0
    try:
        while chunk := raw.read1(size):
            got += len(chunk)
            seconds = monotonic() - begin
            if seconds > PATIENCE and got < SLOWEST * seconds:
                raise TimeoutError(f"{got} bytes in {seconds:.0f} seconds are too slow")
            if got > most:
                raise OSError(f"more than {most} bytes")
            yield chunk
    except HTTPError as error:
        raise OSError(str(error)) from None
