"""Evidence by quadrature against closed forms, a dense grid, and importance sampling."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, StudentT
from torch.nn.functional import softplus

from vaelib import data, training
from vaelib.checks import check
from vaelib.distributions import diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian, log_evidence_quadrature
from vaelib.models import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Model,
    StandardNormal,
)


def standard(latent):
    return diagonal_normal(torch.zeros(latent).double(), 1.0)


def without_encoder(prior, decode):
    return Model(prior, decode, None)


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


def by_importance(model, x, samples, radius=7.0, points=141):
    """log p(x) by sampling from a histogram of the tempered posterior, with its standard error."""
    z, log_volume = plane(2, radius, points)
    log_p = bernoulli_joint(model, x, z)
    tempered = (0.7 * log_p).softmax(-1)
    proposal = 0.9 * tempered + 0.1 * (-z.square().sum(-1) / 4).softmax(-1)
    cells = torch.multinomial(proposal, samples, replacement=True)
    width = math.exp(log_volume / 2)
    log_w = []
    for row, cell, q in zip(x, cells, proposal, strict=True):
        points = z[cell] + width * (torch.rand(samples, 2).double() - 0.5)
        log_w.append(bernoulli_joint(model, row, points) - (q[cell].log() - log_volume))
    log_w = torch.stack(log_w, -1)
    highest = log_w.amax(0)
    mean, error = Estimate.of((log_w - highest).exp())
    return Estimate(mean.log() + highest, error / mean)


@pytest.mark.parametrize("sigma", [1.0, 0.1, 0.01])
@pytest.mark.parametrize(("latent", "observed"), [(1, 1), (1, 5), (2, 2), (2, 6)])
def test_linear_models_have_their_closed_form(latent, observed, sigma):
    model = LinearGaussian(
        torch.randn(observed, latent).double(), torch.randn(observed).double(), sigma
    )
    x = model.decode(model.prior.sample((6,))).sample()
    value, error = log_evidence_quadrature(model, x)
    exact = model.log_evidence(x)
    check("eq-evidence", tolerance=1e-6, exact=exact, quadrature=value)
    assert (error <= 1e-6).all()
    assert ((value - exact).abs() <= 3 * error + 1e-10).all()


@pytest.mark.parametrize("latent", [1, 2])
def test_a_posterior_twelve_deviations_out_is_found(latent):
    model = LinearGaussian(torch.eye(latent).double(), torch.zeros(latent).double(), 0.2)
    x = torch.full((1, latent), 12 / math.sqrt(latent)).double()
    value = log_evidence_quadrature(model, torch.cat([x, -x, 0 * x])).value
    exact = model.log_evidence(torch.cat([x, -x, 0 * x]))
    check("eq-evidence", tolerance=1e-6, exact=exact, quadrature=value)


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_mass_across_the_edge_of_the_first_square_is_found(latent, sigma):
    model = LinearGaussian(torch.eye(latent).double(), torch.zeros(latent).double(), sigma)
    x = torch.zeros(12, latent).double()
    x[:, 0] = torch.linspace(3, 9, 12).double() * (1 + sigma**2)
    value, error = log_evidence_quadrature(model, x)
    exact = model.log_evidence(x)
    check("eq-evidence", tolerance=1e-6, exact=exact, quadrature=value)
    assert ((value - exact).abs() <= 3 * error + 1e-10).all()


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)], ids=str)
def test_the_shape_is_the_batchs(batch):
    model = LinearGaussian(torch.randn(3, 1).double(), torch.zeros(3).double(), 0.5)
    x = torch.randn(*batch, 3).double()
    value, error = log_evidence_quadrature(model, x)
    assert error.shape == batch
    check("eq-evidence", tolerance=1e-6, exact=model.log_evidence(x), quadrature=value)


CURVES = {
    "two modes on a line": (1, lambda z: z**2, 2.0),
    "ring": (2, lambda z: z.square().sum(-1, keepdim=True), 2.0),
    "two modes on a plane": (2, lambda z: torch.stack([z[..., 0] ** 2, z[..., 1]], -1), 2.0),
    "wave": (1, lambda z: torch.cat([z.sin(), (3 * z).cos()], -1), 0.4),
}


@pytest.mark.parametrize(("latent", "mean", "x"), CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("sigma", [0.5, 0.1])
def test_several_modes_are_all_found(latent, mean, x, sigma):
    model = without_encoder(standard(latent), lambda z: diagonal_normal(mean(z), sigma))
    observed = model.decode(torch.zeros(latent).double()).event_shape
    x = torch.tensor([x, 0.0, 1.0]).double()[:, None].expand(3, *observed)
    exact = on_a_grid(model, x, points=20_001 if latent == 1 else 1201)
    value, error = log_evidence_quadrature(model, x)
    check("eq-evidence", tolerance=1e-6, grid=exact, quadrature=value)
    assert ((value - exact).abs() <= 3 * error + 1e-10).all()


@pytest.mark.parametrize("latent", [1, 2])
def test_a_mixture_prior_has_its_dense_grid(latent):
    means = torch.tensor([[-2.0, 1.0], [1.5, -0.5], [0.0, 2.0]]).double()[:, :latent]
    parts = Independent(Normal(means, torch.tensor([[0.3], [0.8], [0.2]]).double()), 1)
    prior = MixtureSameFamily(Categorical(torch.tensor([0.3, 0.5, 0.2]).double()), parts)
    model = without_encoder(prior, lambda z: diagonal_normal(z.sin(), 0.3))
    x = model.decode(prior.sample((5,))).sample()
    value = log_evidence_quadrature(model, x).value
    check("eq-evidence", tolerance=1e-6, grid=on_a_grid(model, x), quadrature=value)


def test_a_decoder_of_any_family_has_its_dense_grid():
    def decode(z):
        return Independent(StudentT(torch.tensor(4.0).double(), 2 * z, 0.3), 1)

    model = without_encoder(standard(2), decode)
    x = torch.tensor([[0.5, 1.0], [-3.0, 2.0]]).double()
    value = log_evidence_quadrature(model, x).value
    check("eq-evidence", tolerance=1e-6, grid=on_a_grid(model, x), quadrature=value)


def test_a_prior_off_centre_has_its_closed_form():
    prior = diagonal_normal(torch.tensor([3.0, -40.0]).double(), torch.tensor([0.2, 7.0]))
    model = without_encoder(prior, lambda z: diagonal_normal(z, 0.5))
    x = torch.tensor([[3.1, -35.0], [2.0, -60.0]]).double()
    exact = diagonal_normal(prior.mean, (prior.variance + 0.25).sqrt()).log_prob(x)
    value = log_evidence_quadrature(model, x).value
    check("eq-evidence", tolerance=1e-6, exact=exact, quadrature=value)


@pytest.fixture(scope="module")
def small_vae():
    """A tanh network with random weights, scaled up so that posteriors are narrow and bent."""
    torch.manual_seed(0)
    model = VAE(
        StandardNormal(2), GaussianEncoder(64, [8], 2), BernoulliDecoder(2, [24], 64)
    ).double()
    for p in model.decoder.parameters():
        p.data *= 3
    x = data.binarise(data.load("digits").test, torch.Generator().manual_seed(0)).double()
    return model, x


@torch.no_grad()
def test_fifty_digits_have_their_dense_grid(small_vae):
    model, x = small_vae[0], small_vae[1][:50]
    exact = bernoulli_on_a_grid(model, x, 7.5, 401)
    value, error = log_evidence_quadrature(model, x)
    check("eq-evidence", tolerance=1e-6, grid=exact, quadrature=value)
    assert ((value - exact).abs() <= 3 * error + 1e-10).all()


@torch.no_grad()
def test_a_hundred_digits_agree_with_importance_sampling(small_vae):
    model, x = small_vae[0], small_vae[1][:100]
    value = log_evidence_quadrature(model, x).value
    wrong = {"p(z) unnormalised": value + math.log(2 * math.pi)}
    check("eq-evidence", wrong=wrong, quadrature=value, sampled=by_importance(model, x, 1000))


def test_a_looser_tolerance_is_kept_and_honest(small_vae):
    model, x = small_vae[0], small_vae[1][:20]
    exact = log_evidence_quadrature(model, x, tolerance=1e-9).value
    value, error = log_evidence_quadrature(model, x, tolerance=1e-3)
    assert (error <= 1e-3).all()
    assert ((value - exact).abs() <= error + 1e-9).all()


def test_an_edge_across_the_plane_warns_instead_of_splitting_forever():
    def decode(z):
        return diagonal_normal(2 * (z.sum(-1, keepdim=True) > 0.123).double() - 1, 0.5)

    with pytest.warns(UserWarning, match="quadrature reached"):
        value, error = log_evidence_quadrature(without_encoder(standard(2), decode), ONE)
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
        error = log_evidence_quadrature(without_encoder(standard(1), decode), x).error
    assert error[0] <= 1e-6 < error[1]


def test_no_graph_is_left(small_vae):
    assert not log_evidence_quadrature(small_vae[0], small_vae[1][0]).value.requires_grad


ONE = torch.full((1, 1), 0.3).double()
X = torch.zeros(3, 2).double()
PLAIN = without_encoder(standard(2), lambda z: diagonal_normal(z, 1.0))
SINGLE = without_encoder(diagonal_normal(torch.zeros(2), 1.0), PLAIN.decode)
CUBE = without_encoder(standard(3), PLAIN.decode)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_evidence_quadrature(PLAIN, X.float()), r"model.double\(\) and x.double\(\)"),
        (lambda: log_evidence_quadrature(SINGLE, X), r"model.double\(\) and x.double\(\)"),
        (lambda: log_evidence_quadrature(CUBE, X), "one or two latents, got 3; use log_evidence"),
        (
            lambda: log_evidence_quadrature(PLAIN, X, tolerance=0.0),
            r"tolerance must lie in \(0, 1\)",
        ),
        (
            lambda: log_evidence_quadrature(PLAIN, X, tolerance=1.0),
            r"tolerance must lie in \(0, 1\)",
        ),
        (lambda: log_evidence_quadrature(PLAIN, X[:, :1]), r"x must have shape \(..., 2\)"),
        (lambda: log_evidence_quadrature(PLAIN, X * math.nan), "x must be finite"),
    ],
)
def test_bad_arguments_raise_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_trained_gaussian_decoder_has_its_dense_grid():
    digits = data.load("digits")
    decoder = GaussianDecoder(2, [16], 64, sigma=0.3, learn_sigma=True)
    model = VAE(StandardNormal(2), GaussianEncoder(64, [16], 2), decoder)
    training.fit(model, digits.train, epochs=3, progress=False)
    model.double()
    x = digits.test[:5].double()
    with torch.no_grad():
        exact = on_a_grid(model, x, radius=7.0, points=301)
    check(
        "eq-evidence",
        tolerance=1e-6,
        grid=exact,
        quadrature=log_evidence_quadrature(model, x).value,
    )


@pytest.mark.long
@pytest.mark.mnist
@torch.no_grad()
def test_mnist_agrees_with_a_dense_grid_and_with_importance_sampling():
    mnist = data.load("mnist")
    torch.manual_seed(0)
    networks = GaussianEncoder(784, [64], 2, nn.Tanh), BernoulliDecoder(2, [64], 784, nn.Tanh)
    model = VAE(StandardNormal(2), *networks)
    with torch.enable_grad():
        training.fit(model, mnist.train[:10_000], epochs=3, binarise=True, progress=False)
    model.double()
    x = data.binarise(mnist.test[:1000], torch.Generator().manual_seed(0)).double()
    value, error = log_evidence_quadrature(model, x)
    grid = bernoulli_on_a_grid(model, x[:50], 10.0, 801)
    check("eq-evidence", tolerance=1e-6, grid=grid, quadrature=value[:50])
    assert (error <= 1e-6).all()
    wrong = {"p(z) unnormalised": value + math.log(2 * math.pi)}
    check("eq-evidence", wrong=wrong, quadrature=value, sampled=by_importance(model, x, 500, 9.0))
