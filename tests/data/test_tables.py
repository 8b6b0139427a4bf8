"""A table in a CSV file, however it is written: what it becomes, or the sentence that is said."""

import csv
import tracemalloc

import numpy as np
import pytest

from tests.cases import cases
from vaelib import data
from vaelib.data import csv_file, guessed, tables
from vaelib.distributions import Column
from vaelib.models import KINDS

KNOWN = (Column("age", "normal"), Column("job", "categorical", ("1", "cook")))
FIVE = "a,b\n" + "1.5,x\n2.5,y\n" * 3
THOUSANDS = "a,b\n" + "".join(f"{i / 7},t{i}\n" for i in range(3000))

#: What it is; the content of a file; columns as told, or known; what a part of the message is, or
#: the columns, with classes, and the first rows.
HOSTILE = [
    ("plain", FIVE, {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("tabs", FIVE.replace(",", "\t"), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("decimal commas", "a;b\n1,5;x\n-2;x\n3.5;y\n4;y\n", {}, "a normal, b categorical x y: 1.5 x"),
    ("thousands", 'a,b\n"1,234",1.5\n"2,345",2\n', {}, "= b normal: 1.5, 2"),
    ("a mark", "\ufeff" + FIVE, {}, "= a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("utf-16", FIVE.encode("utf-16"), {}, "is no text in UTF-8: save it as such"),
    ("crlf", FIVE.replace("\n", "\r\n"), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("cr alone", FIVE.replace("\n", "\r"), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("no end", FIVE.rstrip(), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("blank lines", FIVE.replace("\n", "\n\n"), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("spaces", FIVE.replace(",", " , "), {}, "a normal, b categorical x y: 1.5 x, 2.5 y"),
    ("quotes", 'a,"b, c"\n' + '1.5,"x\n""y"""\n-2,z\n' * 2, {}, 'b, c categorical x\n"y" z: 1.5 x'),
    ("unicode", "größe,仕事\n" + "1.5,料理\n-2,é\n" * 2, {}, "仕事 categorical é 料理"),
    ("missing", "a\n1.5\nNA\n?\n2\nNaN\nnull\n-nan\n", {}, "a normal: 1.5, ., ., 2, ., ., ."),
    ("a hole in one column", 'a\n1.5\n""\n2\n', {}, "a normal: 1.5, ., 2"),
    ("booleans", "a\n" + "True\nFalse\n" * 2, {}, "a categorical False True: True, False"),
    ("zero and one", "a\n0\n1\n\n1.0\n", {}, "a bernoulli: 0, 1, 1"),
    ("few whole", "a\n" + "10\n2\n1.0\n1\n" * 20, {}, "a categorical 1.0 2 10: 10, 2, 1.0, 1.0"),
    ("zips", "a\n" + "01234\n123\n" * 2, {"a": "categorical"}, "a categorical 123 01234: 01234"),
    ("constant", "a,b\n1.5,3\n2,3.0\n", {}, "a normal: 1.5, 2"),
    ("constant, told", "a\n3\n3\n", {"a": "normal"}, "a: it hardly varies: leave it out"),
    ("a speck", "a,b\n1e-25,1\n2e-25,2\n", {}, "b poisson: 1, 2"),
    ("almost constant", "a,b\n1600000001,1\n1600000000,2\n", {}, "b poisson: 1, 2"),
    ("one class", "a,b\n1.5,x\n2,x\n", {}, "a normal: 1.5, 2"),
    ("nothing there", "a,b\n1.5,\n2,NA\n", {}, "a normal: 1.5, 2"),
    ("nothing, told", "a,b\n1,\n2,\n", {"b": "poisson"}, "b: no value in it: leave it out, b=skip"),
    ("nothing at all", "a\nNA\nNA\n", {}, "no column to learn from: a: skip, no value in it"),
    ("all left out", "a\n1\n2\n", {"a": "skip"}, "has no column to learn from"),
    ("left out", FIVE, {"a": "skip"}, "b categorical x y: x, y"),
    ("told", "a,b\n1,0\n2,3\n", {"b": "student"}, "a poisson, b student: 1 0, 2 3"),
    ("infinite", "a\n1.5\ninf\n2\n", {}, "line 3, column a: 'inf' is not a number below 1e+15"),
    ("beyond floats", "a\n1.5\n2\n-1e999\n", {}, "line 4, column a: '-1e999' is not a number"),
    ("huge whole", f"a\n1\n2\n{10**40}\n", {}, f"line 4, column a: '1{'0' * 39}' is not a number"),
    ("dates", "a,d\n1.5,2024-01-02\n2,2024-01-03\n", {}, "a normal: 1.5, 2"),
    ("dates, told", "d\n2024-01-02\n2024-01-03\n", {"d": "normal"}, "line 2, column d: '2024-"),
    ("mixed", "a\n1\n2\nten\n4\n", {}, "line 4, column a: 'ten' is not a whole number from 0"),
    ("a text below", 'a,b\n1,"x\ny"\n2,z\nq,z\n3,z\n', {}, "line 5, column a: 'q' is not a whole"),
    ("mixed, told", "a\n1\nten\n4\n1.0\n", {"a": "categorical"}, "1 4 ten: 1, ten, 4"),
    ("mostly texts", "a\nx\nx\n1\ny\ny\n1\n", {}, "a categorical 1 x y: x, x, 1"),
    ("no numbers", "a\n" + "1_000\n0x1f\n50%\n" * 2, {}, "a categorical 0x1f 1_000 50%: 1_000"),
    ("many texts", THOUSANDS, {}, "a normal: 0, 0.1428571"),
    ("many classes", THOUSANDS, {"b": "categorical"}, "column b: more than 1,000 classes: leave"),
    ("names twice", "a,b,a\n1,2,3\n1,2,3\n", {}, "has two columns 'a': give one another name"),
    ("no names", ",a,\n0,1.5,\n1,2.5,\n", {}, "a normal: 1.5, 2.5"),
    ("no header", "1,2\n3,4\n5,6\n", {}, "begins with numbers: put a line of names above them"),
    ("empty", "", {}, "must hold a line of names, and a row below it"),
    ("blank", "\n\n\n", {}, "must hold a line of names, and a row below it"),
    ("only a header", "a,b\n", {}, "must hold a line of names, and a row below it"),
    ("one row", "a,b\n1,2\n", {}, "must hold at least two rows, to tell what"),
    ("a cell too much", FIVE + "1,x,3\n", {}, "line 8: 3 cells, but 2 names above"),
    ("a cell too few", "a,b\n1,2\n\n3\n", {}, "line 4: 1 cells, but 2 names above"),
    ("an open quote", FIVE + '1,"x\n2,y\n', {}, "line 9: unexpected end of data"),
    ("behind a quote", FIVE + '1,"x"y\n', {}, "line 8: ',' expected after '\"'"),
    ("a huge cell", f"a,b\n1,{'x' * 200_000}\n2,y\n", {}, "line 2: field larger than field limit"),
    ("zeros", b"\0" * 500, {}, "must hold a line of names"),
    ("zeros in cells", "a\n1\n2\0\n3\n", {}, "line 3, column a: '2\\x00' is not a whole number"),
    ("latin-1", FIVE.replace("x", "é").encode("latin-1"), {}, "is no text in UTF-8"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + b"\xff" * 80, {}, "is no text in UTF-8: save it as such"),
    ("negative", "a\n1\n-2\n3\n", {"a": "poisson"}, "line 3, column a: '-2' is not a whole number"),
    ("halves", "a\n1\n2.5\n3\n", {"a": "negative-binomial"}, "line 3, column a: '2.5' is not a"),
    ("zero", "a\n1\n0\n3\n", {"a": "log-normal"}, "line 3, column a: '0' is not a number above 0"),
    ("two", "a\n1\n0\n2\n", {"a": "bernoulli"}, "line 4, column a: '2' is not 0 or 1"),
    ("a wrong name", FIVE, {"c": "normal"}, "has no column 'c', but a, b"),
    ("known", "x,job,age\n1,cook,2.5\n2,,\n", KNOWN, "job categorical 1 cook: 2.5 cook, . ."),
    ("known, as floats", "job,age\n1.0,2\n1,2\n", KNOWN, "categorical 1 cook: 2 1, 2 1"),
    ("a class never seen", "job,age\n1,2\npilot,2\n", KNOWN, "line 3, column job: 'pilot' is none"),
    ("a column lacks", "age,name\n1,2\n1,2\n", KNOWN, "has no column 'job', but age, name"),
    ("a known text", "age,job\n1,cook\nold,cook\n", KNOWN, "line 3, column age: 'old' is not a"),
]  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    def save(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


@cases(*(row[1:] for row in HOSTILE), ids=[row[0] for row in HOSTILE])
def test_a_table_is_read_or_refused_in_one_sentence(saved, content, told, expected):
    path = saved(content)
    try:
        found = data.open(path, columns=told)
    except ValueError as error:
        became = str(error)
    else:
        named = ", ".join(" ".join([c.name, c.kind, *(c.classes or ())]) for c in found.columns)
        rows = [" ".join(w or "." for w in tables.words(found.columns, row)) for row in found.x]
        became = f"= {named}: {', '.join(rows)}"
    assert expected in became


@cases(
    (lambda r: r.normal(5, 1, 2000), "normal"),
    (lambda r: r.normal(40, 12, 2000).clip(0).round(), "normal"),
    (lambda r: r.integers(1950, 2025, 2000), "normal"),
    (lambda r: -r.lognormal(0, 1, 2000), "normal"),
    (lambda r: r.lognormal(3, 1, 2000), "log-normal"),
    (lambda r: 1e6 + r.exponential(1, 2000), "normal"),
    (lambda r: r.lognormal(9, 1, 2000).round(), "log-normal"),
    (lambda r: r.poisson(7, 2000), "poisson"),
    (lambda r: r.negative_binomial(1, 0.1, 2000), "negative-binomial"),
    (lambda r: r.negative_binomial(0.5, 0.01, 2000).clip(0, 999), "negative-binomial"),
    (lambda r: r.integers(0, 2, 2000), "bernoulli"),
    (lambda r: r.integers(1, 6, 2000), "categorical"),
)
def test_kinds_are_guessed_by_rules(saved, draw, kind):
    x = draw(np.random.default_rng(0))
    found = data.open(saved("a\n" + "".join(f"{v}\n" for v in x)))
    assert [c.kind for c in found.columns] == [kind]
    values = np.array(found.columns[0].classes or [0], float)
    seen = values[found.x[:, 0].astype(int)] if values[0] else found.x[:, 0]
    np.testing.assert_array_equal(seen, x)


def test_each_column_has_its_line(saved):
    pay = ["" if i % 4 else 1.7 ** (i / 4) for i in range(40)]
    rows = "".join(f"{i / 3},{'xyz'[i % 3]},7,u{i},{pay[i]}\n" for i in range(40))
    assert tables.HOLDS.keys() < KINDS.keys()
    assert data.open(saved("age,job,seven,id,pay\n" + rows)).said == (
        "age: normal, 0 to 13",
        "job: categorical, 3 classes, x, y, z",
        "seven: skip, it hardly varies",
        "id: skip, 40 different texts",
        "pay: log-normal, 1 to 118.588; 30 missing",
    )


def test_it_is_kept_and_read_again_if_it_changed(saved, monkeypatch):
    path, read = saved(FIVE), []
    numbers = tables._numbers
    monkeypatch.setattr(tables, "_numbers", lambda *how: read.append(1) or numbers(*how))
    for _ in range(2):
        assert isinstance(data.open(path).x, np.memmap)
    assert len(read) == 1
    data.open(path, columns={"a": "laplace"})
    assert len(read) == 2
    saved(FIVE + "9,y\n")
    assert len(data.open(path)) == 7


def test_it_may_be_larger_than_memory(saved, monkeypatch):
    """However many rows there are, a block of them is held, and what was seen is the same."""
    monkeypatch.setattr(csv_file, "BLOCK", 500)
    monkeypatch.setattr(guessed, "MOST", 50)
    rng = np.random.default_rng(0)
    x = rng.normal(1e6, 1, (20_000, 4))
    x[:, 2], x[:, 3] = rng.lognormal(size=20_000), rng.poisson(5, 20_000)
    with open(path := saved("", "t.tsv"), "w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([list("abcd"), *x.tolist()])
    tracemalloc.start()
    found = data.open(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found.x, x)
    assert [c.kind for c in found.columns] == ["normal", "normal", "log-normal", "poisson"]
    assert peak < path.stat().st_size / 2


def test_a_folder_or_no_file_is_no_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(ValueError, match="csv holds no files"):
        data.open("t.csv")
    with pytest.raises(FileNotFoundError, match=r"no .npy, .npz or .csv file, .* 'none.csv'"):
        data.open("none.csv")
    with pytest.raises(ValueError, match="--columns means nothing for a name, digits"):
        data.open("digits", columns={"a": "normal"})
    with pytest.raises(ValueError, match="--levels means nothing for a table"):
        data.open("t.tsv", levels=4)
