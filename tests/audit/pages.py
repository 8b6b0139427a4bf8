"""What the audit finds in every loss of the tests, and what it says of that, whole.

``found.txt`` holds the findings, ``pages.txt`` the lines: of the right loss all, of the
others those that differ from it. A change of what an audit says is a change of these files, too:
``python -m tests.audit.pages`` writes both.
"""

from dataclasses import fields, is_dataclass
from functools import cache
from math import inf, nan
from pathlib import Path

from tests.audit.losses import right
from vaelib.audit import audit
from vaelib.audit.divergence import Divergence
from vaelib.audit.fit import Weight
from vaelib.audit.gradients import Gradients
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.report import Audit
from vaelib.audit.sampler import Sampler
from vaelib.audit.shapes import Layout
from vaelib.audit.value import Value

PARTS = (Audit, Divergence, Gradients, Layout, Likelihood, Sampler, Value, Weight)
NAMES = {part.__name__: part for part in PARTS} | {"inf": inf, "nan": nan}
PAGES, FOUND = (Path(__file__).with_name(f"{name}.txt") for name in ("pages", "found"))


def written(finding):
    """A finding as Python writes it, without what is as ever."""
    if is_dataclass(finding):
        parts = [(f.name, getattr(finding, f.name)) for f in fields(finding)]
        usual = {f.name: f.default for f in fields(finding)}
        parts = [(n, v) for n, v in parts if v != usual[n]]
        return f"{type(finding).__name__}({', '.join(f'{n}={written(v)}' for n, v in parts)})"
    if isinstance(finding, dict):
        return f"{{{', '.join(f'{n!r}: {written(v)}' for n, v in finding.items())}}}"
    if isinstance(finding, (tuple, list)):
        return f"({', '.join(map(written, finding))}{',' * (len(finding) == 1)})"
    return repr(finding)


def told(found):
    """Every line of a page by its name, the advice, and what follows from them in numbers."""
    lines = {what: f"{answer} | {seen}".rstrip(" |") for what, answer, seen in found.lines}
    numbers = (f"{n:.5g}" if n is not None else "—" for n in (found.beta, found.variance))
    worth = f"elbo {found.elbo}, bound {found.bound}, β {next(numbers)}, σ² {next(numbers)}"
    return lines | {"advice": found.advice, "worth": worth}


@cache
def of_the_right_loss():
    return told(audit(right))


def section(found):
    """What a page says otherwise than that of the right loss."""
    here, there = told(found), of_the_right_loss()
    names = [*there, *(name for name in here if name not in there)]
    return "\n".join(f"{n}: {here.get(n, '—')}" for n in names if here.get(n) != there.get(n))


@cache
def sections(path):
    """A file as ``{name of a loss: its section}``."""
    parts = path.read_text("utf8").removeprefix("## ").rstrip("\n").split("\n\n## ")
    return dict(part.partition("\n")[::2] for part in parts)


def pages():
    """What is said of each loss."""
    return sections(PAGES)


def found(name):
    """What was found in a loss, without looking again."""
    return eval(sections(FOUND)[name], NAMES)


def main():
    from tests.audit.test_audit import CASES
    from tests.audit.test_mutants import MUTANTS, PAIRS
    from tests.audit.test_pages import OTHERS

    plain = {name: (loss, {}) for name, (loss, *_) in (MUTANTS | PAIRS).items()}
    others = {
        name: audit(loss, **given) for name, (loss, given, *_) in (CASES | plain | OTHERS).items()
    }
    findings = {"the right loss": audit(right)} | others
    lines = "\n".join(f"{name}: {line}" for name, line in of_the_right_loss().items())
    said = {"the right loss": lines} | {name: section(each) for name, each in others.items()}
    for path, parts in (
        (PAGES, said),
        (FOUND, {name: written(each) for name, each in findings.items()}),
    ):
        text = "\n\n".join(f"## {name}\n{part}" for name, part in parts.items())
        path.write_text(text + "\n", "utf8")


if __name__ == "__main__":
    main()
