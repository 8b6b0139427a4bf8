"""The record of a run: a small JSON file, and a table for the terminal."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks import limits
from vaelib import files, provenance

PEERS = ("pythae", "pyro-ppl")
DIGITS = 4


def about(command: str, device: str, data: str, rounds: int) -> dict:
    """What was run, when and where."""
    machine = provenance.machine()
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": provenance.commit(),
        "machine": machine | {"processor": processor(device) or machine["processor"]},
        "versions": provenance.versions() | {p: v for p in PEERS if (v := _version(p))},
        "data": data,
        "rounds": rounds,
    }


def processor(device: str) -> str:
    """The model of the card, or of the processor where Linux names it."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def rounded(value):
    """The same with four digits of every fraction."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def save(record: dict, path: Path) -> None:
    """Write it whole or not at all, whenever the machine stops."""
    files.write_text(path, text(record))


def text(record: dict) -> str:
    """One line an entry, so that a difference can be read."""
    fields = (f"{json.dumps(key)}: {_lines(value)}" for key, value in rounded(record).items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _lines(value) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]"
    return json.dumps(value)


def table(record: dict) -> str:
    measured = record["limits"]
    lines = [
        f"{record['machine']['processor']}, {record['machine']['threads']} threads, "
        f"{record['data']}, {record['rounds']} rounds",
        f"products {limits.rate(measured) / 1e9:.0f} GFLOP/s, cache {measured['cache'] / 1e9:.0f} "
        f"GB/s, memory {measured['memory'] / 1e9:.0f} GB/s",
    ]
    for group in record["groups"]:
        lines += [
            "",
            f"{group['title']:42} images/s  quartiles          fit is   (95 %)            of floor",
        ]
        lines += [_line(row) for row in group["rows"]]
        lines.append(f"{'the floor':40} {group['floor']:10,.0f}")
    lines += ["", f"distributions cost {record['distributions']:.0%} of a step"]
    lines += ["", *(_evidence(part) for part in record["evidence"]["parts"]), ""]
    lines += [f"{100 * row['share']:4.0f} %  {row['layer']}" for row in record["layers"]]
    lines.append("")
    for panel in record["growth"]:
        power = panel["slopes"]
        lines.append(
            f"{panel['of']} ~ {panel['name']}^{power['seconds']:.2f} in time, "
            f"^{power['memory']:.2f} in memory"
        )
    return "\n".join(lines)


def _line(row: dict) -> str:
    (low, middle, high), (least, most) = row["speed"], row["interval"]
    return (
        f"{row['name']:40} {middle:10,.0f}  {low:8,.0f} {high:8,.0f} "
        f"{row['ratio']:7.3f} x ({least:.3f} to {most:.3f}) {row['floor']:7.0%}"
    )


def _evidence(part: dict) -> str:
    return (
        f"log_evidence, {part['images']:,} images with {part['samples']:,} samples: "
        f"{part['seconds']:.1f} s, so the whole {part['whole']:.0f} s; "
        f"{part['rate'] / 1e9:.0f} GFLOP/s, {part['floor']:.0%} of the floor"
    )
