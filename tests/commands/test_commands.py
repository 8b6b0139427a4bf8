"""``python -m vaelib train``, ``evaluate``, ``sample`` and ``data``, as one types them."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.commands.words import run
from tests.training.test_shares import torchrun
from tests.training.test_training import parameters
from vaelib.commands import folder

SMALL = ["--latent", "2", "--hidden", "16", "--epochs", "2"]


def shell(*words, **options):
    command = [sys.executable, "-m", "vaelib", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf8"}
    return subprocess.Popen(command, env=environment, text=True, encoding="utf8", **options)


def weights(path):
    return parameters(folder.load(path)[0])


def started(process, path):
    while process.poll() is None and not path.exists():
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_leaves_a_run_that_can_be_used_and_goes_on(tmp_path):
    path, whole = tmp_path / "run", tmp_path / "whole"
    words = ["train", *SMALL[:-1], "20", "--out"]
    process = shell(*words, path, "--every", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started(process, path / "checkpoint.pt")
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate()
    assert (process.returncode, complaint) == (130, "")
    assert "interrupted" in said
    run("evaluate", path, "--images", 10, "--samples", 10)
    run(*words, path, "--resume")
    run(*words, whole)
    assert torch.equal(weights(path), weights(whole))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_torchrun_restarts_a_killed_worker_from_the_checkpoint(tmp_path):
    """A worker that dies once in the middle: the group starts again and ends as if it had not."""
    whole, path = tmp_path / "whole", tmp_path / "run"
    words = [*SMALL[:-1], "6", "--every", "0", "--batch-size", "100", "--out"]
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, signal, sys\n"
        "from vaelib.__main__ import main\n"
        "from vaelib.training import run\n"
        "count = run.Run.count\n"
        "def dying(self, images, sums):\n"
        "    count(self, images, sums)\n"
        "    first = os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'\n"
        "    if first and os.environ['RANK'] == '1' and self.epoch == 2 and self.seen == 500:\n"
        "        open(__file__ + '.died', 'x').close()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "run.Run.count = dying\n"
        "main(sys.argv[1:])\n"
    )
    done = torchrun(2, "--max-restarts=1", worker, "train", *words, path, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("validation ELBO") == 1
    run("train", *words, whole)
    assert (tmp_path / "worker.py.died").exists()
    torch.testing.assert_close(weights(whole), weights(path), rtol=1e-4, atol=1e-5)
