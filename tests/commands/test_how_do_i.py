"""The commands on the page *How do I …* run as they stand there."""

import re
from pathlib import Path

from tests.book.chapter_source import PAGES
from tests.commands.test_tables import write
from tests.commands.words import photographs

(PAGE,) = (page for page in PAGES if page.id == "how_do_i")
BLOCKS = re.findall(r"^```\n(.*?)\n```", PAGE.text, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def test_every_command_of_the_page_does_what_it_says(typed):
    photographs(5, 70, 80)
    write("table.csv", 60)
    assert {line.split()[1] for line in COMMANDS} >= {"train", "evaluate", "sample", "impute"}
    runs = set()
    for line in COMMANDS:
        assert line.startswith("vaelib ")
        made = Path(line.split("--out ")[-1])
        if "train" in line and made in runs:
            made.rename(f"{made}-before")
        typed(
            re.sub(r"--epochs \d+|$", " --epochs 1", line, count=1)[7:]
            if "train" in line
            else line[7:]
        )
        assert "--out" not in line or made.exists()
        runs |= {made}
