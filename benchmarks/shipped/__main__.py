"""Audit, print, record: ``python -m benchmarks.shipped``, with the packages by ``make shipped``."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import report
from benchmarks.shipped.findings import finding
from benchmarks.shipped.rows import ROWS
from vaelib import provenance

RECORD = Path(__file__).parents[2] / "recorded/shipped.json"


def main() -> None:
    rows = []
    for row in ROWS:
        shipped = row.miniature if row.make is None else row.make()
        rows.append({
            "package": row.package, "version": version(row.package) if row.make else None,
            "loss": row.loss, "says": row.says, "link": row.link,
            **finding(shipped, row.sizes),
        })  # fmt: skip
        print(f"{row.package}, {row.loss}: {rows[-1]['verdict']}. {rows[-1]['sentence']}")
    record = {
        "command": "make shipped",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "rows": rows,
    }
    report.save(record, RECORD)
    print(f"{len(rows)} losses recorded in {RECORD}")


if __name__ == "__main__":
    main()
