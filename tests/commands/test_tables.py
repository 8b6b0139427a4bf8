"""A CSV file with holes, through the commands: trained on, scored, filled, and drawn anew."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import vaelib
from tests.cases import cases
from tests.commands import words
from tests.commands.words import table
from vaelib import data, objectives
from vaelib.commands import filled, folder, through
from vaelib.divergence import Estimate
from vaelib.models import VAE
from vaelib.objectives import ELBO, impute, log_evidence

HEAD = ["id", "höhe", "job", "paid, €", "smokes"]
SMALL = "--latent 2 --hidden 16 --epochs"


def write(path, rows=300, seed=0):
    """Heights by jobs, pay by height; every fifth cell is missing."""
    rng = np.random.default_rng(seed)
    with open(path, "w", encoding="utf8", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEAD)
        for i in range(rows):
            job, smokes = rng.integers(3), rng.integers(2)
            height = 170 + 8 * job + 2 * rng.standard_normal()
            paid = np.exp((height - 170) / 8 + 0.3 * rng.standard_normal())
            cells = [f"{height:.2f}", f'a "{"xyz"[job]}"', f"{paid:.10f}", smokes]
            table.writerow([f"u{i}", *(c if rng.random() > 0.2 else "" for c in cells)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    write(path / "t.csv")
    words.run("train --data", path / "t.csv", SMALL, "60 --learning-rate 5e-3 --out", path / "run")
    return path / "run"


@pytest.fixture
def run(trained, typed):
    """A function that types words in a folder with a table; the model, and that table's rows."""
    write("other.csv", 40, seed=1)

    def run(command, *words):
        typed(command, trained, *words)

    run.model = vaelib.load(trained)
    found = data.open("other.csv", columns=run.model.settings.table)
    run.x, run.columns = torch.tensor(found.x, dtype=torch.float32), found.columns
    return run


def test_what_was_guessed_is_said_and_kept(typed, refused, capsys):
    write("t.csv")
    told = f"""train --data t.csv --columns 'höhe=student,job=skip,"paid, €=normal"' {SMALL}"""
    typed(told, "1 --out run")
    lines = re.split("[\r\n]+", capsys.readouterr().err)
    said = [line for line in lines if line.strip() and not line.startswith("reading")]
    assert said[0] == "id: skip, 300 different texts"
    assert [line.partition(":")[0] for line in said[:4]] == ["id", "höhe", "paid, €", "smokes"]
    assert re.fullmatch(r"höhe: student, 16\d\.\d+ to 19\d\.\d+; \d\d missing", said[1])
    settings = json.loads(Path("run/settings.json").read_text("utf8"))
    kept = [["höhe", "student", None], ["paid, €", "normal", None], ["smokes", "bernoulli", None]]
    assert settings["table"] == kept
    assert settings["columns"] == {"höhe": "student", "job": "skip", "paid, €": "normal"}
    assert [list(c) for c in vaelib.load("run").settings.table] == kept
    typed(told, "2 --resume --out run")
    typed(told, "2 --out whole")
    both = (vaelib.load(name).state_dict() for name in ("run", "whole"))
    torch.testing.assert_close(*both, rtol=0, atol=0)
    said = refused("train --resume --columns höhe=normal --out run")
    assert "--columns was {'höhe': 'student'" in said


