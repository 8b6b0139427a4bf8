"""A file from an HTTP server that may be slow, broken or hostile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

TIMEOUT = 20  # seconds for a mirror to answer, and for the next bytes to come
PATIENCE = 20  # seconds after which a mirror must have been as fast as SLOWEST
SLOWEST = 4096  # bytes a second
MOST = 64 * 2**20  # bytes; the largest file that is fetched has ten million


def download(url: str, path: Path) -> None:
    """Write what ``url`` gives to ``path``, with a progress bar.

    Raises:
        OSError: it does not answer, answers with an error, is too slow or too long.
    """
    from pooch import HTTPDownloader
    from tqdm.auto import tqdm

    def hook(response, *_, **__):
        response.iter_content = lambda chunk_size: _chunks(response.raw, chunk_size)

    with tqdm(desc=path.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
        fetch = HTTPDownloader(
            progressbar=bar, chunk_size=2**16, timeout=TIMEOUT, hooks={"response": hook}
        )
        fetch(url, path, None)


def _chunks(raw, size: int) -> Iterator[bytes]:
    """What has come so far, whenever something has; a server that drips is left."""
    from urllib3.exceptions import HTTPError

    begin, got = monotonic(), 0
    while True:
        try:
            chunk = raw.read1(size)
        except HTTPError as error:
            raise OSError(str(error)) from None
        if not chunk:
            return
        got += len(chunk)
        seconds = monotonic() - begin
        if seconds > PATIENCE and got < SLOWEST * seconds:
            raise TimeoutError(f"{got} bytes in {seconds:.0f} seconds are too slow")
        if got > MOST:
            raise OSError(f"more than {MOST} bytes")
        yield chunk
