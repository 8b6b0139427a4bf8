"""The margins by which the quadrature decides which cells matter."""

import math

import pytest
import torch

from vaelib.exact import LinearGaussian, log_evidence_quadrature, quadrature
from vaelib.exact.quadrature import FIRST_RADIUS, _Plane

HALF = 0.5


def plane(latent=1, sigma=0.5):
    model = LinearGaussian(torch.eye(2, latent).double(), torch.zeros(2).double(), sigma)
    return _Plane(model, torch.tensor([[0.3, -0.2], [1.0, 2.0]]).double(), latent, 1e-6)


@pytest.mark.parametrize("width", [0.02, 0.05, 0.2])
def test_the_overshoot_reaches_a_peak_between_two_nodes(width):
    p = plane()
    left, right = p.nodes[5] * HALF, p.nodes[6] * HALF
    f = -((p.nodes * HALF - (left + right) / 2) ** 2) / (2 * width**2)
    rise = p._overshoot(f[None, :, None], HALF)[0, :, 0]
    peak = (f + rise).max().item()
    assert peak >= -1e-9
    assert peak <= 0.1 * ((right - left) / width).item() ** 2 + 1e-9


def test_where_the_log_density_does_not_bend_down_nothing_can_rise():
    p = plane()
    straight, cup = 3 * p.nodes - 1, 4 * p.nodes**2
    for f in (straight, cup):
        assert p._overshoot(f[None, :, None], HALF).abs().max() < 1e-12


def test_the_overshoot_of_a_parabola_is_an_eighth_of_its_bend_over_the_wider_gap():
    p = plane(latent=2)
    x, y = p.offsets[:, 0] * HALF, p.offsets[:, 1] * HALF
    step = p.nodes.diff() * HALF
    gap = torch.stack([torch.cat([step, step[-1:]]), torch.cat([step[:1], step])]).amax(0)
    rise = p._overshoot((-(x**2) - 5 * y**2)[None, :, None], HALF).reshape(12, 12)
    torch.testing.assert_close(rise, 2 * gap[:, None] ** 2 / 8 + 10 * gap**2 / 8)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_priors_mass_on_a_square_is_that_of_the_normal_distribution(latent):
    p = plane(latent)
    for radius in (1, 3, 9):
        inside = math.erf(radius / math.sqrt(2))
        assert p._prior_mass(p._square(radius)) == pytest.approx(
            latent * math.log(inside), abs=1e-9
        )


def test_a_place_far_out_is_reached_because_the_likelihood_is_high_there():
    model = LinearGaussian(torch.ones(9, 1).double(), torch.zeros(9).double(), 0.02)
    x = torch.full((1, 9), 8.0).double()
    value, error = log_evidence_quadrature(model, x)
    assert value == pytest.approx(model.log_evidence(x), abs=1e-6)
    assert error < 1e-6


@pytest.mark.filterwarnings("error:quadrature")
def test_cells_beyond_the_most_are_settled_as_they_are_and_said(monkeypatch):
    model = LinearGaussian(torch.eye(2).double(), torch.zeros(2).double(), 0.1)
    x = torch.full((1, 2), 0.3).double()
    log_evidence_quadrature(model, x)
    monkeypatch.setattr(quadrature, "MOST_CELLS", 1)
    with pytest.warns(UserWarning, match="quadrature reached"):
        log_evidence_quadrature(model, x)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_upper_estimate_of_a_cell_is_above_its_mass_and_tight_where_it_is_small(latent):
    p = plane(latent)
    cells = p._square(3)
    everything = torch.ones(len(cells), 2, dtype=torch.bool)
    mass, bound, _ = p._evaluate(cells, HALF, everything)
    assert (bound >= mass).all()
    mass, bound, sharp = p._evaluate(cells, 1e-4, everything)
    assert (bound - mass).abs().max() < 0.01
    assert not sharp.any()


@pytest.mark.parametrize("sigma", [0.01, 0.5])
def test_cells_that_agree_are_split_on_where_a_peak_may_hide(sigma):
    p = plane(sigma=sigma)
    cell, both = torch.tensor([[0.5]]).double(), torch.ones(1, 2, dtype=torch.bool)
    mass, _, _ = p._evaluate(cell, HALF, both)
    halves = torch.tensor([[0.25], [0.75]]).double()
    _, bound, _ = p._evaluate(halves, HALF / 2, both.expand(2, 2))
    p.settled = bound.amax(0) + 17  # with so much mass elsewhere, parent and children agree
    _, _, pending = p._split(cell, HALF / 2, mass, both)
    assert pending.isfinite().any() == (sigma == 0.01)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_widening_stops_only_when_the_last_ring_is_negligible(latent):
    p, seen = plane(latent), []
    mass = p._prior_mass
    p._prior_mass = lambda ring: seen.append(ring) or mass(ring)
    p.integrate()
    for n, ring in enumerate(seen):
        side = 2 * (FIRST_RADIUS + n)
        assert len(ring) == side**latent - (side - 2) ** latent
        assert ring.abs().amax(-1).unique().tolist() == [FIRST_RADIUS + n - 0.5]
    assert (mass(seen[-1]) + p.highest - p.settled < torch.tensor(1e-7).log()).all()
    assert (p.dropped >= mass(seen[-1]) + p.highest).all()
