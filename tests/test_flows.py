"""A flow as q: its density against its own samples, and in every objective."""

import sys
from functools import partial

import pytest
import torch

from tests.cases import cases
from vaelib.distributions import diagonal_normal
from vaelib.divergence import kl_monte_carlo
from vaelib.exact import LinearGaussian
from vaelib.flows import FlowEncoder
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.objectives import elbo, iwae, log_evidence
from vaelib.training import Checkpoint, fit

SHIFT, SCALE = torch.tensor([0.5, -1.0]).double(), torch.tensor([0.3, 2.0]).double()


def bent(encoder):
    for parameter in encoder.flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return encoder


@pytest.fixture
def flow():
    """A bent flow that says something else for each of two x."""
    one = FlowEncoder(lambda x: diagonal_normal(SHIFT.expand(len(x), 2), SCALE), 2, 3).double()
    return bent(one)


X = torch.tensor([[0.3, -1.0, 0.8], [1.5, 0.2, -0.4]]).double()


def test_the_density_integrates_to_one(flow):
    step = 0.05
    u = torch.cartesian_prod(*[torch.arange(-7, 7, step).double()] * 2)
    with torch.no_grad():
        mass = flow(X).log_prob((SHIFT + SCALE * u)[:, None]).exp().sum(0) * step**2 * SCALE.prod()
    torch.testing.assert_close(mass, torch.ones(2).double(), atol=2e-3, rtol=0)


def test_the_density_is_that_of_the_samples(flow):
    """By the slope of the map from noise to sample, which automatic differentiation gives."""
    q = flow(X[:1])
    u = torch.randn(1, 2).double().requires_grad_()
    bend = q.base_dist.transform.inv
    z = SHIFT + SCALE * bend(u)
    slopes = torch.stack([torch.autograd.grad(z[0, j], u, retain_graph=True)[0][0] for j in (0, 1)])
    noise = diagonal_normal(torch.zeros(2).double(), 1.0).log_prob(u)
    torch.testing.assert_close(q.log_prob(z), noise - slopes.det().abs().log())
    assert (flow(X).log_prob(z).diff() / q.log_prob(z)).abs() > 0.01  # each x has its own shape


def test_a_conditioner_says_what_the_bend_may_depend_on():
    rows = torch.eye(2).double()
    flow = FlowEncoder(lambda x: diagonal_normal(x[:, :2], 1.0), 2, 2, lambda x: rows).double()
    bent(flow)
    torch.testing.assert_close(flow(X + 1).log_prob(X[:, :2] + 1), flow(X).log_prob(X[:, :2]))


def test_it_starts_near_the_normal_encoder():
    encoder = GaussianEncoder(3, [8], 2).double()
    flow, q = FlowEncoder(encoder, 2, 3).double(), encoder(X)
    with torch.no_grad():
        z = q.sample((5_000,))
        divergence = (q.log_prob(z) - flow(X).log_prob(z)).mean(0)
    assert (divergence.abs() < 0.01).all()


def test_it_comes_closer_to_a_correlated_posterior_than_any_diagonal_normal():
    W = torch.tensor([[1.2, 0.9], [0.4, -0.2], [0.8, 1.0]]).double()
    linear = LinearGaussian(W, torch.zeros(3).double(), 0.6)
    posterior = linear.encode(X)
    precision = posterior.precision_matrix
    best = diagonal_normal(posterior.mean, precision.diagonal(dim1=-2, dim2=-1).rsqrt())
    flow = FlowEncoder(lambda x: best, 2, 3).double()
    model = Model(linear.prior, linear.decode, flow)
    optimizer = torch.optim.Adam(flow.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        (-elbo(model, X, 16, kl="sampled").mean()).backward()
        optimizer.step()
    with torch.no_grad():
        gap = kl_monte_carlo(flow(X), posterior, 4_000).mean
    assert (gap > 0).all()
    assert (gap < kl_monte_carlo(best, posterior, 4_000).mean / 3).all()


def test_every_objective_takes_it(flow):
    linear = LinearGaussian(torch.eye(3, 2).double(), torch.zeros(3).double(), 0.6)
    model = Model(linear.prior, linear.decode, flow)
    assert iwae(model, X, 5, doubly=True).shape == (2,)
    found = log_evidence(model, X, 20_000)
    assert ((found.mean - linear.log_evidence(X)).abs() < 5 * found.standard_error).all()
    with pytest.raises(NotImplementedError):
        elbo(model, X)


def test_fit_trains_it_and_a_file_keeps_it(tmp_path):
    x = torch.bernoulli(torch.full((40, 6), 0.5))

    def vae():
        torch.manual_seed(0)
        encoder = FlowEncoder(GaussianEncoder(6, [8], 2), 2, 6)
        return VAE(StandardNormal(2), encoder, BernoulliDecoder(2, [8], 6))

    how = {"objective": partial(elbo, kl="sampled"), "progress": False}
    keep = how | {"checkpoint": Checkpoint(tmp_path / "c", resume=True)}
    fit(whole := vae(), x, epochs=4, **how)
    fit(vae(), x, epochs=2, **keep)
    fit(cut := vae(), x, epochs=4, **keep)
    assert elbo(cut, x, kl="sampled").isfinite().all()
    torch.testing.assert_close(cut.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_without_zuko_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    said = r"^a flow needs zuko: pip install 'vaelib\[flows\]'$"
    with pytest.raises(ImportError, match=said):
        FlowEncoder(GaussianEncoder(6, [8], 2), 2, 6)


@pytest.mark.parametrize("name", ["latent", "context", "transforms", "hidden", "bins"])
def test_sizes_are_whole_and_positive(name):
    sizes = {"latent": 2, "context": 6} | {name: 0}
    with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1"):
        FlowEncoder(GaussianEncoder(6, [8], 2), **sizes)


@cases(
    ({}, 2, 32, 8),
    ({"transforms": 3, "hidden": 5, "bins": 4}, 3, 5, 4),
)
def test_sizes_are_those_asked_for(asked, bends, hidden, pieces):
    transforms = FlowEncoder(GaussianEncoder(6, [8], 2), 2, 6, **asked).flow.transform.transforms
    assert len(transforms) == bends
    assert transforms[0].hyper[0].out_features == hidden
    assert transforms[0].hyper[-1].out_features == 2 * (3 * pieces - 1)
