"""``python -m vaelib audit``: the page, and a status that a script can read."""

import subprocess
import sys

import pytest

LOSSES = """
import torch
from torch import nn


def right(x_hat, x, mu, logvar):
    error = nn.functional.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def wrong(x_hat, x, mu, logvar):
    return right(x_hat, x, mu, -logvar)


def told(a, b, c, d, beta):
    return right(a, b, c, d), beta * right(a, b, c, d)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(12, 4), nn.Linear(2, 12)

    def forward(self, x):
        mu, head = self.encoder(x.flatten(1)).chunk(2, 1)
        z = mu + head.exp() * torch.randn_like(mu)
        return self.decoder(z).sigmoid().view_as(x), mu, head
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(LOSSES, "utf8")
    return folder


def run(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "vaelib", "audit", *words],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_a_bound_ends_with_0_and_anything_else_with_1(folder):
    done = run(folder, "mine:right")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("→ Nothing to change: this is minus an ELBO.\n")
    done = run(folder, "mine:wrong", "--shape", "1,28,28")
    assert (done.returncode, done.stderr) == (1, "")
    assert "→ Write the KL as" in done.stdout


def test_a_model_is_judged_by_its_draws(folder):
    done = run(folder, "mine:right", "--module", "mine:Model", "--shape", "3,2,2")
    assert done.returncode == 1
    assert (
        "the loss takes the second head for log σ², the model draws with it as log σ" in done.stdout
    )


def test_roles_numbers_and_the_entry_can_be_told(folder):
    words = ("mine:told", "--tell", "x_hat=a", "x=b", "mu=c", "logvar=d", "--give", "beta=3")
    done = run(folder, *words, "--entry", "1")
    assert done.returncode == 0
    assert "divide by 3" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mine"], "name a function as module:name, got 'mine'"),
        (["mine:nothing"], "mine has no nothing"),
        (["theirs:loss"], "No module named 'theirs'"),
        (["mine:told"], "do not tell what they are"),
        (["mine:right", "--shape", "28,0"], "must be sizes such as 1,28,28, got '28,0'"),
        (["mine:right", "--tell", "x"], "write NAME=VALUE, got 'x'"),
        (["mine:right", "--give", "beta=much"], "must be a number"),
    ],
)
def test_bad_input_ends_with_2_and_one_line_that_says_why(folder, words, said):
    done = run(folder, *words)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
