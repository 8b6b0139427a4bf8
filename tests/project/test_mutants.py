"""That slips are made and noticed, and what is recorded of those that nobody noticed."""

import ast
import importlib.util
import json
import sys

import nbformat
import pytest

from tests.book.chapter_source import READ, ROOT

sys.path.append(str(ROOT / "tests/mutants"))

from reasons import REASONS, explained, reason
from rooms import CORE, ROOMS, least
from sites import places, replaced, slips
from slices import deciding, is_check

import chapters

RECORD = json.loads((ROOT / "recorded/mutants.json").read_text("utf8"))
NAMES = [page.id for page in READ if chapters.claims(page.id)]


def made(source):
    """Return the expression with each slip in it."""
    (tree,) = ast.parse(source).body
    return [replaced(tree, node, new) for node in places(tree) for _, new in slips(node)]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a + b", ["a - b", "a", "b"]),
        ("a - b", ["a + b", "a", "-b"]),
        ("2 * a", ["a"]),
        ("a / 2", ["a"]),
        ("0.5 * f(a)", ["f(a)"]),
        ("-f(a)", ["f(a)"]),
        ("f(-1)", []),
        ("a * b / 3", []),
        ("x += a", ["x -= a"]),
        ("2 + torch.rand(3)", []),
        ("[a] + [b]", []),
    ],
)
def test_a_slip_changes_a_sign_a_factor_or_a_term(source, changed):
    assert made(source) == changed


def leading(source):
    body = ast.parse(source).body
    call = next(node for node in ast.walk(body[-1]) if is_check(node))
    parts = deciding(call, body[:-1])
    return [ast.unparse(ast.fix_missing_locations(part)) for part in parts]


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a = 1 + x\nb = 2 + x\nd = 3\ncheck('eq-a', a=a, b=b)", {"a = 1 + x", "b = 2 + x"}),
        ("x = 1 + 1\na = f(x)\nb = g(x)\ncheck('eq-a', a=a, b=b)", {"a = f(x)", "b = g(x)"}),
        ("a = 1\na = 2\ncheck('eq-a', a=a, b=3)", {"a = 2"}),
        ("a, b = f(1), g(2)\ncheck('eq-a', a=a, b=3)", {"a = f(1)"}),
        (
            "def f(x):\n    return x + y\ncheck('eq-a', a=f(1), b=2)",
            {"def f(x):\n    return x + y"},
        ),
        (
            "s = 0\nfor i in r:\n    s += i\ncheck('eq-a', a=s, b=2)",
            {"s = 0", "s += i", "for i in r:"},
        ),
        ("a = []\na.append(3)\ncheck('eq-a', a=a, b=2)", {"a = []", "a.append(3)"}),
        ("m = new()\nfit(m, x)\ncheck('eq-a', a=m.a, b=2)", {"m = new()", "fit(m, x)"}),
        ("w = 1\ncheck('eq-a', a=a, b=2, wrong={'w': w})", set()),
        ("a = 2\ncheck_bound('eq-a', lower={'z': a}, upper={'a': a + 1})", {"a = 2"}),
    ],
)
def test_what_leads_to_one_side_of_a_check_alone_is_found(source, parts):
    assert {part.strip() for part in leading(source)} == parts


RIGHT = """
x = torch.randn(9)
left = (x + 1) ** 2
right = x**2 + 2 * x + 1
check("eq-a", left=left, right=right, tolerance=1e-5)
"""
WEAK = RIGHT.replace("left=left, right=right", "left=0 * left, right=0 * right")


@pytest.mark.parametrize(
    ("name", "source", "slipped", "missed"),
    [("good", RIGHT, 14, 0), ("weak", WEAK, 14, 12), ("further/good", RIGHT, 14, 0)],
)
def test_a_check_that_sees_nothing_is_found_out(
    name, source, slipped, missed, tmp_path, monkeypatch
):
    head = "import torch\nfrom vaelib.checks import check\nopen('beside').close()"
    cells = [nbformat.v4.new_code_cell(text) for text in (head, source)]
    path = tmp_path / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    path.with_name("beside").touch()
    monkeypatch.setattr(chapters, "CHAPTERS", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert chapters.claims(name) == {"eq-a"}
    count, unnoticed = chapters.survivors(name)
    assert (count, len(unnoticed)) == (slipped, missed)


def test_a_chapter_that_fails_as_it_is_says_nothing_of_slips(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell("from vaelib.checks import check\ncheck('eq-a', a=1, b=2)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tiny.ipynb")
    monkeypatch.setattr(chapters, "CHAPTERS", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="tiny: fails unchanged"):
        chapters.survivors("tiny")


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_of_a_chapter_has_a_slip_made_on_its_way(name):
    found = chapters.mutants(chapters.statements(chapters.CHAPTERS / f"{name}.ipynb"))
    assert {label for labels, *_ in found.values() for label in labels} == chapters.claims(name)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """``make mutants`` with these survivors: its exit status, and what it records."""
    path = ROOT / "tests/mutants/__main__.py"
    spec = importlib.util.spec_from_file_location("mutants_command", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RECORD", tmp_path / "mutants.json")

    def run(missed, *options):
        monkeypatch.setattr(module, "survivors", lambda room, drawn: (drawn or 100, missed, []))
        monkeypatch.setattr(sys, "argv", ["mutants", *options, "gradients"])
        status = module.main()
        written = module.RECORD.exists() and json.loads(module.RECORD.read_text("utf8"))
        return status, written and written["gradients"]["changes"]

    return run


KNOWN = 'f: g("utf8") → g(None)'


@pytest.mark.parametrize(
    ("missed", "options", "result"),
    [
        ([], [], (0, 100)),
        ([KNOWN] * 5, [], (0, 100)),
        ([KNOWN] * 6, [], (1, 100)),
        (["f: a → b"], [], (1, 100)),
        ([KNOWN], ["--drawn", "20"], (0, False)),
        ([KNOWN] * 2, ["--drawn", "20"], (1, False)),
    ],
)
def test_the_command_says_whether_enough_was_noticed_and_records_what_is_whole(
    missed, options, result, command
):
    assert command(missed, *options) == result


def test_every_room_of_the_library_is_changed():
    rooms = {p.stem for p in (ROOT / "vaelib").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == set(ROOMS)
    assert all((ROOT / path).exists() for paths in ROOMS.values() for path in paths)
    assert [least(room) for room in (*CORE, "training")] == [0.95] * 6 + [0.85]


def test_every_chapter_and_every_room_is_recorded():
    assert set(RECORD) == {*ROOMS, *NAMES}


@pytest.mark.parametrize("room", ROOMS)
def test_the_tests_of_a_room_notice_what_they_must(room):
    entry = RECORD[room]
    assert len(entry["unnoticed"]) <= (1 - least(room)) * entry["changes"]


@pytest.mark.parametrize("room", ROOMS)
def test_hardly_a_change_is_noticed_by_tests_that_do_not_end(room):
    """Many of those are a hang of the tests' own, and say nothing of the changes."""
    assert len(RECORD[room]["endless"]) <= 0.01 * RECORD[room]["changes"]


@pytest.mark.parametrize("name", RECORD)
def test_whatever_went_unnoticed_has_its_reason(name):
    unnoticed = RECORD[name]["unnoticed"]
    assert explained(name, [line for line, _ in unnoticed]) == unnoticed
    assert all(why for _, why in unnoticed)


def test_no_reason_is_left_over():
    given = [reason(name, line) for name, e in RECORD.items() for line, _ in e["unnoticed"]]
    assert [each for each in REASONS if each not in given] == []
