"""What the benchmark reckons with, without a clock: the work of a step, medians, ratios, slopes."""

import math
from functools import partial
from unittest.mock import Mock

import pytest
import torch
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import contestants, floor, growth, layers, limits, memory, report, training, turns
from benchmarks.contestants import classic, ours, products
from benchmarks.setting import Convolutions, Setting, images
from tests.cases import seeded
from vaelib.objectives import elbo, iwae, log_evidence

SMALL = Setting(batch=3, samples=5, latent=2, width=7, pixels=16)


def pixels(n, s):
    return torch.rand(n, s.pixels).round()


SETTINGS = [Setting(), SMALL, Setting(batch=20, samples=50), Convolutions(batch=2, samples=3)]


@pytest.mark.parametrize("s", SETTINGS, ids=str)
@pytest.mark.parametrize("objective", [elbo, iwae])
def test_a_step_and_the_evidence_have_the_operations_that_torch_counts(s, objective):
    model, x = s.model(), torch.rand(s.batch, *s.event).round()
    with FlopCounterMode(display=False) as counted:
        objective(model, x, samples=s.samples).mean().backward()
    assert floor.step(s).flops == counted.get_total_flops()
    with FlopCounterMode(display=False) as counted:
        log_evidence(SMALL.model(), pixels(4, SMALL), samples=6, chunk=24)
    assert floor.evidence(SMALL, images=4, samples=6).flops == counted.get_total_flops()


def test_a_step_moves_the_bytes_of_adam_and_of_the_loss():
    model = SMALL.model()
    adam = Adam(model.parameters())
    elbo(model, pixels(3, SMALL)).mean().backward()
    adam.step()
    weights = sum(p.nbytes for p in model.parameters())
    moments = sum(m.nbytes for p in adam.state.values() for k, m in p.items() if k != "step")
    logits, x = 4 * 3 * 5 * 16, 4 * 3 * 16
    read, written = 2 * weights + moments, weights + moments
    assert floor.step(SMALL).bytes == read + written + 2 * logits + x


def test_what_is_reckoned():
    assert floor.Work(flops=60, bytes=20).seconds(rate=30, bandwidth=10) == 4
    products = {"a": {"rate": 1.0, "error": 1e-7}, "b": {"rate": 9.0, "error": 1e-3}}
    assert limits.rate({"products": products}) == 1.0  # the other is no float32
    measured = [{"a": {"b": n}, "c": -n} for n in (3, 1, 2)]
    assert training.medians(measured) == {"a": {"b": 2}, "c": -2}
    assert report.rounded({"a": [1.23456, 7], "b": "text"}) == {"a": [1.235, 7], "b": "text"}
    seconds = [9, 9, 9, *(3 * n**1.5 for n in (8, 16, 32))]  # the upper half counts
    assert growth.slope([1, 2, 4, 8, 16, 32], seconds) == pytest.approx(1.5)


def test_a_row_has_quartiles_the_ratio_of_each_round_and_the_share_of_the_floor():
    entry = turns.Entry("name", None, seconds=[1 / 10, 1 / 20, 1 / 40])
    fit = turns.Entry("fit", None, seconds=[1 / 30, 1 / 40, 1 / 20])
    assert training.row(entry, fit, images=1, least=1 / 50) == {
        "name": "name",
        "speed": pytest.approx([10, 20, 40]),
        "ratio": pytest.approx(2),
        "interval": pytest.approx([0.5, 3]),
        "floor": pytest.approx(0.4),
    }


@pytest.mark.parametrize(("n", "k"), [(5, 1), (6, 1), (9, 2), (49, 18)])
def test_the_interval_has_a_binomial_chance_to_miss_the_median(n, k):
    assert training.interval([float(v) for v in torch.randperm(n)]) == [k - 1, n - k]
    missed = 2 * sum(math.comb(n, j) for j in range(k)) / 2**n
    wider = 2 * sum(math.comb(n, j) for j in range(k + 1)) / 2**n
    assert wider > 0.05
    assert missed <= 0.05 or n < 6


@pytest.mark.parametrize("s", [Setting(), SMALL], ids=str)
def test_the_products_alone_are_those_of_a_step(s):
    limits.float32_route("cpu")  # multiplies, too, when it is asked first
    with FlopCounterMode(display=False) as counted:
        products.make(s, pixels(2 * s.batch - 1, s))(3)
    assert counted.get_total_flops() == 3 * 2 * floor.step(s).flops


