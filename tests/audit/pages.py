"""What the audit says of some of the kinds, whole.

``pages.txt`` holds all lines of the right loss, and of the others those that differ from it. A
change of what an audit says is a change of that file, too: ``python -m tests.audit.pages`` writes
it, and what it changes is to be read.
"""

from functools import cache
from pathlib import Path

import torch

from tests.audit.judge import judged
from tests.audit.kinds import KINDS

PAGES = Path(__file__).with_name("pages.txt")
RIGHT = "BCE each each 1"
told = cache(lambda name: judged(KINDS[name]))


@cache
def lines(name):
    """Every line of a page by its name, the advice, and what follows from them in numbers."""
    found = told(name).found
    said = {what: f"{answer} | {seen}".rstrip(" |") for what, answer, seen in found.lines}
    numbers = (f"{n:.5g}" if n is not None else "—" for n in (found.beta, found.variance))
    worth = f"elbo {found.elbo}, bound {found.bound}, β {next(numbers)}, σ² {next(numbers)}"
    return said | {"advice": found.advice, "worth": worth}


def section(name):
    """What a page says otherwise than that of the right loss; of that one, all."""
    here, there = lines(name), lines(RIGHT) if name != RIGHT else {}
    names = [*there, *(name for name in here if name not in there)]
    return "\n".join(f"{n}: {here.get(n, '—')}" for n in names if here.get(n) != there.get(n))


def written():
    """What is written down of each loss."""
    parts = PAGES.read_text("utf8").removeprefix("## ").rstrip("\n").split("\n## ")
    return dict(part.partition("\n")[::2] for part in parts)


if __name__ == "__main__":
    torch.set_num_threads(1)  # the tensors are small
    sections = [f"## {name}\n{section(name)}" for name in written()]
    PAGES.write_text("\n".join(sections) + "\n", "utf8")
