"""That slips are made and noticed, and what is recorded of those that nobody noticed."""

import ast
import importlib.util
import json
import sys

import nbformat
import pytest
import torch

from tests.book.chapter_source import READ, ROOT
from tests.cases import cases, python
from vaelib.divergence import Estimate

sys.path.append(str(ROOT / "tests/mutants"))

from reasons import REASONS, explained, reason
from rooms import CORE, ROOMS, least
from sites import Same, changes, doubled, shared
from taught import PAIRS, ended

import chapters

RECORD = json.loads((ROOT / "recorded/mutants.json").read_text("utf8"))
NAMES = [page.id for page in READ if "/" not in page.id and chapters.is_guarded(page.id)]


@cases(
    ("a + b", ["a - b", "a", "b"]),
    ("a - b", ["a + b", "a", "-b"]),
    ("a * b", ["a", "b"]),
    ("a / b", ["a"]),
    ("a ** 2", ["a"]),
    ("-a", ["a"]),
    ("-1", []),
    ("x += a", ["x -= a"]),
    ("a < b", ["a > b"]),
    ("a = b", []),
    ("a = b(c)", ["a = doubled(b(c))"]),
    ("lambda z: z", ["lambda z: doubled(z)"]),
    ("a.mean(0)", ["a.sum(0)"]),
    ("a.argmax()", ["a.argmin()"]),
    ("kl(q, p)", ["kl(p, q)", "kl(q)"]),
    ("f(a, beta=4, samples=2, seed=0)", ["f(a, samples=2, seed=0)"]),
    ("f(a, seed=s)", ["f(a)"]),
    ("model.encode(x)", ["blind(model, x)"]),
    ("q.sample((3,))", ["shared(q.sample((3,)))"]),
    ("torch.manual_seed(s)", ["torch.manual_seed(0)"]),
    ("torch.manual_seed(1)", []),
    ("torch.arange(a + 1)", []),
    ("a[i + 1]", []),
    ("assert a + b", []),
    ("plots.lines(a + b)", []),
    ("f'{a + b:.2f}'", ["f'{a - b:.2f}'", "f'{a:.2f}'", "f'{b:.2f}'"]),
    ("check('eq-a', a=a, b=b)", []),
    ("check('eq-a', a=-a, b=b)", ["check('eq-a', a=a, b=b)"]),
    ("a = 3 * 64**2", ["a = doubled(3 * 64 ** 2)"]),
    ("[a] + [b]", []),
    ("'head' + rows + ', '.join(a)", []),
    ("for i in r:\n    f(i)", [f"for i in list(r)[:{n}]:\n    f(i)" for n in (0, 1)]),
)
def test_a_slip_changes_an_operator_an_argument_a_loop_or_the_noise(source, changed):
    (statement,) = ast.parse(source).body
    assert [*changes(statement)] == changed


def test_what_a_slip_calls_changes_numbers_and_refuses_what_it_cannot_change():
    assert doubled(1.5) == 3
    assert doubled(Estimate(torch.ones(2), torch.ones(2))).mean.tolist() == [2, 2]
    assert shared(torch.tensor([1, 2])).tolist() == [1, 1]
    for change, value in [(doubled, 3), (doubled, "a"), (shared, torch.ones(1)), (shared, 2)]:
        with pytest.raises(Same):
            change(value)


