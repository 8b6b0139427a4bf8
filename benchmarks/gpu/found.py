"""What a part is given, and what it finds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from benchmarks import report
from benchmarks.setting import images, noise
from vaelib.data import MNIST


@dataclass(frozen=True)
class Scale:
    """How much is done, and what is asked for."""

    images: int = 60_000
    rounds: int = 3
    turn: float = 1.0  # seconds of a contestant's turn
    seeds: int = 5
    epochs: int = 5
    chunks: tuple[int, ...] = (2**10, 2**14, 2**17)
    tests: tuple[str, ...] = ()  # words for pytest
    epoch: float = 0.05  # seconds of a MNIST epoch at batch 128, on an H200
    classic: float = 50.0  # times the classic script
    faster: float = 1.0  # times the plain step
    roofline: float = 0.5  # of the limit, for log_evidence


QUICK = Scale(
    images=512, rounds=1, turn=0.01, seeds=2, epochs=1, chunks=(2**10,),
    tests=("-k", "device_learns"), epoch=60.0, classic=0.01, faster=0.01, roofline=0.01,
)  # fmt: skip


@dataclass
class Found:
    """What a part has found so far: on the disk after each word, so an early end loses none."""

    path: Path
    said: dict = field(default_factory=lambda: {"targets": []})

    def note(self, **said) -> None:
        self.said |= said
        report.save(self.said, self.path)

    def target(self, what: str, measured: float, *, most=None, least=None) -> None:
        """Say what was asked for and what came; a number that is none meets nothing."""
        met = measured <= most if least is None else measured >= least
        asked = {"at most": most} if least is None else {"at least": least}
        self.said["targets"].append({"what": what, "measured": measured, **asked, "met": met})
        self.note()


def at_hand() -> bool:
    """Whether MNIST's four files lie in VAELIB_DATA_DIR: here no network is asked."""
    folder = Path(os.environ.get("VAELIB_DATA_DIR", "/nonexistent"))
    return all(any(folder.glob(f"{file}*")) for file in MNIST)


def pixels(s: Scale) -> tuple[Tensor, Tensor]:
    """Training and test images, black and white."""
    _, train, test = images() if at_hand() else noise()
    return train[: s.images], test[: s.images]
