"""Codes, scores, reconstructions and what lies between: of a run's images, and of others."""

import os
import re
import tomllib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaelib
from tests.cases import cases
from tests.commands import words
from vaelib import data
from vaelib.__main__ import main
from vaelib.commands import images, through
from vaelib.data.loaded import apart
from vaelib.objectives import elbo, log_evidence

COLOUR = (np.random.default_rng(3).random((40, 3 * 4 * 6)) * 255).astype("u1")
SMALL = "--likelihood gaussian --latent 3 --hidden 8 --epochs 2 --out"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("through")
    np.save(path / "x.npy", COLOUR)
    words.run("train --data", path / "x.npy", SMALL, path / "run")
    return path / "run"


@pytest.fixture
def run(trained, typed):
    """A function that types words in a folder of its own; the model, and its images."""

    def run(command, *words):
        typed(command, trained, *words)

    run.model, run.x = vaelib.load(str(trained)), torch.from_numpy(COLOUR) / 255
    return run


def table(path):
    head, *rows = words.table(path)
    return head, [row[0] for row in rows], torch.tensor([[float(v) for v in r[1:]] for r in rows])


def test_a_run_that_has_moved_needs_none_of_its_data(typed, refused):
    np.save("x.npy", COLOUR)
    typed("train --data x.npy", SMALL, "run")
    before = vaelib.load("run").state_dict()
    Path("x.npy").unlink()
    Path("elsewhere").mkdir()
    Path("run").rename("elsewhere/moved")
    after = vaelib.load("elsewhere/moved").state_dict()
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    np.save("other.npy", COLOUR[:7])
    typed("encode elsewhere/moved --data other.npy --out codes.npy")
    typed("sample elsewhere/moved --count 3 --out new.npy")
    assert (np.load("codes.npy").shape, np.load("new.npy").shape) == ((7, 3), (3, 72))
    refused("encode elsewhere/moved --out codes.npy")


@torch.no_grad()
def test_codes_are_those_of_the_model(run, monkeypatch):
    q = run.model.encode(run.x)
    monkeypatch.setattr(through, "HELD", 500)  # seven images at a time
    run("encode", "--out mean.npy")
    assert np.allclose(np.load("mean.npy"), q.mean, atol=1e-6)
    run("encode", "--give mean sigma draw draw --out all.npy --seed 4")
    codes = torch.from_numpy(np.load("all.npy"))
    assert codes.shape == (40, 4, 3)
    torch.testing.assert_close(codes[:, 0], q.mean)
    torch.testing.assert_close(codes[:, 1], q.stddev)
    noise = (codes[:, 2:] - q.mean[:, None]) / q.stddev[:, None]
    assert noise.unique().numel() > 230
    assert abs(noise.mean()) < 5 / 240**0.5
    assert abs(noise.var() - 1) < 5 * (2 / 240) ** 0.5
    run("encode", "--give sigma mean --out codes.csv")
    head, names, rows = table("codes.csv")
    assert head == ["image", *(f"{n}_{j}" for n in ("sigma", "mean") for j in (1, 2, 3))]
    assert names == [str(n) for n in range(40)]
    torch.testing.assert_close(rows, torch.cat([q.stddev, q.mean], 1))


@torch.no_grad()
def test_scores_are_the_bounds_of_each_image_with_their_errors(run, capsys, monkeypatch):
    monkeypatch.setattr(through, "HELD", 500)
    run("score", "--samples 100 --out scores.csv")
    head, _, rows = table("scores.csv")
    assert head[1:] == ["elbo", "elbo_error", "log_p", "log_p_error", "reconstruction"]
    bounds = elbo(run.model, run.x.expand(2000, -1, -1))
    evidence = log_evidence(run.model, run.x, 20_000)
    bound, bound_error, log_p, log_p_error, reconstruction = rows.T
    assert ((bound - bounds.mean(0)).abs() < 7 * bounds.std(0) / 4).all()
    assert (bound_error / (bounds.std(0) / 4)).log().abs().max() < 1.2
    assert ((log_p - evidence.mean).abs() < 7 * log_p_error + 0.02).all()
    kl = torch.distributions.kl_divergence(run.model.encode(run.x), run.model.prior)
    torch.testing.assert_close(reconstruction - kl, bound, rtol=1e-3, atol=1e-2)
    assert capsys.readouterr().out.startswith("scores.csv: from 40 images, ")


def test_all_other_images_are_judged_and_a_thousand_of_the_runs_own(run, capsys):
    np.save("others.npy", np.tile(COLOUR, (30, 1)))
    run("evaluate", "--data others.npy --samples 2")
    assert capsys.readouterr().out.startswith(f"1,200 images of {Path('others.npy').resolve()}")
    run("evaluate", "--data others.npy --samples 2 --images 7")
    assert capsys.readouterr().out.startswith("7 images")
    run("evaluate", "--samples 400")
    said = capsys.readouterr().out
    assert said.startswith("4 images")
    held = log_evidence(run.model, run.x[apart(40, 0)[1]], 20_000).mean.mean()
    found = re.search(r"log p\(x\) +(\S+) ±", said)[1]
    assert float(found) == pytest.approx(held.item(), abs=0.1)


