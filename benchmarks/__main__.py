"""Measure, print, record: ``python -m benchmarks``, with the peers installed by ``make bench``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch

from benchmarks import evidence, growth, layers, report, training
from benchmarks.setting import Convolutions, images

RECORDED = Path(__file__).parents[1] / "recorded"


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    device, rounds = options.device, 2 if options.quick else options.rounds
    target = 0.05 if options.quick else 0.5
    torch.manual_seed(0)
    name, train, test = images()
    command = shlex.join(["python", "-m", "benchmarks", *arguments])
    record = report.about(command, device, name, rounds)
    record |= training.measure(train, device, rounds, 3 * target)
    record["evidence"] = evidence.measure(test, device, rounds=3, target=10 * target)
    record["layers"] = layers.measure(Convolutions(), train, device, rounds, target / 10)
    record["growth"] = growth.measure(train, device, rounds=5, target=target / 2)
    print(report.table(record))
    report.save(record, options.output or RECORDED / _file(device))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contestant")
    parser.add_argument("--quick", action="store_true", help="short turns, to see that all runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path, help="instead of a file in recorded/")
    return parser.parse_args(arguments)


def _file(device: str) -> str:
    return "benchmark.json" if device == "cpu" else f"benchmark-{device}.json"


if __name__ == "__main__":
    main(sys.argv[1:])
