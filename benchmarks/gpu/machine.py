"""What the machine is, whether its tests pass, and how much of its memory is used."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import torch

from benchmarks import memory
from benchmarks.floor import FLOAT, parameters
from benchmarks.gpu.found import Found, Scale, pixels
from benchmarks.setting import Setting
from vaelib.objectives import log_evidence
from vaelib.training import fit
from vaelib.training.rows import Rows

TESTS = Path(__file__).parents[2] / "tests"


def about(found: Found, device: str, s: Scale) -> None:
    """The card, its driver where that is told, and what torch brings for it."""
    found.note(torch=torch.__version__, cuda=torch.version.cuda)
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        found.note(card=card.name, capability=[card.major, card.minor], memory=card.total_memory)
        found.note(nccl=list(torch.cuda.nccl.version()))
        if ask := shutil.which("nvidia-smi"):
            words = [ask, "--query-gpu=driver_version", "--format=csv,noheader"]
            found.note(driver=subprocess.run(words, capture_output=True, text=True).stdout.strip())


class Heard:
    """Listens to pytest."""

    def __init__(self, found: Found) -> None:
        self.found, self.named = found, {"passed": [], "failed": [], "skipped": []}

    def pytest_runtest_logreport(self, report) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.named[report.outcome].append(report.nodeid.rpartition("/")[2])
            failed, skipped = self.named["failed"], self.named["skipped"]
            self.found.note(passed=len(self.named["passed"]), failed=failed, skipped=skipped)


def tests(found: Found, device: str, s: Scale) -> None:
    """All tests that use a device."""
    import pytest

    heard = Heard(found)
    files = sorted(map(str, TESTS.glob("training/test_device*.py")))
    ended = pytest.main(["-v", "-p", "no:cacheprovider", *s.tests, *files], plugins=[heard])
    if ended not in (0, 1):
        raise SystemExit(f"pytest could not run the tests: {ended!r}")
    found.target("tests that failed", len(heard.named["failed"]), most=0)
    found.target("tests that passed", len(heard.named["passed"]), least=1)


def peaks(found: Found, device: str, s: Scale) -> None:
    """The peaks beside what they should be.

    ::

        data       a byte a pixel
        step       4 numbers a parameter, 5 for each pixel of the minibatch
        evidence   2 numbers a pixel and hidden unit of each image that is held
    """
    x = pixels(s)[0]
    on_device, chunk, net = x.to(device), s.chunks[-1], Setting()
    weights = parameters(net)
    model = net.model().to(device)
    work = {
        "data": (x.numel(), lambda: Rows("x", x.byte(), torch.device(device), torch.float32)),
        "evidence": (
            2 * FLOAT * chunk * (net.pixels + net.width),
            lambda: log_evidence(model, on_device[:64], samples=2 * chunk // 64, chunk=chunk),
        ),
    }
    for batch in (128, 4096):
        once = {"epochs": 1, "batch_size": batch, "device": device, "progress": False}
        predicted = FLOAT * (4 * weights + 5 * min(batch, len(x)) * net.pixels)
        work[f"step, batch {batch}"] = (
            predicted, lambda once=once: fit(net.model(), on_device, **once),
        )  # fmt: skip
    for name, (predicted, run) in work.items():
        run()
        measured = memory.peak(run, device)
        found.note(**{name: {"measured": measured, "predicted": predicted}})
        found.target(f"times the predicted peak: {name}", measured / predicted, most=1.5)
