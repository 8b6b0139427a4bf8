"""The paper's figures: who learns, what is measured, and a run that was killed goes on."""

import copy
import json
import math
from functools import partial
from itertools import count, cycle, pairwise
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from torch import nn
from torch.optim import Adagrad

from tests.cases import cases, seeded
from vaelib import data
from vaelib.exact import log_evidence_quadrature
from vaelib.experiments import figures, learners
from vaelib.experiments.evidence import STILL, _fit, evidence
from vaelib.experiments.figures import FIGURES, images, predictive, two_bounds
from vaelib.experiments.learners import build
from vaelib.experiments.learning_curve import learning_curve, schedule
from vaelib.inference import UncertainDecoder, log_evidence_hmc, log_predictive, wake_sleep
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.objectives import ELBO, log_evidence, log_joint
from vaelib.training import Checkpoint, evaluate, fit

SMALL = {"data": "digits", "hidden": 8, "latent": 2, "samples": 6e3, "step_size": 0.05}
S = FIGURES[2].defaults | SMALL
OF_100 = FIGURES[3].defaults | SMALL | {"images": 100, "samples": 1e3}
BAYES = FIGURES["F"].defaults | {"method": "bayes", "hidden": 8}


@pytest.fixture
def few(monkeypatch):
    """Something quick to measure, where only the way it goes is tested."""

    def measure(model, x):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            z = model.prior.mean.expand(len(x), -1)
            return [log_joint(model, x, z).mean().item()]

    for number in (3, "F"):
        quick = FIGURES[number]._replace(measure=measure, judged=10, first=0, per_decade=4)
        monkeypatch.setitem(FIGURES, number, quick)


METHODS = [(2, "aevb"), (2, "wake-sleep"), (3, "aevb"), (3, "mcem"), ("F", "bayes"), ("vae", "")]
METHODS += [("layers", "")]


@pytest.mark.parametrize(("number", "method"), METHODS)
@pytest.mark.parametrize("when", ["before a point is written", "between two points"])
def test_a_killed_run_goes_on_to_the_same_points(tmp_path, monkeypatch, few, number, method, when):
    s = FIGURES[number].defaults | SMALL | {"method": method}
    whole = learning_curve(FIGURES[number], s, tmp_path / "whole.pt")
    calls = count(1)

    def killed(true):
        def work(*arguments):
            if next(calls) == 4:
                raise KeyboardInterrupt
            return true(*arguments)

        return work

    with monkeypatch.context() as patch:
        if when.startswith("before"):
            measure = killed(FIGURES[number].measure)
            patch.setitem(FIGURES, number, FIGURES[number]._replace(measure=measure))
        else:
            for one in (learners.ByGradient, learners.ByEM):
                patch.setattr(one, "until", killed(one.until))
        with pytest.raises(KeyboardInterrupt):
            learning_curve(FIGURES[number], s, tmp_path / "cut.pt")
    resumed = learning_curve(FIGURES[number], s, tmp_path / "cut.pt")
    assert len(whole["points"]) >= 4
    assert resumed["points"] == whole["points"]


def test_the_run_of_chapter_vae_is_fit_on_its_network():
    s = FIGURES["vae"].defaults | SMALL | {"seed": 3}
    x, _ = images(s, 10)
    torch.manual_seed(3)
    networks = GaussianEncoder(64, [8], 2, nn.ReLU), BernoulliDecoder(2, [8], 64, nn.ReLU)
    model = VAE(StandardNormal(2), *networks)
    one = learners.standard(s, x, 2e-3)
    one.until(2)
    how = {"batch_size": 128, "learning_rate": 2e-3, "binarise": True, "seed": 3}
    fit(model, x, epochs=2, progress=False, **how)
    torch.testing.assert_close(one.model.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("jump", [0.0, 1.0, 30.0])
def test_a_chain_that_hardly_moves_still_has_a_density(jump):
    z = torch.zeros(50, 4, 3)
    z[25:, 1] = jump
    q = _fit(z)
    assert q.mean.dtype == z.dtype
    deviation = (q.covariance_matrix.diagonal(dim1=-2, dim2=-1)[1]).sqrt()
    torch.testing.assert_close(deviation, z[:, 1].std(0).clamp(min=STILL), rtol=0.3, atol=0)


def test_the_evidence_is_found_where_a_chain_from_anywhere_would_miss_it():
    torch.manual_seed(0)
    model = VAE(StandardNormal(2), None, BernoulliDecoder(2, [20], 64))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=4.0)
    x = model.decode(model.prior.sample((20,))).sample()
    exact = log_evidence_quadrature(model.double(), x.double()).value.float().mean()
    model.float()
    anywhere = log_evidence_hmc(model, x, 50, 4).mean.mean()
    paper, sampled = evidence(model, x)
    assert abs(sampled - exact) < 0.05
    assert abs(paper - exact) < 1
    assert abs(anywhere - exact) > 10


