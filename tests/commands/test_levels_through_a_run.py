"""Levels of grey and colour from train to evaluate, sample and score, as they are."""

import math
import re

import numpy as np
import pytest
import torch

import vaelib
from tests.cases import cases
from tests.commands.words import table
from vaelib.data import load

COLOUR = np.random.default_rng(3).integers(0, 256, (40, 8, 9, 3), "u1")
SMALL = "--latent 3 --hidden 8 --epochs 2"


@cases(
    ("mixture --network conv", 3),
    ("mixture --network mlp", 1),
    ("logistic --network conv", 1),
)
def test_colour_is_learned_judged_and_drawn_as_whole_levels(typed, capsys, words, rounds):
    np.save("x.npy", COLOUR)
    typed(f"train --data x.npy --likelihood {words} {SMALL} --out run")
    model, count = vaelib.load("run"), 8 * 9 * 3
    p = model.decode(torch.zeros(3))
    assert (p.levels, p.rounds, model.settings.levels) == (256, rounds, 256)
    capsys.readouterr()
    typed("evaluate run --samples 20")
    said = capsys.readouterr().out
    for name, pattern in (
        ("ELBO", r"(\S+) a dim"),
        (r"log p\(x\)", r"(\S+) by log p\(x\), of 256 l"),
    ):
        nats = float(re.search(rf"{name} +(\S+) ±", said)[1])
        assert float(re.search(pattern, said)[1]) == pytest.approx(
            -nats / count / math.log(2), abs=1e-3
        )
    typed("score run --samples 20 --out scores.csv")
    head, *rows = table("scores.csv")
    assert len(rows) == 40
    for row in rows:
        elbo, bits = (float(row[head.index(name)]) for name in ("elbo", "bits_per_dimension"))
        assert bits == pytest.approx(-elbo / count / math.log(2), rel=1e-5)
    typed("sample run --draw --count 5 --out drawn.npy")
    drawn = np.load("drawn.npy") * 255
    assert drawn.shape == (5, 3, 8, 9)
    assert np.abs(drawn - drawn.round()).max() < 1e-3
    typed("train --resume --epochs 3 --out run")
    typed("reconstruct run --out back.npy")
    assert 0 <= np.load("back.npy").min() <= np.load("back.npy").max() <= 1


def test_digits_are_seventeen_levels_neither_drawn_black_nor_noised(typed):
    typed(f"train --likelihood logistic {SMALL} --out run")
    model = vaelib.load("run")
    assert model.decoder.levels == 17
    typed("encode run --out codes.npy")
    with torch.no_grad():
        expected = model.encode(load("digits").test).mean
    assert np.allclose(np.load("codes.npy"), expected, atol=1e-6)


@cases(
    (COLOUR / 255 + 0.001, "", "from 0.001 to 1.001, taken as they are, and logistic p"),
    (COLOUR / 256, "", "taken as they are, and logistic pixels need whole levels: --levels say"),
    (COLOUR / 256, " --levels 256", "outside the decoder's support, the 256 levels k / 255"),
    (COLOUR.astype("f4") / 255, " --levels 256", None),
)
def test_numbers_that_are_no_levels_are_refused_in_a_sentence(typed, refused, x, told, message):
    np.save("x.npy", x)
    words = f"train --data x.npy --likelihood logistic {SMALL} --out run{told}"
    if message is None:
        return typed(words)
    assert message in refused(words)