@pytest.mark.parametrize("make", [ours.lean_elbo, ours.lean_objective, classic.make])
def test_each_turn_starts_with_an_optimizer_of_its_own(monkeypatch, make):
    made = []
    for module in (ours, classic):
        monkeypatch.setattr(module, "Adam", lambda *a, **k: made.append(Adam(*a, **k)) or made[-1])
    run = make(SMALL, pixels(6, SMALL))
    run(1), run(1)
    assert len(made) == 2


def test_without_mnist_a_sentence_says_what_is_used_and_what_to_set(monkeypatch, capsys):
    monkeypatch.setattr("vaelib.data.load", Mock(side_effect=FileNotFoundError))
    name, train, test = images()
    assert (name, len(train), len(test)) == ("random pixels", 60_000, 10_000)
    (said,) = capsys.readouterr().out.splitlines()
    assert "random pixels" in said
    assert "set VAELIB_DATA_DIR to a folder" in said


def test_in_each_round_all_have_a_turn_and_another_one_begins(monkeypatch):
    monkeypatch.setattr(limits, "measure", lambda device: {"rate": 1.0})
    ran = []
    entries = [turns.Entry(n, lambda times, n=n: ran.append((n, times))) for n in "abc"]
    entries[1].times = 4
    assert len(turns.interleave(entries, "cpu", rounds=2)) == 2
    assert ran == [("a", 1), ("b", 4), ("c", 1), ("b", 4), ("c", 1), ("a", 1)]
    assert [len(entry.seconds) for entry in entries] == [2, 2, 2]


def test_what_distributions_cost_is_a_share_of_the_longer_step():
    by_hand = turns.Entry("", None, seconds=[3, 6, 9])
    longer = turns.Entry("", None, seconds=[4, 8, 18])
    named = {contestants.LEAN: by_hand, contestants.OBJECTIVE: longer}
    assert training.distributions(named) == pytest.approx(0.25)


def test_peak_memory_counts_what_is_held_at_once():
    def work():
        torch.ones(1000)
        return torch.ones(1000), torch.ones(500)

    assert memory.peak(work, "cpu") == 6000


def test_the_loops_by_hand_have_the_bounds_of_the_library():
    for by_hand, by_library, s in (
        (ours.elbo_by_hand, elbo, SMALL),
        (ours.elbo_by_hand, elbo, Convolutions()),
        (partial(ours.iwae_by_hand, samples=3), partial(iwae, samples=3), SMALL),
    ):
        model, x = s.model().double(), torch.rand(2, *s.event).double().round()
        networks = model.encoder.network, model.decoder.network
        torch.testing.assert_close(seeded(by_hand, *networks, x), seeded(by_library, model, x))


def test_every_layer_of_a_step_is_timed_alone_with_both_its_passes(monkeypatch):
    monkeypatch.setattr(limits, "measure", lambda device: {})
    limits.float32_route("cpu")  # multiplies, too, when it is asked first
    s = Convolutions(batch=3, channels=(4, 5))
    with FlopCounterMode(display=False) as counted:
        rows = layers.measure(s, pixels(5, Setting()), "cpu", 1, 0)
    named = [row["layer"].rpartition(",")[0] for row in rows]
    assert rows[0]["layer"] == "encoder, Conv2d, 3×32×32 → 4×16×16"
    convolutions = ["Conv2d", "ReLU"] * 2 + ["Flatten", "Linear"]
    back = ["Linear", "Unflatten"] + ["ReLU", "ConvTranspose2d"] * 2
    assert named == [f"encoder, {n}" for n in convolutions] + [f"decoder, {n}" for n in back]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    forward = 3 * sum(map(sum, floor.products(s)))
    measured = sum(counted.get_flop_counts()["Global"].values())
    looked_at = 3 * forward  # on the way to each layer, for its name and for its slope's shape
    assert measured == looked_at + 3 * floor.step(s).flops  # two turns of warming up, one measured


def test_the_classic_script_sees_the_same_pixels():
    x = pixels(3, SMALL)
    shown = torch.stack([image for image, _ in classic.Images(x)]).reshape(3, -1)
    assert torch.equal(shown, x)