def test_what_uncertain_weights_predict_is_log_predictive(monkeypatch):
    x, (train, _) = images(BAYES, 20)
    one = learners.learner(BAYES, x, 0.05)
    one.until(30)
    mu = one.model.decoder.mu.detach()
    monkeypatch.setattr(figures, "WEIGHTS", 4)
    drawn = cycle([mu + 0.2 * torch.randn_like(mu) for _ in range(4)])
    monkeypatch.setattr(UncertainDecoder, "draw", lambda self: next(drawn).to(self.mu))
    averaged, at_mean = predictive(one.model, train)
    again = log_predictive(one.model, train, draws=4, samples=20_000).mean.mean()
    assert abs(averaged - again) < 0.05
    assert abs(averaged - at_mean) > 0.1
    plain = build(BAYES | {"method": "aevb"}, 64)
    assert predictive(plain, train)[0] == predictive(plain, train)[1]


def test_uncertain_weights_learn_from_the_whole_bound():
    x = images(BAYES, 20)[0]
    one = learners.learner(BAYES, x, 0.05)
    before = one.model.decoder.log_sigma.detach().mean()
    assert one.how["objective"].keywords == {"examples": 100}
    low, high = one.success(), learners.bound(one.model, x)
    assert low < high - 5
    one.until(100)
    assert one.model.decoder.log_sigma.mean() > before + 0.5


def test_points_lie_evenly_on_a_log_axis_and_end_where_asked():
    epochs = schedule(1e7, 60_000, FIGURES[2])
    assert (epochs[0], epochs[-1]) == (1, 167)
    assert all(b > a for a, b in pairwise(epochs))
    ratios = [b / a for a, b in pairwise(epochs[5:])]
    assert max(ratios) < 1.6
    assert schedule(100, 60_000, FIGURES[2]) == [1]
    last = math.log10(3000)  # from 10 epochs to 3000, three a decade
    even = [10 ** (1 + i * (last - 1) / 7) for i in range(8)]
    assert schedule(3e6, 1000, FIGURES[3]) == [round(epochs) for epochs in even]
    rarely = FIGURES[3]._replace(per_decade=1)
    assert schedule(2e4, 1000, rarely) == [10, 20]


class Slow:
    """Learns best with a step size of 0.02, and not at all with one of 0.01."""

    asked = ()

    def __init__(self, s, x, step_size):
        self.x, self.step_size = x, step_size

    def until(self, epochs):
        Slow.asked = (*Slow.asked, (len(self.x), epochs))
        if self.step_size == 0.01:
            raise FloatingPointError

    def success(self):
        return -abs(self.step_size - 0.02)


@pytest.mark.parametrize(("images", "used", "epochs"), [(100, 20, 1), (20, 20, 1), (8, 8, 2)])
def test_step_sizes_are_compared_on_the_first_images(monkeypatch, images, used, epochs):
    monkeypatch.setattr(learners, "FIRST", 20)
    monkeypatch.setattr(Slow, "asked", ())
    assert learners.chosen(Slow, S, torch.zeros(images, 4), (0.01, 0.02, 0.1)) == 0.02
    assert Slow.asked == ((used, epochs),) * 3
    with pytest.raises(
        FloatingPointError, match=r"^every step size of \(0.01,\) diverges with set"
    ):
        learners.chosen(Slow, S, torch.zeros(images, 4), (0.01,))


@pytest.mark.parametrize("method", ["aevb", "mcem"])
def test_the_best_first_step_size_is_taken_and_one_that_diverges_is_not(monkeypatch, method):
    monkeypatch.setattr(learners, "FIRST", 3000)
    s = S | {"method": method, "pixels": "once"}
    assert learners.chosen(learners.learner, s, images(s, 10)[0], (1e-6, 0.05, 1e4)) == 0.05


def test_parameters_start_as_asked_and_the_head_is_a_log_variance():
    model = build(S | {"hidden": 300, "initial": 0.05}, 64)
    every = torch.cat([p.flatten() for p in model.parameters()])
    assert abs(every.std() - 0.05) < 0.001
    assert model.encoder.network[0].out_features == 300
    x = torch.rand(3, 5, 64)
    h = model.encoder.network(x)[..., 2:]
    torch.testing.assert_close(model.encode(x).variance, h.exp())


@pytest.mark.parametrize(("likelihood", "method"), [("bernoulli", "aevb"), ("grey", "wake-sleep")])
def test_the_bound_rises(tmp_path, likelihood, method):
    settings = S | {"likelihood": likelihood, "method": method, "samples": 2e4}
    points = learning_curve(FIGURES[2], settings, tmp_path / "a.pt")["points"]
    assert points[-1][1] > points[0][1] + 0.5
    assert points[-1][2] > points[0][2] + 0.5


