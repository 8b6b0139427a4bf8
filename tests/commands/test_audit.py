"""``python -m vaelib audit``: the page, and a status that a script can read."""

import os
import sys
from unittest.mock import Mock

import pytest

import vaelib.audit as audits
from tests.cases import cases
from vaelib.__main__ import main
from vaelib.commands.audit import in_options

LOSSES = """
import torch
from torch import nn

def right(x_hat, x, mu, logvar):
    error = nn.functional.binary_cross_entropy(x_hat, x, reduction="sum")
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()) / len(x)
def wrong(x_hat, x, mu, logvar): return right(x_hat, x, 0 * mu, logvar)
def given(x_hat, x, mu, logvar, beta): return (x - x_hat).square().sum(), beta * mu.sum()
def told(a, b, c, d, beta): return right(a, b, c, d), beta * right(a, b, c, d)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(12, 4), nn.Linear(2, 12)
    def forward(self, x):
        mu, head = self.encoder(x.flatten(1)).chunk(2, 1)
        z = mu + head.exp() * torch.randn_like(mu)
        return self.decoder(z).sigmoid().view_as(x), mu, head
class Four(Model):
    def forward(self, x): return *super().forward(x), x
class Needs:
    def __init__(self, size): pass
    def loss(self, *inputs): return right(*inputs)
MODEL = Model()
"""
SCRIPT = """
import argparse, sys

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
options = parser.parse_args()
from mine import Model, right

class Net(Model):
    def loss(self, recons, x, mu, logvar, **others):
        return others["kl_weight"] * right(recons, x, mu, logvar)

if __name__ == "__main__":
    raise RuntimeError("a training began")
"""
OTHERS = {
    "script.py": SCRIPT,
    "wants.py": SCRIPT.replace('"--epochs", type', '"epochs", type').replace(", default=3", ""),
    "broken.py": "raise ZeroDivisionError('by 0')",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    for name, text in {"mine.py": LOSSES, **OTHERS}.items():
        (folder / name).write_text(text, "utf8")
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


@cases(
    ("mine:right", 0, "→ Nothing to change: this is minus an ELBO.\n"),
    ("mine:wrong --shape 1,28,28", 1, "→ Write the KL as"),
    ("mine:right --module mine:Model --shape 3,2,2", 1,
     "the loss takes the second head for log σ², the model draws with it as log σ"),
    ("mine:told --tell x_hat=a x=b mu=c logvar=d --give beta=3 --entry 1", 0, "divide by 3"),
)  # fmt: skip
def test_a_bound_ends_with_0_and_anything_else_with_1(run, words, status, said):
    found, page, complaint = run(*words.split())
    assert (found, complaint) == (status, "")
    assert said in page


@cases(
    ("", {}),
    ("--shape 1,2,3 --batch 7 --latents 3", {"shape": (1, 2, 3), "batch": 7, "latents": (3,)}),
    ("--latents 7,20 --entry loss", {"latents": (7, 20), "entry": ("loss",)}),
    ("--entry a --entry 1 --after 9", {"entry": ("a", 1), "after": 9}),
    ("--output x_hat,x,mu,logvar", {"outputs": ("x_hat", "x", "mu", "logvar")}),
    ("--entry 2 --tell x=input mu=3 --give beta=0.5 gamma=1e3 --tell z=s",
     {"entry": (2,), "x": "input", "mu": 3, "z": "s", "beta": 0.5, "gamma": 1000.0}),
)  # fmt: skip
def test_what_is_typed_is_what_is_asked(run, monkeypatch, words, asked):
    seen = []
    examine = lambda *losses, **told: seen.append((losses, told)) or Mock(verdict="bound")  # noqa: E731
    monkeypatch.setattr(audits, "audit", examine)
    assert run("mine:right", *words.split())[0] == 0
    ((loss, module), told) = seen[0]
    usual = {"batch": 128, "latents": (20,), "after": 0}
    usual |= dict.fromkeys(("shape", "entry", "outputs"))
    assert (loss.__name__, module, told) == ("right", None, usual | asked)


def test_what_cannot_be_told_ends_with_3(run, monkeypatch):
    monkeypatch.setattr(audits, "audit", lambda *_, **__: Mock(verdict="cannot tell"))
    assert run("mine:right")[0] == 3


def test_a_script_is_read_whatever_arguments_it_takes_and_does_not_run(run):
    words = sys.argv[:]
    status, _, complaint = run("script.py:Net.loss", "--give", "kl_weight=1")
    assert (status, complaint) == (0, "")
    assert sys.argv == words
    assert "script" not in sys.modules  # random.py is not the standard library's
    assert run("script.py:Net.loss")[2].endswith("give it: --give kl_weight=1.0\n")


@cases(
    ('audit(loss, x_hat="a", mu=2)', "--tell x_hat=a --tell mu=2"),
    ("audit(loss, kl_weight=1.0, mask=…)", "--give kl_weight=1.0 --give mask=…"),
    ("audit(loss, entry=('kl', 1))", "--entry kl --entry 1"),
    ("audit(loss, entry=0, after=5)", "--entry 0 --after 5"),
    ("audit(loss, outputs=('x_hat', 'mu')), shape=(1, 2)", "--output x_hat,mu, shape=(1, 2)"),
    ("audit(loss, shape=(1, 28, 28)) and audit(loss)", "--shape 1,28,28 and audit(loss)"),
)
def test_a_call_is_told_as_options(call, options):
    assert in_options(f"Say {call}.") == f"Say {options}."


def test_a_class_is_called_and_a_part_of_a_part_is_found(run, monkeypatch):
    seen = []
    examine = lambda *losses, **_: seen.append(losses) or Mock(verdict="no bound")  # noqa: E731
    monkeypatch.setattr(audits, "audit", examine)
    before = sys.path[:]
    assert run("mine:right", "--module", "mine:Model")[0] == 1
    assert run("mine:Model.forward", "--module", "mine:MODEL")[0] == 1
    mine = sys.modules["mine"]
    assert isinstance(seen[0][1], mine.Model)
    method, model = seen[1]
    assert isinstance(method.__self__, mine.Model)
    assert (method.__func__, model) == (mine.Model.forward, mine.MODEL)
    assert sys.path == [os.getcwd(), *before]  # first, and once


@cases(
    ("mine", "name a function as module:name, got 'mine'"),
    ("mine:nothing", "mine has no nothing"),
    ("mine:Model.nothing", "mine has no Model.nothing"),
    ("theirs:loss", "No module named 'theirs'"),
    ("mine:told", "…such as --tell x_hat=0 --tell x=1 --tell mu=2 --tell logvar=3; if it"),
    ("mine:given", "open: beta. Give it: --give beta=1.0"),
    ("mine:given --give beta=1", "which entry of the result is the loss? 0 of [0, 1] depend on "
     "both x_hat and mu or logvar: tell it, --entry 0, or several that are added, "
     "--entry 0 --entry 1"),
    ("mine:right --module mine:Four --shape 12", "the module must return x_hat, mu, logvar, "
     "and returns 4 values: tell all in their order, such as --output x_hat,x,mu,logvar"),
    ("script.py:none", "script.py has no none"),
    ("none.py:loss", "none.py is no file"),
    ("wants.py:loss", "wants.py ended as it was imported: does it want arguments?"),
    ("broken.py:loss", "broken.py raised ZeroDivisionError('by 0')"),
    ("mine:Needs.loss", "…argument: 'size'\")"),
    ("mine:right --shape 28,0", "…must be sizes such as 1,28,28, got '28,0'"),
    ("mine:right --shape 28,x", "…must be sizes such as 1,28,28, got '28,x'"),
    ("mine:right --tell x", "write NAME=VALUE, got 'x'"),
    ("mine:right --tell x=", "write NAME=VALUE, got 'x='"),
    ("mine:right --give a=b=1", "must be a number, got 'b=1'"),
    ("mine:right --give beta=much", "must be a number, got 'much'"),
)  # fmt: skip
def test_bad_input_ends_with_2_and_one_line_that_says_why(run, words, said):
    status, _, complaint = run(*words.split())
    last = complaint.splitlines()[-1]
    assert (status, "Traceback" in complaint) == (2, False)
    assert said[1:] in last if said[0] == "…" else last == f"python -m vaelib: {said}"
