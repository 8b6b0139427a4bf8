"""What the audit says of every loss of the catalogue, whole.

``pages.txt`` holds all lines of the right loss, and of the others those that differ from it. A
change of what an audit says is a change of that file, too: ``python -m tests.audit.pages`` writes
it, and what it changes is to be read.
"""

from functools import cache
from pathlib import Path

from tests.audit.catalogue import CATALOGUE
from tests.audit.losses import right
from vaelib.audit import audit

PAGES = Path(__file__).with_name("pages.txt")


def told(found):
    """Every line of a page by its name, the advice, and what follows from them in numbers."""
    lines = {what: f"{answer} | {seen}".rstrip(" |") for what, answer, seen in found.lines}
    numbers = (f"{n:.5g}" if n is not None else "—" for n in (found.beta, found.variance))
    worth = f"elbo {found.elbo}, bound {found.bound}, β {next(numbers)}, σ² {next(numbers)}"
    return lines | {"advice": found.advice, "worth": worth}


@cache
def of_the_right_loss():
    return told(audit(right))


def section(name):
    """What a page says otherwise than that of the right loss; of that one, all."""
    if name == "the right loss":
        return "\n".join(f"{n}: {line}" for n, line in of_the_right_loss().items())
    loss, given = CATALOGUE[name]
    here, there = told(audit(loss, **given)), of_the_right_loss()
    names = [*there, *(name for name in here if name not in there)]
    return "\n".join(f"{n}: {here.get(n, '—')}" for n in names if here.get(n) != there.get(n))


NAMES = ["the right loss", *CATALOGUE]


def pages():
    """What is written down of each loss."""
    parts = PAGES.read_text("utf8").removeprefix("## ").rstrip("\n").split("\n\n## ")
    return dict(part.partition("\n")[::2] for part in parts)


if __name__ == "__main__":
    PAGES.write_text("\n\n".join(f"## {name}\n{section(name)}" for name in NAMES) + "\n", "utf8")