@pytest.mark.parametrize("method", ["aevb", "mcem"])
@pytest.mark.parametrize("decay", ["all", "decoder", "none"])
def test_weights_decay_where_they_are_asked_to(monkeypatch, decay, method):
    fit = Mock()
    monkeypatch.setattr(learners, "fit", fit)
    s = S | {"decay": decay, "method": method, "batch_size": 50}
    one = learners.learner(s, torch.zeros(200, 64), 0.1)
    one.until(2)
    if method == "mcem":
        optimizer, halves = one.em.optimizer, ["decoder"]
        assert (one.em.settings["batch_size"], one.em.seen) == (50, 400)
    else:
        make, halves = fit.call_args.kwargs["learning_rate"].optimizer, ["encoder", "decoder"]
        optimizer = make([*one.model.parameters()], lr=0.1)
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}
    for half in halves:
        mine = {decays.pop(p) for p in getattr(one.model, half).parameters()}
        assert mine == {1 / 200 if decay in ("all", half) else 0.0}
    assert not decays


@cases((True, "aevb", ELBO()), (False, "wake-sleep", wake_sleep))
def test_training_is_told_what_the_settings_say(monkeypatch, gpu, method, objective):
    fit = Mock()
    monkeypatch.setattr(learners, "fit", fit)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    x = torch.zeros(200, 64)
    s = S | {"seed": 7, "batch_size": 30, "latent": 3, "method": method}
    one = learners.learner(s, x, 0.3, Path("a.pt"))
    one.until(5)
    words, how = fit.call_args
    assert words == (one.model, x)
    assert one.model.prior.event_shape == (3,)
    steps = how.pop("learning_rate")
    assert steps.size == 0.3
    assert steps.optimizer.keywords == {"lr": 0.3, "decay": 1 / 200, "decays": one.model}
    assert how == {
        "epochs": 5, "batch_size": 30, "binarise": True, "seed": 7, "progress": False,
        "checkpoint": Checkpoint(Path("a.pt"), resume=True),
        "device": "cuda" if gpu else None, "objective": objective,
    }  # fmt: skip


def test_the_bounds_are_those_of_fits_objective_and_of_100_samples_with_the_same_noise_each_time():
    s = S | {"likelihood": "grey"}
    x = images(s, 10)[0]
    one = learners.learner(s, x, 0.05)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = one.success()
    assert torch.equal(torch.get_rng_state(), state)
    assert first == learners.bound(one.model, x) == seeded(evaluate, one.model, x, seed=0).elbo
    numbers = two_bounds(one.model, x)
    assert numbers == [first, seeded(log_evidence, one.model, x, 100, seed=0).mean.mean()]


def test_seconds_of_training_are_added_up_and_measuring_is_not_training(tmp_path, monkeypatch, few):
    # each reading of the clock is 100 s later, and an epoch is between two of them
    clock = Mock(monotonic=Mock(side_effect=count(0.0, 100.06)))
    monkeypatch.setattr("vaelib.experiments.learning_curve.time", clock)
    keep, beside = tmp_path / "a.pt", tmp_path / "a.json"
    made = learning_curve(FIGURES[3], OF_100, keep)
    assert len(made["points"]) == 5
    assert made["seconds"] == 500.5  # 100.1 at first, then 0.06 more and rounded again
    written = json.loads(beside.read_text())
    assert written == {k: made[k] for k in ("points", "step_size", "seconds")}
    beside.write_text(json.dumps(written | {"points": written["points"][:-1], "seconds": 7.0}))
    assert learning_curve(FIGURES[3], OF_100, keep)["seconds"] == 107.1


@pytest.mark.parametrize("step_size", [0.0, 0.3])
def test_a_step_size_of_0_is_the_papers_choice(tmp_path, monkeypatch, few, step_size):
    chosen = Mock(return_value=0.07)
    monkeypatch.setattr("vaelib.experiments.learning_curve.chosen", chosen)
    s = OF_100 | {"samples": 100, "step_size": step_size}
    made = learning_curve(FIGURES[3], s, tmp_path / "a.pt")
    assert made["step_size"] == (step_size or 0.07)
    assert chosen.call_count == (not step_size)
    for (who, settings, x, step_sizes), _ in chosen.call_args_list:
        assert (who, settings, step_sizes) == (learners.learner, s, (0.01, 0.02, 0.1))
        assert torch.equal(x, images(s, 10)[0])


