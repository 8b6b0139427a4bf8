"""A coverage-guided fuzzer for the IDX reader: ``make fuzz``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["vaelib.data.idx"]):
    from vaelib.data.idx import parse


def read(raw: bytes) -> None:
    """An array that holds what follows the header, or a ValueError; anything else ends the run."""
    try:
        array = parse(raw)
    except ValueError:
        return
    assert raw == bytes([0, 0, 8, array.ndim]) + raw[4 : 4 + 4 * array.ndim] + array.tobytes()
    sizes = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(array.ndim)]
    assert list(array.shape) == sizes


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
