"""The reader of IDX files: arrays, or clear errors, whatever is in them."""

import torch

from tests.cases import refused
from vaelib.data.idx import parse

SEEDS = [
    bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(24)]),
    bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5]),
    bytes([0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 7]),
]


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


def test_idx_files_are_arrays_or_clear_errors_whatever_is_in_them(record_property):
    generator, read, told = torch.Generator().manual_seed(0), 0, 0
    record_property("altered files read", 20_000)
    for n in range(20_000):
        raw = mutated(bytearray(SEEDS[n % 3]), generator)
        try:
            array = parse(raw)
        except ValueError:
            told += 1
        else:
            read += 1
            assert raw[4 + 4 * array.ndim :] == array.tobytes()
            assert raw[:4] == bytes([0, 0, 8, array.ndim])
    assert read > 500
    assert told > 5000


def test_idx_files_are_read_as_their_header_says():
    assert parse(SEEDS[0]).tolist() == torch.arange(24).view(2, 3, 4).tolist()
    assert parse(SEEDS[2]).shape == (0, 7)


NONE = "^no IDX file of bytes with one to three dimensions$"
test_what_is_no_idx_file_is_told = refused(
    (lambda: parse(b""), NONE),
    (lambda: parse(b"\0\0\x08"), NONE),
    (lambda: parse(b"\0\0\x08\0" + bytes(40)), NONE),
    (lambda: parse(b"\0\0\x08\4" + bytes(40)), NONE),
    (lambda: parse(b"\0\0\x09\1" + bytes(40)), NONE),
    (lambda: parse(b"\0\0\x08\x03\0"), "^an IDX header of 5 bytes, 16 are needed$"),
    (lambda: parse(b"\0\0\x08\x01\xff\xff\xff\xff"), "need 4294967295 bytes, 0 follow"),
    (lambda: parse(b"\0\0\x08\x01\0\0\0\x01ab"), "need 1 bytes, 2 follow"),
)
