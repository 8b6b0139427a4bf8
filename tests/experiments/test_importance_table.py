"""The table of importance-weighted bounds: network, optimizer and schedule are its authors'."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.cases import seeded
from vaelib.distributions import diagonal_normal
from vaelib.experiments import figures, importance, learning_curve
from vaelib.experiments.figures import FIGURES
from vaelib.objectives import elbo, iwae
from vaelib.training import active_units

TABLE = FIGURES["table 1"]
S = TABLE.defaults | {"data": "digits", "hidden": 8, "latent": 3, "images": 1498, "k": 3}


def test_the_schedule_is_eight_stages():
    rates = [importance.rate(epoch, 1e-3) for epoch in range(3280)]
    stages = [1e-3, 7.2e-4, 5.2e-4, 3.7e-4, 2.7e-4, 1.9e-4, 1.4e-4, 1e-4]
    assert rates == pytest.approx([r for i, r in enumerate(stages) for _ in range(3**i)])


def test_weights_start_as_glorot_has_them_and_the_output_at_the_mean_image():
    x = torch.rand(200, 64) * torch.linspace(0, 1, 64)
    x[:, -1] = 1
    model = importance.build(S | {"hidden": 200, "latent": 50}, x)
    linear = [m for m in [*model.encoder.network, *model.decoder.network] if hasattr(m, "weight")]
    widths = [(m.in_features, m.out_features) for m in linear]
    assert widths == [(64, 200), (200, 200), (200, 100), (50, 200), (200, 200), (200, 64)]
    for m in linear:
        bound = math.sqrt(6 / (m.in_features + m.out_features))
        assert 0.95 * bound < m.weight.abs().max() <= bound
        assert m.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert all((m.bias == 0).all() for m in linear[:-1])
    expected = x.mean(0).clamp(0.001, 0.999)
    torch.testing.assert_close(linear[-1].bias.sigmoid(), expected, rtol=1e-4, atol=1e-6)


def moves(optimizer, slopes, scale):
    """Where one weight goes under a series of gradients."""
    weight = nn.Parameter(torch.zeros(1))
    chosen, path = optimizer([weight], lr=1e-3), []
    for slope in slopes:
        weight.grad = torch.tensor([scale * slope])
        chosen.step()
        path.append(weight.item())
    return path


def by_their_rule(slopes):
    """Adam with second moments from 1, epsilon 1e-4, and gradients summed over the minibatch."""
    m, v, weight, path = 0.0, 1.0, 0.0, []
    for t, g in enumerate(slopes, 1):
        m, v = 0.99 * m + 0.01 * g, 0.999 * v + 0.001 * g**2
        weight -= 1e-3 * m / (1 - 0.99**t) / (math.sqrt(v / (1 - 0.999**t)) + 1e-4)
        path.append(weight)
    return path


def test_their_adam_steps_on_the_sum_and_starts_slowly():
    slopes = [(-1) ** t + 2.0 for t in range(500)]
    ours = moves(partial(importance.theirs, batch_size=20), slopes, 1 / 20)
    assert ours == pytest.approx(by_their_rule(slopes), rel=1e-4)
    (group,) = importance.theirs([nn.Parameter(torch.zeros(1))], 1e-3, 20).param_groups
    assert group["eps"] == 1e-4 / 20  # felt only after ten thousand steps
    (other,) = importance.textbook([nn.Parameter(torch.zeros(1))], 0.02, 20).param_groups
    assert (group["fused"], other["fused"], other["lr"]) == (True, True, 0.02)
    plain = moves(partial(importance.textbook, batch_size=20), slopes, 1 / 20)
    assert abs(plain[0]) > 10 * abs(ours[0])


BOUNDS = {"iwae": iwae, "vae": partial(elbo, kl="sampled")}


@pytest.mark.parametrize("method", BOUNDS)
def test_each_method_raises_its_own_bound(method):
    x, (train, _) = figures.images(S, 50)
    one = importance.importance_weighted(S | {"method": method}, x, 1e-3)
    assert one.how["learning_rate"].shuffle is False  # their minibatches are always the same
    here = seeded(one.how["objective"], one.model, train)
    assert torch.equal(here, seeded(BOUNDS[method], one.model, train, samples=3))
    before = one.success()
    one.until(2)
    assert one.success() > before + 0.3


def test_a_run_ends_with_the_evidence_and_the_active_units(tmp_path, monkeypatch):
    monkeypatch.setattr(importance, "SAMPLES", 200)
    made = learning_curve.learning_curve(TABLE, S | {"samples": 3e3}, tmp_path / "a.pt")
    assert [point[0] for point in made["points"]] == [1498, 2996]
    for _, *numbers in made["points"]:
        assert numbers[0] < numbers[1]
        assert numbers[2] < numbers[3]
    assert made["log p(x)"] == pytest.approx(made["points"][-1][4], abs=0.5)
    assert 0 < made["error of sampling"] < 0.1 < made["error over images"] < 3
    assert 0 <= made["active"] <= 3


def test_a_unit_is_active_where_its_mean_moves():
    means = torch.tensor([[0.0, 0.0, 5.0], [0.3, 0.1, 5.0]])  # variances 0.045, 0.005 and 0
    model = SimpleNamespace(encode=lambda x: diagonal_normal(means[x], 1.0))
    assert active_units(model, torch.arange(2)) == 1
