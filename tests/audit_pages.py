"""What the audit says of every loss in the tests, whole: ``audit_pages.txt``.

Of the right loss all lines are there, of the others those that differ from it. A change of what an
audit says is a change of that file, too: ``python tests/audit_pages.py > tests/audit_pages.txt``.
"""

from functools import cache
from pathlib import Path

from audit_losses import right

from vaelib.audit import audit

FILE = Path(__file__).with_suffix(".txt")


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
def pages():
    """The file as ``{name of a loss: its section}``."""
    parts = FILE.read_text("utf8").removeprefix("## ").rstrip("\n").split("\n\n## ")
    return dict(part.partition("\n")[::2] for part in parts)


def main():
    from test_audit import CASES
    from test_audit_mutants import MUTANTS, PAIRS
    from test_audit_pages import OTHERS

    print("## the right loss")
    print("\n".join(f"{name}: {line}" for name, line in of_the_right_loss().items()))
    plain = {name: (loss, {}) for name, (loss, *_) in (MUTANTS | PAIRS).items()}
    for name, (loss, given, *_) in (CASES | plain | OTHERS).items():
        print(f"\n## {name}\n{section(audit(loss, **given))}")


if __name__ == "__main__":
    main()