@torch.no_grad()
def test_each_row_has_its_bounds_and_each_cell_its_part(run, monkeypatch):
    monkeypatch.setattr(through, "HELD", 500)
    held, decode = [], VAE.decode
    look = lambda model, z: held.append(z.numel() // 2) or decode(model, z)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(VAE, "decode", look)
        run("score", "--data other.csv --samples 400 --out scores.csv")
    assert max(held) == 16 * (500 // 16)  # draws for so few rows that a layer holds 500 numbers
    head, *rows = table("scores.csv")
    names = [c.name for c in run.columns]
    assert names == HEAD[1:]
    assert head == ["row", *through.HEAD, *names]
    assert [row[0] for row in rows] == [str(n) for n in range(40)]
    parts = torch.tensor([[float(v or "nan") for v in row[6:]] for row in rows])
    assert torch.equal(parts.isnan(), run.x.isnan())
    p = run.model.decode(run.model.encode(run.x).sample((4000,)))
    expected = p.base_dist.log_prob(run.x)
    error = 7 * expected.std(0) / 4 + 1e-5
    assert ((parts.nan_to_num(0) - expected.mean(0)).abs() < error).all()
    scores = torch.tensor([[float(v) for v in row[1:6]] for row in rows])
    evidence = log_evidence(run.model, run.x, 20_000)
    assert ((scores[:, 2] - evidence.mean).abs() < 7 * scores[:, 3] + 0.02).all()
    bound = ELBO(4000).measure(run.model, run.x, 1.0, None)[1].elbo
    assert ((scores[:, 0] - bound).abs() < 7 * scores[:, 1] + 0.05).all()


def test_each_cell_has_its_log_p_given_the_others_where_that_is_asked(run, monkeypatch):
    asked = []

    def conditionals(model, x, samples, chunk):
        asked.append((len(x), samples, chunk))
        return Estimate(x + 1, x)

    monkeypatch.setattr(objectives, "log_conditionals", conditionals)
    run("score", "--data other.csv --samples 30 --given-others --out scores.csv")
    rows = table("scores.csv")[1:]
    cells = torch.tensor([[float(v or "nan") for v in row[6:]] for row in rows])
    torch.testing.assert_close(cells, run.x + 1, equal_nan=True)
    assert asked == [(40, 30, through.HELD // 16)]


def test_a_table_is_filled_with_what_the_model_expects_and_stays_as_it_is(run, monkeypatch):
    monkeypatch.setattr(through, "HELD", 40_000)
    run("impute", "--data other.csv --samples 1000 --out filled.csv")
    (head, *rows), (_, *before) = table("filled.csv"), table("other.csv")
    ends = ["höhe_sd", "job_p", "paid, €_sd", "smokes_p"]
    assert head == [*HEAD, *ends]
    drawn = impute(run.model, run.x, 2000, 4000)
    for row, old, x in zip(rows, before, drawn.unbind(1), strict=True):
        assert row[0] == old[0]
        for j, column in enumerate(run.columns):
            cell, spread = row[j + 1], row[j + 5]
            if old[j + 1]:
                assert (cell, spread) == (old[j + 1], "")
            elif column.kind in filled.CLASSES:
                value = column.classes.index(cell) if column.classes else float(cell)
                share = (x[:, j] == value).float().mean()
                assert share > 0.95 * max((x[:, j] == k).float().mean() for k in range(3)) - 0.1
                assert float(spread) == pytest.approx(share.item(), abs=0.12)
                assert float(spread) >= 1 / len(column.classes or (0, 1))
            else:
                sd = x[:, j].std().item()
                assert float(cell) == pytest.approx(x[:, j].mean().item(), abs=0.2 * sd)
                assert 0.7 < float(spread) / sd < 1.4
    assert sum(not cell for row in before for cell in row) > 20


def test_draws_are_copies_without_holes_that_a_seed_repeats(run, monkeypatch):
    asked = []
    monkeypatch.setattr(filled, "impute", lambda *how: asked.append(how[2:]) or impute(*how))
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("impute", f"--data other.csv --draws 3 --seed {seed} --out {name}.csv")
    a, b, c = (table(f"{name}.csv") for name in "abc")
    assert a == b != c
    assert asked == [(3, 100)] * 3
    assert a[0] == ["draw", *HEAD]
    assert [row[:2] for row in a[1:7]] == [[k, u] for u in ("u0", "u1") for k in "123"]
    for row, old in zip(a[1:], (r for r in table("other.csv")[1:] for _ in range(3)), strict=True):
        assert "" not in row
        assert all(cell in ("", new) for cell, new in zip(old, row[1:], strict=True))
    data.open("a.csv", columns=run.columns)  # cells as columns hold them
    copies = torch.tensor([[float(row[4]) for row in a[k::3]] for k in (1, 2, 3)])
    missing = run.x[:, 2].isnan()
    assert ((copies[0] != copies[1]) == missing).all()


def test_samples_are_a_table_of_rows_like_those_it_learned_from(run, trained):
    run("sample", "--count 2000 --out new.csv")
    new = data.open("new.csv", columns=run.columns).x
    old = data.open(trained.parent / "t.csv", columns=run.columns).x
    for j in (0, 3):
        assert abs(new[:, j].mean() - np.nanmean(old[:, j])) < 0.3 * np.nanstd(old[:, j])
    shares = [np.bincount(x[x >= 0].astype(int)) / len(x[x >= 0]) for x in (new[:, 1], old[:, 1])]
    np.testing.assert_allclose(*shares, atol=0.12)
    heights = [[x[x[:, 1] == k, 0] for k in range(3)] for x in (new, old)]
    means = [[np.nanmean(h) for h in each] for each in heights]
    assert np.argsort(means[0]).tolist() == np.argsort(means[1]).tolist() == [0, 1, 2]
    run("sample")
    assert len(table("samples.csv")) == 65
    assert table("samples.csv") == table(trained / "samples.csv")
    run("sample", "--count 5 --out new.npy")
    assert np.load("new.npy").shape == (5, 4)


@torch.no_grad()
def test_codes_and_reconstructions_are_those_of_the_model(run):
    q = run.model.encode(run.x)
    run("encode", "--data other.csv --out codes.csv")
    head, *rows = table("codes.csv")
    assert head == ["row", "mean_1", "mean_2"]
    np.testing.assert_allclose([[float(v) for v in row[1:]] for row in rows], q.mean, atol=1e-5)
    run("reconstruct", "--data other.csv --out back.csv")
    head, *rows = table("back.csv")
    assert head == ["row", *HEAD[1:]]
    back = run.model.decode(q.mean).mean
    assert [row[2] for row in rows] == [run.columns[1].classes[int(k)] for k in back[:, 1]]
    np.testing.assert_allclose([float(row[1]) for row in rows], back[:, 0], rtol=1e-5)


def test_other_data_are_judged_by_the_columns_of_the_run(run, capsys):
    run("evaluate", "--data other.csv --samples 100")
    assert "40 rows of" in capsys.readouterr().out
    run("evaluate")
    assert capsys.readouterr().out.startswith("30 rows of")
    head, first = Path("other.csv").read_text("utf8").splitlines()[:2]
    Path("one.csv").write_text(f"{head}\n{first}\n", "utf8")
    run("evaluate", "--data one.csv")
    assert "1 row of" in capsys.readouterr().out


@cases(
    ("interpolate RUN --out x.npy", "interpolate means nothing for rows"),
    ("compress RUN --out x.bits", "compress means nothing for rows"),
    ("reconstruct RUN --out x.png", "height and width of an image are not known"),
    ("sample RUN --out x.png", "height and width of an image are not known"),
    ("impute RUN --data other.csv --out x.npy", "must end in .csv"),
    ("score RUN --data x.npy --out x.csv", "x.npy is no table, and the run learned from one"),
    ("score RUN --data bad.csv --out x.csv", "line 3, column job: 'pilot' is none of its"),
    ("impute IMAGES --out x.csv", "impute means nothing for images"),
    ("score IMAGES --given-others --out x.csv", "--given-others means nothing for images"),
    ("reconstruct IMAGES --out x.csv", "have no columns to name"),
    ("score IMAGES --data other.csv --out x.csv", "is a table, and the run learned from none"),
    ("train --data other.csv --out new --likelihood grey", "--likelihood means nothing for a"),
    ("train --data other.csv --out new --network conv", "--network conv is for images"),
    ("train --data other.csv --out new --levels 4", "--levels means nothing for a table"),
    ("train --data x.npy --out new --columns a=normal", "--columns means nothing for a file"),
    ("train --data other.csv --out new --columns höhe", "must be like age=normal,job=skip"),
    ("train --data other.csv --out new --columns höhe=gauss", "column 'höhe' must be normal"),
    ("train --data other.csv --out new --columns age=normal", "has no column 'age', but"),
)  # fmt: skip
def test_what_means_nothing_is_refused_in_a_sentence(run, typed, refused, trained, asked, said):
    np.save("x.npy", np.random.default_rng(0).random((20, 4), "f4"))
    Path("bad.csv").write_text('höhe,job,"paid, €",smokes\n1,,,\n2,pilot,,\n', "utf8")
    if "IMAGES" in asked:
        typed("train --data x.npy --latent 1 --hidden 4 --epochs 1 --out IMAGES")
    assert said in refused(asked.replace("RUN", str(trained)))
    assert not list(Path().glob("new*"))


def test_settings_of_no_table_are_refused(run, trained, tmp_path):
    settings = json.loads((trained / "settings.json").read_text("utf8"))
    for bad in (3, [["a"]], [["a", "gauss", None]], [["a", "categorical", None]], [[[], [], []]]):
        (tmp_path / "settings.json").write_text(json.dumps(settings | {"table": bad}))
        with pytest.raises(ValueError, match="does not hold the settings of a run"):
            folder.load(tmp_path)


def test_a_stranger_has_rows_scored_filled_and_drawn_in_four_commands(typed):
    write("table.csv", 60)
    (commands,) = words.of_the_readme("table.csv")
    assert [line.split()[0] for line in commands] == ["train", "score", "impute", "sample"]
    for line in commands:
        typed(line)
    outs = [table(line.split("--out ")[1]) for line in commands[1:]]
    assert [len(rows) for rows in outs] == [61, 61, 65]
    assert "" not in {cell for row in outs[1][1:] for cell in row[:5]}
