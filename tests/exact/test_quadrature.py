"""Evidence by quadrature against closed forms and a dense grid."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from tests.cases import refused
from vaelib import data, training
from vaelib.checks import check
from vaelib.distributions import diagonal_normal, mixture
from vaelib.exact import LinearGaussian, log_evidence_quadrature, quadrature
from vaelib.exact.quadrature import FIRST_RADIUS, _Plane
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal


def standard(latent):
    return diagonal_normal(torch.zeros(latent).double(), 1.0)


def plane(latent, radius, points):
    """A regular grid over the latents, and the log volume of one cell."""
    axis = torch.linspace(-radius, radius, points, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * latent).reshape(-1, latent)
    return z, latent * math.log(2 * radius / (points - 1))


def on_a_grid(model, x, radius=8.0, points=1201):
    """The trapezoid rule, exponentially accurate for smooth densities that vanish at its ends."""
    z, log_volume = plane(*model.prior.event_shape, radius, points)
    log_prior, decoded = model.prior.log_prob(z), model.decode(z)
    rows = [(log_prior + decoded.log_prob(row)).logsumexp(0) for row in x]
    return torch.stack(rows) + log_volume


def bernoulli_joint(model, x, z):
    """log p(x, z) for each datum and point, written without vaelib."""
    logits = model.decoder.network(z)
    log_prior = -(z.square() + math.log(2 * math.pi)).sum(-1) / 2
    return x @ logits.T - softplus(logits).sum(-1) + log_prior


def bernoulli_on_a_grid(model, x, radius, points):
    z, log_volume = plane(2, radius, points)
    parts = [bernoulli_joint(model, x, some).logsumexp(-1) for some in z.split(2**14)]
    return torch.stack(parts).logsumexp(0) + log_volume


def agrees(model, x, exact):
    """The evidence is exact to a millionth, and its error honest."""
    value, error = log_evidence_quadrature(model, x)
    check("eq-evidence", tolerance=1e-6, exact=exact, quadrature=value)
    assert error.shape == exact.shape
    assert (error <= 1e-6).all()
    assert ((value - exact).abs() <= 3 * error + 1e-10).all()


@pytest.mark.parametrize("batch", [(), (6,), (2, 3)], ids=str)
@pytest.mark.parametrize("sigma", [1.0, 0.1, 0.01])
@pytest.mark.parametrize(("latent", "observed"), [(1, 1), (1, 5), (2, 2), (2, 6)])
def test_linear_models_have_their_closed_form(latent, observed, sigma, batch):
    W, b = torch.randn(observed, latent).double(), torch.randn(observed).double()
    model = LinearGaussian(W, b, sigma)
    x = model.decode(model.prior.sample(batch)).sample()
    agrees(model, x, model.log_evidence(x))


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 2.0])
def test_mass_across_the_edge_of_the_first_square_and_twelve_deviations_out_is_found(latent, sigma):
    model = LinearGaussian(torch.eye(latent).double(), torch.zeros(latent).double(), sigma)
    x = torch.zeros(15, latent).double()
    x[3:, 0] = torch.linspace(3, 9, 12).double() * (1 + sigma**2)
    x[:2] = torch.tensor([[12.0], [-12.0]]) / math.sqrt(latent)
    agrees(model, x, model.log_evidence(x))


CURVES = {
    "two modes on a line": (1, lambda z: z**2, 2.0),
    "ring": (2, lambda z: z.square().sum(-1, keepdim=True), 2.0),
    "two modes on a plane": (2, lambda z: torch.stack([z[..., 0] ** 2, z[..., 1]], -1), 2.0),
    "wave": (1, lambda z: torch.cat([z.sin(), (3 * z).cos()], -1), 0.4),
}


@pytest.mark.parametrize(("latent", "mean", "x"), CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("sigma", [0.5, 0.1])
def test_several_modes_are_all_found(latent, mean, x, sigma):
    model = Model(standard(latent), lambda z: diagonal_normal(mean(z), sigma), None)
    observed = model.decode(torch.zeros(latent).double()).event_shape
    x = torch.tensor([x, 0.0, 1.0]).double()[:, None].expand(3, *observed)
    agrees(model, x, on_a_grid(model, x, points=20_001 if latent == 1 else 1201))


@pytest.mark.parametrize("latent", [1, 2])
def test_a_mixture_prior_has_its_dense_grid(latent):
    means = torch.tensor([[-2.0, 1.0], [1.5, -0.5], [0.0, 2.0]]).double()[:, :latent]
    parts = diagonal_normal(means, torch.tensor([[0.3], [0.8], [0.2]]).expand(3, latent))
    prior = mixture(parts, torch.tensor([0.3, 0.5, 0.2]).double().log())
    model = Model(prior, lambda z: diagonal_normal(z.sin(), 0.3), None)
    x = model.decode(prior.sample((5,))).sample()
    agrees(model, x, on_a_grid(model, x))


def test_a_prior_off_centre_has_its_closed_form():
    prior = diagonal_normal(torch.tensor([3.0, -40.0]).double(), torch.tensor([0.2, 7.0]))
    model = Model(prior, lambda z: diagonal_normal(z, 0.5), None)
    x = torch.tensor([[3.1, -35.0], [2.0, -60.0]]).double()
    agrees(model, x, diagonal_normal(prior.mean, (prior.variance + 0.25).sqrt()).log_prob(x))


@pytest.fixture(scope="module")
def small_vae():
    """A tanh network with random weights, scaled up so that posteriors are narrow and bent."""
    torch.manual_seed(0)
    networks = GaussianEncoder(64, [8], 2), BernoulliDecoder(2, [24], 64)
    model = VAE(StandardNormal(2), *networks).double()
    for p in model.decoder.parameters():
        p.data *= 3
    x = data.binarise(data.load("digits").test, torch.Generator().manual_seed(0)).double()
    return model, x


@torch.no_grad()
def test_fifty_digits_have_their_dense_grid(small_vae):
    model, x = small_vae[0], small_vae[1][:50]
    agrees(model, x, bernoulli_on_a_grid(model, x, 7.5, 401))


def test_a_looser_tolerance_is_kept_and_honest_and_no_graph_is_left(small_vae):
    model, x = small_vae[0], small_vae[1][:20]
    exact = log_evidence_quadrature(model, x, tolerance=1e-9).value
    value, error = log_evidence_quadrature(model, x, tolerance=1e-3)
    assert (error <= 1e-3).all()
    assert ((value - exact).abs() <= error + 1e-9).all()
    assert not value.requires_grad


def test_an_edge_across_the_plane_warns_instead_of_splitting_forever():
    def decode(z):
        return diagonal_normal(2 * (z.sum(-1, keepdim=True) > 0.123).double() - 1, 0.5)

    with pytest.warns(UserWarning, match="quadrature reached"):
        value, error = log_evidence_quadrature(Model(standard(2), decode, None), ONE)
    share = Normal(0.0, 2**0.5).cdf(torch.tensor(0.123).double())
    sides = torch.stack([Normal(m, 0.5).log_prob(ONE[0, 0]) for m in (-1.0, 1.0)])
    exact = (sides + torch.stack([share, 1 - share]).log()).logsumexp(0)
    assert 1e-6 < error.item() < 1e-2
    assert abs(value.item() - exact.item()) <= error.item()


def test_the_warning_counts_the_data_that_missed_the_tolerance():
    def decode(z):
        return diagonal_normal(5 * (z > 5.1).double(), 0.5)

    x = torch.tensor([[0.0], [5.0]]).double()
    with pytest.warns(UserWarning, match=r"reached .* for 1 of 2 data; .*tanh, not ReLU"):
        error = log_evidence_quadrature(Model(standard(1), decode, None), x).error
    assert error[0] <= 1e-6 < error[1]


ONE = torch.full((1, 1), 0.3).double()
X = torch.zeros(3, 2).double()
PLAIN = Model(standard(2), lambda z: diagonal_normal(z, 1.0), None)
SINGLE = Model(diagonal_normal(torch.zeros(2), 1.0), PLAIN.decode, None)
CUBE = Model(standard(3), PLAIN.decode, None)


test_bad_arguments_raise_by_name = refused(
    (lambda: log_evidence_quadrature(PLAIN, X.float()), r"model.double\(\) and x.double\(\)"),
    (lambda: log_evidence_quadrature(SINGLE, X), r"model.double\(\) and x.double\(\)"),
    (lambda: log_evidence_quadrature(CUBE, X), "one or two latents, got 3; use log_evidence"),
    (lambda: log_evidence_quadrature(PLAIN, X, 0.0), r"tolerance must lie in \(0, 1\)"),
    (lambda: log_evidence_quadrature(PLAIN, X, 1.0), r"tolerance must lie in \(0, 1\)"),
    (lambda: log_evidence_quadrature(PLAIN, X[:, :1]), r"x must have shape \(..., 2\)"),
    (lambda: log_evidence_quadrature(PLAIN, X * math.nan), "x must be finite"),
)


@pytest.mark.long
@pytest.mark.mnist
@torch.no_grad()
def test_mnist_agrees_with_a_dense_grid():
    mnist = data.load("mnist")
    torch.manual_seed(0)
    networks = GaussianEncoder(784, [64], 2, nn.Tanh), BernoulliDecoder(2, [64], 784, nn.Tanh)
    model = VAE(StandardNormal(2), *networks)
    with torch.enable_grad():
        training.fit(model, mnist.train[:10_000], epochs=3, binarise=True, progress=False)
    model.double()
    x = data.binarise(mnist.test[:1000], torch.Generator().manual_seed(0)).double()
    assert (log_evidence_quadrature(model, x).error <= 1e-6).all()
    agrees(model, x[:50], bernoulli_on_a_grid(model, x[:50], 10.0, 801))


HALF = 0.5


def cells_of(latent=1, sigma=0.5):
    model = LinearGaussian(torch.eye(2, latent).double(), torch.zeros(2).double(), sigma)
    return _Plane(model, torch.tensor([[0.3, -0.2], [1.0, 2.0]]).double(), latent, 1e-6)


@pytest.mark.parametrize("width", [0.02, 0.05, 0.2])
def test_the_overshoot_reaches_a_peak_between_two_nodes_and_is_none_without_a_bend_down(width):
    p = cells_of()
    left, right = p.nodes[5] * HALF, p.nodes[6] * HALF
    f = -((p.nodes * HALF - (left + right) / 2) ** 2) / (2 * width**2)
    rise = p._overshoot(f[None, :, None], HALF)[0, :, 0]
    peak = (f + rise).max().item()
    assert -1e-9 <= peak <= 0.1 * ((right - left) / width).item() ** 2 + 1e-9
    for f in (3 * p.nodes - 1, 4 * p.nodes**2):  # a line, and a cup
        assert p._overshoot(f[None, :, None], HALF).abs().max() < 1e-12


def test_the_overshoot_of_a_parabola_is_an_eighth_of_its_bend_over_the_wider_gap():
    p = cells_of(latent=2)
    x, y = p.offsets[:, 0] * HALF, p.offsets[:, 1] * HALF
    step = p.nodes.diff() * HALF
    gap = torch.stack([torch.cat([step, step[-1:]]), torch.cat([step[:1], step])]).amax(0)
    rise = p._overshoot((-(x**2) - 5 * y**2)[None, :, None], HALF).reshape(12, 12)
    torch.testing.assert_close(rise, 2 * gap[:, None] ** 2 / 8 + 10 * gap**2 / 8)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_priors_mass_on_a_square_is_that_of_the_normal_distribution(latent):
    p = cells_of(latent)
    for radius in (1, 3, 9):
        inside = math.erf(radius / math.sqrt(2))
        mass = p._prior_mass(p._square(radius))
        assert mass == pytest.approx(latent * math.log(inside), abs=1e-9)


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
    p = cells_of(latent)
    cells = p._square(3)
    everything = torch.ones(len(cells), 2, dtype=torch.bool)
    mass, bound, _ = p._evaluate(cells, HALF, everything)
    assert (bound >= mass).all()
    mass, bound, sharp = p._evaluate(cells, 1e-4, everything)
    assert (bound - mass).abs().max() < 0.01
    assert not sharp.any()


@pytest.mark.parametrize("sigma", [0.01, 0.5])
def test_cells_that_agree_are_split_on_where_a_peak_may_hide(sigma):
    p = cells_of(sigma=sigma)
    cell, both = torch.tensor([[0.5]]).double(), torch.ones(1, 2, dtype=torch.bool)
    mass, _, _ = p._evaluate(cell, HALF, both)
    halves = torch.tensor([[0.25], [0.75]]).double()
    _, bound, _ = p._evaluate(halves, HALF / 2, both.expand(2, 2))
    p.settled = bound.amax(0) + 17  # with so much mass elsewhere, parent and children agree
    _, _, pending = p._split(cell, HALF / 2, mass, both)
    assert pending.isfinite().any() == (sigma == 0.01)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_widening_stops_only_when_the_last_ring_is_negligible(latent):
    p, seen = cells_of(latent), []
    mass = p._prior_mass
    p._prior_mass = lambda ring: seen.append(ring) or mass(ring)
    p.integrate()
    for n, ring in enumerate(seen):
        side = 2 * (FIRST_RADIUS + n)
        assert len(ring) == side**latent - (side - 2) ** latent
        assert ring.abs().amax(-1).unique().tolist() == [FIRST_RADIUS + n - 0.5]
    assert (mass(seen[-1]) + p.highest - p.settled < torch.tensor(1e-7).log()).all()
    assert (p.dropped >= mass(seen[-1]) + p.highest).all()
