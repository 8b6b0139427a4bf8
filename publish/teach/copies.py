"""Copies of a chapter: for students, for teachers, and as an assignment for nbgrader."""

import re
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from publish.teach.exercises import SOLUTION, Exercise, exercises, is_question, is_solution
from publish.teach.slices import needed, used

SEED = re.compile(r"^seed = \d+", re.MULTILINE)
INTRODUCTION = re.compile(r"(^## Exercises\n).*?(?=^### Exercise 1$|\Z)", re.DOTALL | re.MULTILINE)
NOTE = r"\1\nPut what you find into `answer_1`, `answer_2` and so on. Your teacher judges it.\n\n"
HIDDEN = "# exercise {}\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
ANSWER = "answer_{0} = None  # yours\n"
SOLVED = ANSWER + "### BEGIN SOLUTION\n{1}\n### END SOLUTION"


def teacher(chapter: NotebookNode, seed: int | None = None) -> NotebookNode:
    """Return a chapter without outputs, its exercises with the numbers of a seed."""
    copy = deepcopy(chapter)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if seed is not None:
                cell.source = SEED.sub(f"seed = {seed}", cell.source)
    return copy


def student(chapter: NotebookNode, seed: int | None = None) -> NotebookNode:
    """Return a chapter without what answers its exercises."""
    copy = teacher(chapter, seed)
    for exercise in exercises(copy.cells):
        blank = new_code_cell(ANSWER.format(exercise.number).strip())
        copy.cells = replaced(copy.cells, exercise, [blank])
    copy.cells = asked(copy.cells)
    return copy


def assignment(chapter: NotebookNode, seed: int | None = None) -> NotebookNode:
    """Return the exercises of a chapter, and what they need of it, as nbgrader's source."""
    copy = teacher(chapter, seed)
    found = exercises(copy.cells)
    start = copy.cells.index(found[0].cells[0])
    names = {name for e in found for name in names_of(e)}
    cells = [given(c, i) for i, c in enumerate(sliced(copy.cells[:start], names))]
    for exercise in found:
        shown = replaced(exercise.cells, exercise, [*graded(exercise)])
        cells += [given(c, f"{exercise.number}-{i}") for i, c in enumerate(shown)]
    copy.cells = asked(cells)
    return copy


def replaced(cells: list, exercise: Exercise, with_what: list) -> list:
    """Return cells without an exercise's solution, and others in place of its question."""
    left = []
    for cell in cells:
        mine = cell in exercise.cells
        if mine and f"exercise_{exercise.number} = Question(" in cell.source:
            left += with_what
        elif not (mine and (is_solution(cell) or is_question(cell))):
            left.append(cell)
    return left


def asked(cells: list) -> list:
    """Return cells whose text has no solution and names what a student fills in."""
    for cell in cells:
        if cell.cell_type == "markdown":
            text = INTRODUCTION.sub(NOTE, SOLUTION.sub("", cell.source))
            cell.source = re.sub(r"`exercise_(\d)`", r"`answer_\1`", text)
    return [c for c in cells if c.source.strip()]


def names_of(exercise: Exercise) -> set[str]:
    """Return the names that an exercise uses, in code or in the words of its text."""
    code = [c.source for c in exercise.cells if c.cell_type == "code" and not is_solution(c)]
    return used("\n".join([*code, exercise.answer])) | {*re.findall(r"`(\w+)", exercise.text)}


def sliced(cells: list, names: set[str]) -> list:
    """Return the title of a chapter, and of its code before the exercises what these need."""
    code = [c for c in cells if c.cell_type == "code"]
    for cell, source in zip(code, needed([c.source for c in code], names), strict=True):
        cell.source = source
    title = new_markdown_cell(next(c.source for c in cells if c.cell_type == "markdown"))
    title.source = title.source.partition("\n")[0]
    return [title, *(c for c in code if c.source)]


def graded(exercise: Exercise) -> list:
    """Return the cell for a student's answer, and the hidden one that gives it points."""
    n = exercise.number
    test = f"{exercise.judge}\nverdict = exercise_{n}(answer_{n})\nassert verdict, verdict"
    answer = new_code_cell(SOLVED.format(n, exercise.answer))
    answer.metadata.nbgrader = nbgrader(f"answer-{n}", solution=True)
    judged = new_code_cell(HIDDEN.format(n, test))
    judged.metadata.nbgrader = nbgrader(f"exercise-{n}", grade=True, locked=True)
    judged.metadata.nbgrader["points"] = exercise.points
    return [answer, judged]


def given(cell: NotebookNode, name: object) -> NotebookNode:
    """Return a cell that a student reads and runs; what is changed in it does not count."""
    if "nbgrader" not in cell.metadata:
        cell.metadata = {"nbgrader": nbgrader(f"given-{name}", locked=True)}
    return cell


def nbgrader(name: str, grade=False, locked=False, solution=False) -> dict:
    return {
        "grade_id": name,
        "grade": grade,
        "locked": locked,
        "solution": solution,
        "task": False,
        "schema_version": 3,
    }
