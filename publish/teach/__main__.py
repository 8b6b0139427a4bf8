"""``python -m publish.teach``: copies of the chapters for a class, and a course for nbgrader.

``students`` and ``teacher`` hold the chapters without and with solutions, the teacher's beside
questions for an exam. ``course`` is a course directory of nbgrader's: the assignments' sources and
its settings.
"""

import argparse
import shutil
from pathlib import Path

import nbformat
import yaml

from publish.teach.copies import assignment, student, teacher

ROOT = Path(__file__).parents[2]
SETTINGS = """\
c = get_config()
c.CourseDirectory.course_id = "vae"
c.ClearSolutions.code_stub = {"python": "# Put your answer above, or compute it here."}
c.ExecutePreprocessor.timeout = 600
c.Exchange.root = "exchange"
"""


def chapters() -> list[str]:
    """Return the names of the book's chapters, in their order."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]
    return [Path(c["file"]).name for p in parts if "numbered" in p for c in p["chapters"]]


def file_of(name: str) -> Path:
    return Path(name) if name.endswith(".ipynb") else ROOT / "chapters" / f"{name}.ipynb"


def write(name: str, out: Path, seed: int | None = None) -> None:
    """Write the copies and the assignment of a chapter, given by its name or as a file."""
    path = file_of(name)
    chapter = nbformat.read(path, as_version=4)
    files = {"students": student, "teacher": teacher, f"course/source/{path.stem}": assignment}
    for folder, made in files.items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        nbformat.write(made(chapter, seed), out / folder / path.name)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m publish.teach", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="names, or files; all without")
    parser.add_argument("--seed", type=int, help="draws the numbers of the exercises")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "teach")
    options = parser.parse_args(arguments)
    missing = [name for name in options.chapters if not file_of(name).is_file()]
    if missing:
        parser.error(f"no chapter {', '.join(missing)}; there are {', '.join(chapters())}")
    if (options.seed or 0) < 0:
        parser.error(f"--seed takes a whole number from 0 on, not {options.seed}")
    for name in options.chapters or chapters():
        write(name, options.out, options.seed)
    (options.out / "course" / "nbgrader_config.py").write_text(SETTINGS, "utf8")
    for copies in "students", "teacher":
        shutil.copytree(
            ROOT / "chapters" / "further", options.out / copies / "further", dirs_exist_ok=True
        )
        for page in "notation.md", "terms.md", "bibliography.md", "syllabus.md":
            shutil.copy(ROOT / "chapters" / page, options.out / copies)
    shutil.copy(Path(__file__).with_name("exam.md"), options.out / "teacher")
    print(f"{options.out}: students, teacher, and course for nbgrader")


if __name__ == "__main__":
    main()
