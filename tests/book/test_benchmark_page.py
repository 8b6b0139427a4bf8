"""A recorded benchmark on a page of a small book: every row and every number of the record."""

import copy
import json
import os
import re

import pytest

from tests.book.tiny_book import INDEX, SETTINGS, Book

PARTS = ("machine", "training", "evidence", "growth")
DIRECTIVES = "\n".join(f"```{{benchmark}} recorded/b.json {p}\nA *caption*.\n```\n" for p in PARTS)


def row(name, median, ratio, floor):
    return {"name": name, "speed": [median - 100, median, median + 100], "ratio": ratio} | floor


def panel(name, time, memory):
    slopes = {"seconds": time, "memory": memory}
    points = {"sizes": [2, 4, 8, 3456], "seconds": [0.1, 0.2, 0.4, 0.8], "memory": [5, 6, 7, 8]}
    return points | {"name": name, "of": "step", "slopes": slopes}


PRODUCTS = {"highest": {"rate": 1.5e11, "error": 2e-7}, "high": {"rate": 9e11, "error": 3e-4}}
RECORD = {
    "command": "python -m benchmarks --rounds 7",
    "date": "2031-02-03",
    "machine": {"processor": "Abacus 3", "system": "Linux", "threads": 5},
    "versions": {"torch": "9.8", "pythae": "7.6"},
    "data": "random pixels",
    "rounds": 7,
    "limits": {"products": PRODUCTS, "cache": 1.45e11, "memory": 3.1e10},
    "groups": [
        {
            "title": "First group",
            "batch": 100,
            "flops": 3e8,
            "bytes": 1e7,
            "floor": 50123.0,
            "rows": [
                row("vaelib's fit", 20456.0, 1.0, {"floor": 0.41}),
                row("a peer", 8765.0, 2.34, {"floor": 0.17, "interval": [2.31, 2.42]}),
                row("matrix products alone", 32000.0, 0.64, {"floor": 0.6}),
            ],
        },
    ],
    "distributions": 0.094,
    "evidence": {
        "images": 10_000,
        "samples": 5_000,
        "flops": 3.2e13,
        "bytes": 1.6e11,
        "memory": 287_000_000,
        "parts": [
            {"images": 65, "samples": 5_000, "seconds": 5.1, "whole": 784.0, "rate": 4.2e10}
            | {"floor": 0.23},
            {"images": 10_000, "samples": 27, "seconds": 4.9, "whole": 907.0, "rate": 3.6e10}
            | {"floor": 0.19},
        ],
    },
    "growth": [panel("batch", 0.81, 0.72), panel("latent", 0.45, 0.49)],
}
SHOWN = [  # the rows below the headings of each table
    [
        "matrix products, route “highest” | 150 GFLOP/s | 2·10⁻⁷",
        "matrix products, route “high” | 900 GFLOP/s | 0.0003",
        "bytes from and to cache | 145 GB/s |",
        "bytes from and to memory | 31 GB/s |",
    ],
    [
        "vaelib's fit | 20,456 | 20,356 to 20,556 | 1.00 × | 41 %",
        "a peer | 8,765 | 8,665 to 8,865 | 2.34 × (2.31 to 2.42) | 17 %",
        "matrix products alone | 32,000 | 31,900 to 32,100 | 0.64 × | 60 %",
        "the floor | 50,123 | | | 100 %",
    ],
    [
        "65 images, 5,000 samples | 5.1 | 784 s, 12.8 images a second | "
        "42, 28 % of the products' limit | 23 %",
        "10,000 images, 27 samples | 4.9 | 907 s, 11.0 images a second | "
        "36, 24 % of the products' limit | 19 %",
    ],
    ["batch | 2 | 3,456 | step | 0.81 | 0.72", "latent | 2 | 3,456 | step | 0.45 | 0.49"],
]


@pytest.fixture
def book(tmp_path):
    book = Book(tmp_path)
    book.write("recorded/b.json", json.dumps(RECORD))
    book.write("index.md", INDEX + DIRECTIVES)
    return book


def build(book, run="off"):
    extensions = [*SETTINGS["extensions"], "benchmark_page", "pictures"]
    return book.build(extensions=extensions, nb_execution_mode=run)[1]


def text(html):
    html = re.sub(r"</td>\s*<td.*?>", " | ", html)
    return " ".join(re.sub(r"<.*?>", " ", html, flags=re.DOTALL).replace("’", "'").split())


def tables(book):
    found = re.findall(r"<table class=\"recorded.*?</table>", book.page("index"), re.DOTALL)
    return [[text(r) for r in re.findall(r"<tr.*?</tr>", t, re.DOTALL)][1:] for t in found]


def test_every_row_and_every_number_of_the_record_is_shown(book):
    assert [warning for warning in build(book) if "b.json" in warning] == []
    assert tables(book) == SHOWN
    page = text(book.page("index"))
    assert "Measured by python -m benchmarks --rounds 7 on 3 February 2031" in page
    assert "Abacus 3, Linux, 5 threads; torch 9.8, pythae 7.6; images: random pixels" in page
    assert "7 rounds" in page
    assert "products take 64 % of fit's step, and of the machine's best rate they reach 64" in page
    assert "The other 36 % go into" in page
    assert "cost the loop by hand 9 % of a step" in page
    assert "at most 287 MB" in page


def test_the_pictures_have_captions_and_say_their_numbers(book):
    build(book)
    page = book.page("index")
    alts = re.findall(r'<img [^>]*alt="(.*?)"', page)
    assert len(alts) == page.count("A <em>caption</em>.") == 3
    for alt, numbers in zip(
        alts,
        (
            ["20,456", "8,765", "floor 50,123"],
            ["150 GFLOP/s", "fit, First group: 61", "log_evidence: 36"],
            ["batch 0.81 and 0.72", "latent 0.45 and 0.49"],
        ),
        strict=True,
    ):
        assert all(number in alt for number in numbers)
    assert all(
        (book.folder / "_build/html" / p).is_file() for p in re.findall('src="(_im.*?)"', page)
    )


def test_the_same_record_gives_the_same_pictures_and_a_new_one_is_shown(book):
    build(book, run="cache")
    picture, record = (
        book.folder / "_build/html/_images/b-speed.svg",
        book.folder / "recorded/b.json",
    )
    before, changed = picture.read_bytes(), copy.deepcopy(RECORD)
    build(book, run="cache")
    assert picture.read_bytes() == before
    changed["groups"][0]["rows"][1]["speed"] = [1000.0, 1111.0, 1200.0]
    record.write_text(json.dumps(changed))
    later = record.stat().st_mtime + 10
    os.utime(record, (later, later))
    build(book, run="cache")
    assert picture.read_bytes() != before
    assert "a peer | 1,111 | 1,000 to 1,200 |" in tables(book)[1][1]


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_what_is_no_record_is_said(book, content):
    path = book.folder / "recorded/b.json"
    path.unlink() if content is None else path.write_text(content)
    assert sum("b.json has no such part" in warning for warning in build(book)) == len(PARTS)
