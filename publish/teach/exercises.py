"""The exercises of a chapter, read from its cells."""

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property

from nbformat import NotebookNode

HEADING = re.compile(r"^(##|### Exercise) (\S+)", re.MULTILINE)
LEVEL = re.compile(r"^\*(Easy|Medium|Hard), (\d+) minutes\.\*$", re.MULTILINE)
SOLUTION = re.compile(r"\n*<details>.*?</details>", re.DOTALL)
POINTS = {"Easy": 1, "Medium": 2, "Hard": 3}


def is_solution(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and "hide-cell" in cell.metadata.get("tags", [])


def is_question(cell: NotebookNode) -> bool:
    """Say whether a cell is part of what makes a question: those of the exercises are forms."""
    return cell.cell_type == "code" and cell.metadata.get("cellView") == "form"


@dataclass
class Exercise:
    """One exercise: its text, its question, its solution, and what it gives the reader."""

    number: int
    cells: list[NotebookNode] = field(default_factory=list)

    @cached_property
    def text(self) -> str:
        parts = (c.source for c in self.cells if c.cell_type == "markdown")
        return SOLUTION.sub("", "\n\n".join(parts).split(f"### Exercise {self.number}\n")[-1])

    @cached_property
    def level(self) -> str:
        return LEVEL.search(self.text)[1]

    @property
    def points(self) -> int:
        return POINTS[self.level]

    @property
    def judge(self) -> str:
        """Return the code that makes the question."""
        return "\n".join(c.source for c in self.cells if is_question(c))

    @cached_property
    def call(self) -> ast.Call:
        return ast.parse(self.judge).body[-1].value

    @property
    def wrong(self) -> dict[str, str]:
        """Return the source of each typical wrong answer under its hint."""
        (given,) = (k.value for k in self.call.keywords if k.arg == "wrong")
        hints = (ast.literal_eval(key) for key in given.keys)
        return dict(zip(hints, map(ast.unparse, given.values), strict=True))

    @property
    def kind(self) -> str:
        """Return what is asked for: a number, a function or a choice."""
        if any(k.arg == "at" for k in self.call.keywords):
            return "function"
        match self.call.args[0]:
            case ast.Constant(str()):
                return "choice"
        return "number"

    @property
    def solution(self) -> str:
        """Return the cell that has its answer judged."""
        verdict = f"verdict = exercise_{self.number}("
        return next(c.source for c in self.cells if is_solution(c) and verdict in c.source)

    @property
    def answer(self) -> str:
        """Return the code that sets ``answer_n`` as the solution has it."""
        verdict = f"verdict = exercise_{self.number}("
        before, _, after = self.solution.partition(verdict)
        call = ast.parse(verdict + after).body[0].value
        return f"{before}answer_{self.number} = {ast.unparse(call.args[0])}"


def exercises(cells: list[NotebookNode]) -> list[Exercise]:
    """Return the exercises among the cells of a chapter, in their order."""
    found, inside = [], False
    for cell in cells:
        for mark, title in HEADING.findall(cell.source) if cell.cell_type == "markdown" else []:
            inside = mark == "### Exercise" or title == "Exercises"
            if mark == "### Exercise":
                found.append(Exercise(int(title)))
        if inside and found:
            found[-1].cells.append(cell)
    return found
