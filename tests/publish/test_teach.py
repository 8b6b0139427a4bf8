"""A class's whole cycle, by nbgrader itself; and copies for students that give nothing away."""

import ast
import csv
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from publish.teach.__main__ import ROOT, chapters, main
from publish.teach.copies import student, teacher
from publish.teach.exercises import exercises, is_question, is_solution

NBGRADER = ROOT / "_build" / "nbgrader"
WRONG = "wrong-0", "wrong-1", "wrong-2"


def chapter(name):
    return nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4)


def nbgrader(course, *command):
    """Run one of nbgrader's commands in a course."""
    path = os.pathsep.join([str(NBGRADER), str(ROOT)])
    programs = os.pathsep.join([str(NBGRADER / "bin"), os.environ["PATH"]])
    settings = os.environ | {"PYTHONPATH": path, "PATH": programs, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "nbgrader", *command]
    done = subprocess.run(line, cwd=course, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def answered(exercise, how):
    """Return what a student of a kind writes as an answer."""
    if how == "right":
        return exercise.answer
    mistakes = [*exercise.wrong.values()]
    mistake = mistakes[(exercise.number + WRONG.index(how)) % len(mistakes)]
    *before, _ = ast.parse(exercise.judge).body
    return "\n".join([*map(ast.unparse, before), f"answer_{exercise.number} = {mistake}"])


def submit(course, name, how):
    """Hand in the released assignment, filled in as a student of a kind does."""
    copy = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    asked = {f"answer-{e.number}": e for e in exercises(chapter(name).cells)}
    for cell in copy.cells:
        exercise = asked.get(cell.metadata.nbgrader.grade_id)
        if exercise and how != "blank":
            cell.source = answered(exercise, how)
    folder = course / "submitted" / how / name
    folder.mkdir(parents=True)
    nbformat.write(copy, folder / f"{name}.ipynb")


def graded(course, name, kinds):
    """Return the score of each student by nbgrader, out of what, and what the grader was told."""
    nbgrader(course, "generate_assignment", name)
    for how in kinds:
        submit(course, name, how)
    nbgrader(course, "autograde", name)
    nbgrader(course, "export")
    with (course / "grades.csv").open() as file:
        scores = {
            r["student_id"]: (float(r["score"]), float(r["max_score"]))
            for r in csv.DictReader(file)
        }
    cells = {k: nbformat.read(course / "autograded" / k / name / f"{name}.ipynb", 4) for k in kinds}
    return scores, {k: re.findall(r"✗ not yet: [^\n]+", str(v)) for k, v in cells.items()}


def a_class_is_graded(tmp_path, name, wrong):
    main([name, "--seed", "3", "--out", str(tmp_path)])
    scores, said = graded(tmp_path / "course", name, ["right", "blank", *wrong])
    found = exercises(chapter(name).cells)
    full = sum(e.points for e in found)
    assert {k: most for k, (_, most) in scores.items()} == dict.fromkeys(scores, full)
    assert {k: s for k, (s, _) in scores.items()} == {k: full * (k == "right") for k in scores}
    assert len(scores) == 2 + len(wrong)
    for how in wrong:
        for exercise in found:
            hints = [*exercise.wrong]
            hint = hints[(exercise.number + WRONG.index(how)) % len(hints)]
            assert any(hint in text for text in said[how]), (how, hint)


needs_nbgrader = pytest.mark.skipif(not NBGRADER.is_dir(), reason="make teach installs nbgrader")


@needs_nbgrader
def test_a_class_is_assigned_solves_and_is_graded(tmp_path):
    a_class_is_graded(tmp_path, "kl_checks", WRONG[:1])
    told = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("exam.md")}
    assert told == {"teacher"}
    assert (tmp_path / "students" / "notation.md").exists()


@needs_nbgrader
@pytest.mark.long
@pytest.mark.parametrize("name", chapters())
def test_every_chapter_is_graded(tmp_path, name):
    a_class_is_graded(tmp_path, name, WRONG)


@pytest.mark.parametrize("name", chapters())
def test_a_copy_for_students_gives_nothing_away(name):
    whole = chapter(name)
    copy = student(whole)
    text = json.dumps(copy, ensure_ascii=False)
    found = exercises(whole.cells)
    for exercise in found:
        forms = [c.source for c in exercise.cells if is_question(c)]
        for secret in *forms, *exercise.wrong, exercise.answer:
            assert json.dumps(secret, ensure_ascii=False)[1:-1] not in text
    asked = json.dumps([c for e in exercises(copy.cells) for c in e.cells], ensure_ascii=False)
    for told in "<details>", "verdict", "Question(", "hide-cell", "BEGIN SOLUTION":
        assert told not in asked
    hidden = [c.source for e in found for c in e.cells if is_solution(c)]
    kept = {c.source for c in copy.cells}
    assert not kept & {*hidden}
    assert all(f"answer_{e.number} = None" in text for e in found)


def test_another_seed_draws_other_numbers_and_all_else_stays():
    before, after = (teacher(chapter("kl_checks"), s) for s in (None, 7))
    changed = [(a.source, b.source) for a, b in zip(before.cells, after.cells, strict=True)]
    (change,) = [pair for pair in changed if pair[0] != pair[1]]
    assert change[1] == change[0].replace("seed = 0", "seed = 7")


@pytest.mark.parametrize(
    ("given", "said"), [(["elbow"], "no chapter elbow"), (["--seed", "-1"], "from 0 on")]
)
def test_bad_arguments_are_refused(given, said, capsys, tmp_path):
    with pytest.raises(SystemExit):
        main([*given, "--out", str(tmp_path)])
    assert said in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.long
@pytest.mark.parametrize("name", chapters())
def test_a_copy_for_students_runs(name):
    place = {"metadata": {"path": ROOT / "chapters"}}
    NotebookClient(student(chapter(name), 5), timeout=600, resources=place).execute()
