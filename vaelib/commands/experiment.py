"""``python -m vaelib experiment``: the runs that a file names."""

import argparse
from pathlib import Path

from vaelib.commands.arguments import add, positive


def register(commands) -> None:
    about = "make the paper's runs that a file names, or go on with them"
    parser = add(commands, "experiment", about, "experiment figure2 --out mine.json", experiment)
    parser.add_argument("file", help="a TOML file, or the name of one that comes with the library")
    parser.add_argument("--out", type=Path, help="the results; without it, beside the file")
    parser.add_argument("--jobs", type=positive, default=1, help="runs side by side")
    parser.add_argument(
        "--folder", type=Path, default="_build/runs", help="where the checkpoints of runs lie"
    )


def experiment(options: argparse.Namespace) -> None:
    """Make every run that is not over, and say so."""
    from vaelib.experiments import Sweep

    sweep = Sweep(options.file, options.out)
    failed = sweep.run(options.folder, options.jobs)
    print(f"{sweep.results}: {len(sweep.done())} runs")
    if failed:
        raise SystemExit(f"{len(failed)} failed; the same command tries them again")
