"""A sentence that says where recorded numbers come from."""

from __future__ import annotations

from vaelib.experiments.sweep import Sweep


def origin(*sweeps: Sweep) -> str:
    """When, by which commits and on which data the runs were made, and how long they took.

    Args:
        sweeps: of one data set, each with a run that is over.

    Returns:
        A sentence in Markdown.

    Raises:
        ValueError: no run is over, or the data sets differ.
    """
    entries = [entry for sweep in sweeps for entry in sweep.done()]
    named = sum(len(sweep.runs) for sweep in sweeps)
    data = {(e["data"]["name"], next(iter(e["data"]["sha256"].values()))) for e in entries}
    if len(data) != 1:
        raise ValueError(f"{len(entries)} runs on {len(data)} data sets have no common origin")
    ((name, digest),) = data

    def unique(part) -> str:
        return ", ".join(sorted({part(e) for e in entries}))

    commits = unique(lambda e: (e["commit"] or "unknown")[:7])
    count = f"{len(entries)} of " * (len(entries) < named) + f"{named} run{'s' * (named > 1)}"
    # wall_seconds are those of the last call, seconds those of the training before it, too
    hours = sum(max(e["wall_seconds"], e["seconds"]) for e in entries) / 3600
    return (
        f"*Recorded {unique(lambda e: e['date'])} at commit {commits}, "
        f"torch {unique(lambda e: e['versions']['torch'])}: {count}, "
        f"{hours:.1f} hours in all, beside other work, on {name} (SHA-256 {digest[:8]}…).*"
    )
