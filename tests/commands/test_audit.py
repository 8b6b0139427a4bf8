"""``python -m vaelib audit``: the page, and a status that a script can read."""

import os
import sys
from unittest.mock import Mock

import pytest

import vaelib.audit as audits
from vaelib.__main__ import main

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


MODEL = Model()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(LOSSES, "utf8")
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """A function that types words in that folder; returns the status, what is said, and where."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.delitem(sys.modules, "mine", raising=False)

    def typed(*words):
        try:
            main(["audit", *words])
            status = 0
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


def test_a_bound_ends_with_0_and_anything_else_with_1(run):
    status, page, complaint = run("mine:right")
    assert (status, complaint) == (0, "")
    assert page.endswith("→ Nothing to change: this is minus an ELBO.\n")
    status, page, complaint = run("mine:wrong", "--shape", "1,28,28")
    assert (status, complaint) == (1, "")
    assert "→ Write the KL as" in page


def test_a_model_is_judged_by_its_draws(run):
    status, page, _ = run("mine:right", "--module", "mine:Model", "--shape", "3,2,2")
    assert status == 1
    assert "the loss takes the second head for log σ², the model draws with it as log σ" in page


def test_roles_numbers_and_the_entry_can_be_told(run):
    words = ("mine:told", "--tell", "x_hat=a", "x=b", "mu=c", "logvar=d", "--give", "beta=3")
    status, page, _ = run(*words, "--entry", "1")
    assert status == 0
    assert "divide by 3" in page


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {"shape": None, "batch": 128, "latents": 20, "entry": None}),
        (["--shape", "1,2,3"], {"shape": (1, 2, 3), "batch": 128, "latents": 20, "entry": None}),
        (
            ["--batch", "7", "--latents", "3", "--entry", "loss"],
            {"shape": None, "batch": 7, "latents": 3, "entry": "loss"},
        ),
        (
            ["--entry", "2", "--tell", "x=input", "mu=3", "--give", "beta=0.5", "gamma=1e3"],
            {"shape": None, "batch": 128, "latents": 20, "entry": 2}
            | {"x": "input", "mu": 3, "beta": 0.5, "gamma": 1000.0},
        ),
    ],
)
def test_what_is_typed_is_what_is_asked(run, monkeypatch, words, asked):
    seen = []

    def examine(*losses, **options):
        seen.append((losses, options))
        return Mock(bound=True)

    monkeypatch.setattr(audits, "audit", examine)
    assert run("mine:right", *words)[0] == 0
    ((loss, module), options) = seen[0]
    assert (loss.__name__, module, options) == ("right", None, asked)


def test_a_class_is_called_and_a_part_of_a_part_is_found(run, monkeypatch):
    seen = []
    examine = lambda *losses, **_: seen.append(losses) or Mock(bound=False)  # noqa: E731
    monkeypatch.setattr(audits, "audit", examine)
    before = sys.path[:]
    assert run("mine:right", "--module", "mine:Model")[0] == 1
    assert run("mine:Model.forward", "--module", "mine:MODEL")[0] == 1
    mine = sys.modules["mine"]
    assert isinstance(seen[0][1], mine.Model)
    assert seen[1] == (mine.Model.forward, mine.MODEL)
    assert sys.path == [os.getcwd(), *before]  # first, and once


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mine"], "python -m vaelib: name a function as module:name, got 'mine'"),
        (["mine:nothing"], "python -m vaelib: mine has no nothing"),
        (["mine:Model.nothing"], "python -m vaelib: mine has no Model.nothing"),
        (["theirs:loss"], "python -m vaelib: No module named 'theirs'"),
        (["mine:told"], "do not tell what they are"),
        (["mine:right", "--shape", "28,0"], "must be sizes such as 1,28,28, got '28,0'"),
        (["mine:right", "--shape", "28,x"], "must be sizes such as 1,28,28, got '28,x'"),
        (["mine:right", "--tell", "x"], "python -m vaelib: write NAME=VALUE, got 'x'"),
        (["mine:right", "--tell", "x="], "python -m vaelib: write NAME=VALUE, got 'x='"),
        (["mine:right", "--give", "a=b=1"], "python -m vaelib: must be a number, got 'b=1'"),
        (["mine:right", "--give", "beta=much"], "python -m vaelib: must be a number, got 'much'"),
    ],
)
def test_bad_input_ends_with_2_and_one_line_that_says_why(run, words, said):
    status, _, complaint = run(*words)
    assert status == 2
    last = complaint.splitlines()[-1]
    assert last == said if said.startswith("python") else said in last
    assert "Traceback" not in complaint