@torch.no_grad()
def test_reconstructions_are_decoded_means(run):
    run("reconstruct", "--out back.npy")
    expected = run.model.decode(run.model.encode(run.x).mean).mean
    assert np.allclose(np.load("back.npy"), expected, atol=1e-6)


@torch.no_grad()
def test_between_two_images_lies_the_line_between_their_codes(run):
    run("interpolate", "--between 3 17 --steps 5 --out between.npy")
    a, b = run.model.encode(run.x[[3, 17]]).mean
    line = torch.stack([a + (b - a) * t / 4 for t in range(5)])
    assert np.allclose(np.load("between.npy"), run.model.decode(line).mean, atol=1e-6)


@torch.no_grad()
def test_samples_are_means_and_on_demand_pixels(run):
    run("sample", "--count 400 --out means.npy")
    run("sample", "--count 400 --draw --out pixels.npy")
    means, pixels = np.load("means.npy"), np.load("pixels.npy")
    sigma = float(run.model.decoder.sigma)
    added = pixels.var(0).mean() - means.var(0).mean()
    assert abs(added / sigma**2 - 1) < 0.4


def test_pictures_of_digits_are_written(typed, tmp_path):
    typed("train --latent 2 --hidden 8 --epochs 1 --out run")
    for asked in ("reconstruct run", "reconstruct run --count 3", "interpolate run", "sample run"):
        typed(asked, "--out x.png")
        assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
        (tmp_path / "x.png").unlink()
    typed("encode run --out codes.csv --seed 5")
    torch.manual_seed(5)
    seen = data.binarise(data.load("digits").test)
    with torch.no_grad():
        expected = vaelib.load("run").encode(seen).mean
    torch.testing.assert_close(table("codes.csv")[2], expected)


def test_images_are_held_a_few_at_a_time(run, tmp_path, monkeypatch):
    x = np.lib.format.open_memmap("many.npy", "w+", "f4", (100_000, 72))
    x[:] = 0.5
    x.flush()
    held, read = [], images.Rows.__getitem__
    look = lambda rows, index: held.append(len(index) * 72) or read(rows, index)  # noqa: E731
    monkeypatch.setattr(images.Rows, "__getitem__", look)
    run("encode", "--data many.npy --out codes.npy")
    assert sum(held) == x.size
    assert max(held) <= 2**20
    assert np.load("codes.npy").shape == (100_000, 3)


@pytest.mark.parametrize("photos", ["folder", "array"])
def test_a_stranger_gets_samples_codes_and_scores_in_five_commands(typed, photos):
    np.save("photos.npy", words.photographs(20, 24, 20)[:, :, :, 0])  # without a shape of its own
    commands, _ = words.of_the_readme("photos")
    assert len(commands) == 5
    for line in commands:
        typed(line.replace("photos --size 64", "photos.npy") if photos == "array" else line)
    shown = Image.open("samples.png")
    assert shown.mode == ("L" if photos == "array" else "RGB")
    for name in ("codes.csv", "scores.csv"):
        _, images, rows = table(name)
        assert len(images) == 20
        assert rows.isfinite().all()
        assert photos == "array" or images[0].endswith(".png")
    assert vaelib.load("run").settings.latent == 20


def test_a_strangers_photographs_become_a_file_and_come_back(typed, tmp_path):
    pictures = words.photographs(6, 12, 12)
    (train, *_), commands = words.of_the_readme("photos")
    train = train.replace("--size 64 --likelihood gaussian", "--likelihood mixture --epochs 1")
    for line in [train, *commands]:
        typed(line)
    again = [np.asarray(Image.open(f)) for f in sorted((tmp_path / "again").iterdir())]
    np.testing.assert_array_equal(again, pictures)


def test_the_program_has_a_name_and_a_version(capsys):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf8"))
    assert project["project"]["scripts"] == {"vaelib": f"{main.__module__}:main"}
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vaelib.__version__"}
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"vaelib {vaelib.__version__}\n"


@contextmanager
def full(room):
    """A disk on which no file grows beyond so many bytes."""
    import resource

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.skipif(os.name != "posix", reason="limits")
@cases(
    (100, "train --latent 2 --epochs 1 --out new"),
    (2_000, "train --latent 2 --hidden 8 --epochs 1 --out new"),
    (100_000, "train --latent 2 --epochs 1 --out new"),
    (3_000, "train --resume --epochs 9 --out {}"),
    (700, "encode {} --out codes.csv"),
    (300, "score {} --out scores.npy --samples 2"),
    (300, "sample {} --out x.npy"),
)
@pytest.mark.usefixtures("typed")
def test_a_full_disk_is_told_and_nothing_is_left_half_written(
    trained, refused, tmp_path, room, asked
):
    before = {p: p.read_bytes() for p in trained.iterdir()}
    with full(room):
        said = refused(asked.format(trained))
    assert said.endswith(": File too large")
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not [p for p in left if p.name not in ("settings.json", "history.json")]
    if "resume" not in asked:
        assert {p: p.read_bytes() for p in trained.iterdir()} == before
    assert vaelib.load(trained)
