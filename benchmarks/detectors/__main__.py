"""Learn, score, record: ``python -m benchmarks.detectors``, with pyod by ``make detectors``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks import report
from benchmarks.detectors.contestants import OURS, PEERS, Detector, ours
from benchmarks.detectors.tables import Table, tables, task
from vaelib import provenance

RECORD = Path(__file__).parents[2] / "recorded/detectors.json"
SEEDS = (1, 2, 3, 4, 5)


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "The covariance matrix")  # of pixels that are always 0
    record = {
        "command": "make detectors",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": provenance.commit(),
        "versions": provenance.versions() | {p: version(p) for p in ("scikit-learn", "pyod")},
        "rows": [row for table in tables() for row in measure(table, PEERS, SEEDS)],
    }
    report.save(record, RECORD)
    print(f"{len(record['rows'])} comparisons recorded in {RECORD}")


def measure(table: Table, peers: Mapping[str, Detector], seeds: Iterable[int]) -> list[dict]:
    """For each sort of odd rows the area under the curve of every detector, by seed."""
    detectors = {OURS: partial(ours, kind=table.kind), **peers}
    rows = []
    for odd, name in {**table.classes, None: "shuffled"}.items():
        areas = {detector: [] for detector in detectors}
        for seed in seeds:
            train, plain, strange = task(table, odd, seed)
            truth = np.repeat([0, 1], [len(plain), len(strange)])
            test = np.concatenate([plain, strange])
            for detector, scores in detectors.items():
                area = roc_auc_score(truth, scores(train, test, seed))
                areas[detector].append(float(area))
        sizes = {"learned": len(train), "ordinary": len(plain), "odd_rows": len(strange)}
        rows.append({"table": table.name, "odd": name, **sizes, "areas": areas})
        print(f"{table.name}, {name}: {_means(areas)}", flush=True)
    return rows


def _means(areas: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {np.mean(values):.3f}" for name, values in areas.items())


if __name__ == "__main__":
    main()