RIGHT = """
x = torch.randn(9)
left = (x + 1) ** 2
right = x**2 + 2 * x + 1
check("eq-a", left=left, right=right, tolerance=1e-5)
Markdown(f"{float(left.sum())}")
"""
WEAK = RIGHT.replace("left=left, right=right", "left=len(left), right=len(right)")
SILENT = WEAK.replace("{float(left.sum())}", "nothing")


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Write a chapter, and return what became of its slips."""
    monkeypatch.setattr(chapters, "CHAPTERS", tmp_path)
    monkeypatch.chdir(tmp_path)

    def survivors(pages):
        head = "import torch\nfrom vaelib.checks import check\nfrom vaelib.prose import Markdown"
        for page, source in pages.items():
            cells = [nbformat.v4.new_code_cell(text) for text in (head, "open('beside')", source)]
            path = tmp_path / f"{page}.ipynb"
            path.parent.mkdir(exist_ok=True)
            path.with_name("beside").touch()
            nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
            assert chapters.is_guarded(page)
        return chapters.survivors("tiny")

    return survivors


@pytest.mark.parametrize("more", [{}, {"further/tiny": RIGHT}])
def test_a_good_check_notices_each_slip_that_changes_what_is_said(more, chapter):
    made, missed = chapter({"tiny": RIGHT} | more)
    assert made == 18 * (1 + len(more))
    assert {*missed} == {
        "factor: x = torch.randn(9) → x = doubled(torch.randn(9))",
        "mean, sum, least, most: left.sum() → left.mean()",
        "noise: torch.randn(9) → shared(torch.randn(9))",
    }


def test_a_check_that_sees_nothing_is_found_out_and_what_leaves_all_as_it_is_is_no_slip(chapter):
    made, missed = chapter({"tiny": WEAK})
    assert (made, len(missed)) == (7, 7)
    assert chapter({"tiny": SILENT}) == (0, [])
    with pytest.raises(RuntimeError, match="tiny: fails unchanged"):
        chapter({"tiny": "check('eq-a', a=1, b=2)"})


def test_each_function_can_be_made_wrong():
    spoil = "import taught; [*map(taught.spoil, taught.SLIPS)]"
    python("-c", spoil, cwd=ROOT / "tests/mutants")


@pytest.mark.long
@pytest.mark.parametrize(("slip", "chapter"), PAIRS)
def test_a_chapter_notices_that_what_it_teaches_is_wrong(slip, chapter, monkeypatch):
    monkeypatch.chdir(chapters.CHAPTERS / chapter.rpartition("/")[0])
    assert ended(slip, chapter) == chapters.NOTICED


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


@cases(
    ([], [], (0, 100)),
    ([KNOWN] * 5, [], (0, 100)),
    ([KNOWN] * 6, [], (1, 100)),
    (["f: a → b"], [], (1, 100)),
    ([KNOWN], ["--drawn", "20"], (0, False)),
    ([KNOWN] * 2, ["--drawn", "20"], (1, False)),
)
def test_the_command_says_whether_enough_was_noticed(command, missed, options, result):
    assert command(missed, *options) == result


def test_every_room_of_the_library_and_every_chapter_is_changed_and_recorded():
    rooms = {p.stem for p in (ROOT / "vaelib").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == set(ROOMS)
    assert all((ROOT / path).exists() for paths in ROOMS.values() for path in paths)
    assert [least(name) for name in (*CORE, "training", "vae")] == [0.95] * 6 + [0.85, 0.9]
    assert {*RECORD, *UNDRAWN} == {*ROOMS, *NAMES}


UNDRAWN = {"compress"}  # whose changes are not drawn yet


@pytest.mark.parametrize("name", RECORD)
def test_the_tests_of_a_room_and_the_chapters_notice_what_they_must_and_the_rest_has_a_reason(name):
    entry, unnoticed = RECORD[name], RECORD[name]["unnoticed"]
    assert len(unnoticed) <= (1 - least(name)) * entry["changes"]
    assert explained(name, [line for line, _ in unnoticed]) == unnoticed
    assert all(why for _, why in unnoticed)
    # many of those that only tests without an end notice are a hang of the tests' own
    assert len(entry.get("endless", ())) <= 0.01 * entry["changes"]


def test_no_reason_is_left_over():
    given = [reason(name, line) for name, e in RECORD.items() for line, _ in e["unnoticed"]]
    assert [each for each in REASONS if each not in given] == []