def test_points_are_the_images_seen_and_what_is_measured_of_each_part(tmp_path, few):
    seen = []
    figure = FIGURES[3]._replace(
        measure=lambda model, x: seen.append(x) or [1.23456, x.mean().item()],
        at_the_end=lambda model, x: {"end": x},
    )
    made = learning_curve(figure, OF_100, tmp_path / "a.pt")
    train, test = images(OF_100, 10)[1]
    assert all(torch.equal(x, part) for x, part in zip(seen, cycle([train, test])))
    assert torch.equal(made["end"], test)
    for point, epochs in zip(made["points"], schedule(1e3, 100, figure), strict=True):
        means = [pytest.approx(part.mean().item(), abs=5e-4) for part in (train, test)]
        assert point == [100 * epochs, 1.235, means[0], 1.235, means[1]]


def test_one_draw_of_uncertain_weights_is_not_their_mean(monkeypatch):
    monkeypatch.setattr(figures, "WEIGHTS", 1)
    model = build(BAYES, 64)
    model.decoder.log_sigma.data.fill_(-1.0)
    x = images(S, 5)[1][0]
    averaged, at_mean = predictive(model, x)
    drawn = seeded(copy.deepcopy(model).double().decoder.draw, seed=0)
    given = Model(model.double().prior, model.decoder.given(drawn), None)
    again = log_evidence_quadrature(given, x.double(), tolerance=1e-2).value.mean()
    assert averaged == pytest.approx(again.item(), abs=1e-6)
    assert abs(averaged - at_mean) > 0.5


@pytest.mark.parametrize("pixels", ["afresh", "once", "threshold"])
def test_pixels_are_read_as_asked(pixels):
    x, (train, test) = images(S | {"pixels": pixels}, 2000)
    grey = images(S | {"likelihood": "grey"}, 2000)[0]
    assert set(train.unique().tolist()) == set(test.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x, train) == (pixels != "afresh")
    assert ((x - grey).abs().max() < 0.1) == (pixels == "afresh")
    assert (pixels == "threshold") == bool(((grey > 0.6) <= train.bool()).all())


def test_pixels_that_are_drawn_once_are_always_the_same(monkeypatch):
    digits, load, asked = data.load("digits"), data.load, []
    monkeypatch.setattr(data, "load", lambda name: asked.append(name) or load("digits"))
    torch.manual_seed(5)
    grey = ({"likelihood": "grey"}, partial(data.dequantise, levels=17))
    for settings, prepare in (grey, ({"pixels": "once"}, data.binarise)):
        x, (train, test) = images(S | settings, 10)
        noise = torch.Generator().manual_seed(0)
        assert torch.equal(x, prepare(digits.train, generator=noise))
        assert torch.equal(train, x[:10])
        assert torch.equal(test, prepare(digits.test, generator=noise)[:10])
    images(S | {"data": "mnist"}, 10)
    assert asked == ["digits", "digits", "mnist"]


@pytest.mark.parametrize("which", [[0, 1], [1], []])
def test_adagrad_is_torchs_with_the_decay_where_it_belongs(which):
    ours, theirs = ([nn.Parameter(torch.full((3,), 2.0)) for _ in range(2)] for _ in "ab")
    mine = learners.adagrad(ours, 0.1, 0.5, nn.ParameterList(ours[i] for i in which))
    groups = [{"params": [p], "weight_decay": 0.5 * (i in which)} for i, p in enumerate(theirs)]
    assert all(group["fused"] for group in mine.param_groups)
    for optimizer, parameters in ((mine, ours), (Adagrad(groups, lr=0.1), theirs)):
        for _ in range(5):
            optimizer.zero_grad()
            sum(p.sin().sum() for p in parameters).backward()
            optimizer.step()
    assert torch.allclose(torch.stack(list(ours)), torch.stack(list(theirs)), atol=1e-6)


def test_images_of_levels_are_drawn_from_all_and_measured_in_bits(tmp_path):
    figure = FIGURES["images"]
    s = figure.defaults | {"images": 300, "hidden": 4, "samples": 900, "step_size": 0.01}
    x, (train, test) = figure.images(s, 200)
    assert (x.shape, train.shape, test.shape) == ((300, 3, 8, 8), (200, 3, 8, 8), (200, 3, 8, 8))
    whole = data.load("photographs")
    assert torch.equal(test.flatten(1), whole.test[:200])
    assert torch.equal(train, x[:200])
    places = [int((whole.train == row.flatten()).all(1).nonzero()[0]) for row in x[:20]]
    assert max(places) > 10 * len(x)
    assert len(set(places)) == 20
    model = figure.learner(s, x, 0.01).model
    sides = [layer.out_channels for layer in model.encoder.network if hasattr(layer, "stride")]
    assert sides == [4, 8]
    (bits,) = figure.measure(model, test)
    assert bits == pytest.approx(evaluate(model, test).bits, abs=0.1)
    made = learning_curve(figure, s, tmp_path / "a.pt")
    assert made["points"][-1][2] < bits - 0.1
