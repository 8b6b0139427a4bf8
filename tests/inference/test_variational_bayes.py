"""Full variational Bayes on a model whose evidence and posterior over the weights are known."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from tests.cases import refused, seeded
from tests.training.test_shares import each_of
from vaelib.checks import check, check_bound
from vaelib.distributions import diagonal_normal
from vaelib.divergence import Estimate, kl
from vaelib.inference import UncertainDecoder, log_predictive, variational_bayes
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import elbo, log_evidence
from vaelib.training import fit, shares

KL = pytest.mark.parametrize("kind", ["exact", "sampled"])
N, NOISE, PRIOR_SIGMA = 12, 0.8, 3.0
G = torch.Generator().manual_seed(3)
FEATURES = torch.linalg.qr(torch.randn(6, 3, generator=G).double())[0]
FEATURES *= torch.tensor([0.3, 1.0, 2.0])  # orthogonal, so the posterior is diagonal
X = FEATURES.sum(1) + torch.randn(N, 6, generator=G).double()


class Regression(nn.Module):
    """p(x|z, theta) = N(F theta, 0.8² I): linear in its weights, whatever z is."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.tensor([[0.4], [-0.6]]).double())
        self.b = nn.Parameter(torch.tensor([0.2]).double())

    def forward(self, z):
        mean = FEATURES @ torch.cat([self.W.flatten(), self.b])
        return diagonal_normal(mean.expand(*z.shape[:-1], 6), NOISE)


class PriorEncoder(nn.Module):
    """q(z|x) = p(z), which is the posterior where z has no influence."""

    def forward(self, x):
        return diagonal_normal(x.new_zeros(*x.shape[:-1], 2), 1.0)


def posterior():
    precision = PRIOR_SIGMA**-2 + N * FEATURES.square().sum(0) / NOISE**2
    return diagonal_normal(X.sum(0) @ FEATURES / NOISE**2 / precision, precision**-0.5)


def evidence():
    """log p(X), all X being one normal vector."""
    factor = PRIOR_SIGMA * FEATURES.repeat(N, 1)
    noise = torch.full((6 * N,), NOISE**2, dtype=torch.float64)
    return LowRankMultivariateNormal(0 * noise, factor, noise).log_prob(X.flatten())


def regression(shift=0.0, widen=1.0):
    """The exact model; q(theta) is the posterior, moved by some deviations and made wider."""
    decoder = UncertainDecoder(Regression(), prior_sigma=PRIOR_SIGMA)
    mu = posterior().mean + shift * posterior().stddev
    with torch.no_grad():
        decoder.decoder.W.copy_(mu[:2, None])
        decoder.decoder.b.copy_(mu[2:])
        decoder.log_sigma.copy_((widen * posterior().stddev).log())
    return VAE(StandardNormal(2).double(), PriorEncoder(), decoder)


def images(decoder=None, sigma=0.1):
    torch.manual_seed(5)
    decoder = UncertainDecoder(decoder or BernoulliDecoder(2, [4], 3), sigma)
    return VAE(StandardNormal(2), GaussianEncoder(3, [4], 2), decoder).double()


PIXELS = (torch.rand(7, 3, generator=G) < 0.5).double()


def wholes(model, kind, draws=400):
    """Estimates of the bound on log p(X), each with its own theta."""
    with torch.no_grad():
        bounds = [variational_bayes(model, X, N, kl=kind).sum() for _ in range(draws)]
    return torch.stack(bounds)


@pytest.mark.parametrize("samples", [1, 3])
def test_at_the_posterior_every_draw_gives_the_evidence(samples):
    model = regression()
    bounds = [variational_bayes(model, X, N, samples, "sampled").sum() for _ in range(5)]
    check("eq-vb", bound=torch.stack(bounds).detach(), evidence=evidence().expand(5))


@KL
def test_the_bound_is_below_the_evidence_by_the_divergence_from_the_posterior(kind):
    model = regression(shift=0.5, widen=1.3)
    q, p = model.decoder.q, model.decoder.prior
    exact = (evidence() - kl(q, posterior())).detach()
    estimate = Estimate.of(wholes(model, kind))
    other = exact + kl(q, p) - kl(q, diagonal_normal(q.mean * 0, 1.0))
    check("eq-vb", wrong={"another prior": other.detach()}, exact=exact, here=estimate)
    check_bound("eq-vb", lower={"bound": exact}, upper={"evidence": evidence()})


def test_both_kinds_have_the_same_terms_at_one_theta():
    model = images()
    q, p = model.decoder.q, model.decoder.prior

    def by_hand(*how):
        theta = model.decoder.draw()
        return elbo(given(model, theta), PIXELS, *how), q.log_prob(theta) - p.log_prob(theta)

    bound, ratio = seeded(by_hand, 2, "sampled")
    here = seeded(variational_bayes, model, PIXELS, 50, 2, "sampled")
    check("eq-vb", here=here, by_hand=bound - ratio / 50)
    bound, _ = seeded(by_hand, 1, "exact")
    default = seeded(variational_bayes, model, PIXELS, 50)
    check("eq-vb", default=default, by_hand=bound - kl(q, p) / 50)


def given(model, theta):
    """The same model with a plain decoder that has the weights theta."""
    decoder = copy.deepcopy(model.decoder.decoder)
    nn.utils.vector_to_parameters(theta.detach(), decoder.parameters())
    return VAE(model.prior_module, model.encoder, decoder)


@KL
def test_minibatches_average_to_the_whole(kind):
    model = regression(shift=0.5, widen=1.3)
    bounds = (seeded(variational_bayes, model, rows, N, kl=kind) for rows in [*X.split(3), X])
    *parts, whole = (N * bound.mean().detach() for bound in bounds)
    check("eq-minibatch", average=torch.stack(parts).mean(), whole=whole)
    assert not torch.equal(parts[0], parts[1])


@KL
def test_the_gradient_at_one_noise_is_the_slope(kind):
    model = images()
    parameters = list(model.parameters())
    steps = [1e-5 * torch.randn_like(p) for p in parameters]

    def bound(sign):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for p, step in zip(moved.parameters(), steps, strict=True):
                p += sign * step
        return moved, seeded(variational_bayes, moved, PIXELS, 7, 2, kind).sum()

    here, value = bound(0)
    gradients = torch.autograd.grad(value, list(here.parameters()))
    slope = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True))
    by_steps = (bound(1)[1] - bound(-1)[1]) / 2
    check("eq-gradient", tolerance=1e-8, autograd=slope, by_steps=by_steps.detach())


def test_training_finds_the_exact_posterior():
    model = regression(shift=2.0, widen=0.3)
    how = {"epochs": 600, "batch_size": N, "learning_rate": lambda epoch: 0.05 * 0.992**epoch}
    fit(model, X, objective=partial(variational_bayes, examples=N), progress=False, **how)
    q, p = model.decoder.q, posterior()
    assert ((q.mean - p.mean).abs() < 0.2 * p.stddev).all()
    assert ((q.stddev / p.stddev - 1).abs() < 0.12).all()
    assert kl(q, p) < 0.03


def test_the_objectives_take_it_as_any_decoder():
    model = images(sigma=1e-12)
    plain = VAE(model.prior_module, model.encoder, model.decoder.decoder)
    for bound in (elbo, lambda m, x: log_evidence(m, x, 50).mean):
        here, bare = (seeded(bound, m, PIXELS).detach() for m in (model, plain))
        check("eq-vb", tolerance=1e-8, here=here, bare=bare)


def test_each_call_draws_one_theta_for_all_z_and_each_weight_has_its_own_noise():
    decoder = images(sigma=0.1).decoder
    p, again = decoder(torch.ones(4, 5, 2).double()), decoder(torch.ones(4, 5, 2).double())
    assert torch.equal(p.mean, p.mean[:1, :1].expand_as(p.mean))
    assert not torch.equal(p.mean, again.mean)
    assert torch.allclose(decoder.q.stddev, torch.full_like(decoder.mu, 0.1))
    thetas = torch.stack([decoder.draw() for _ in range(1000)]).detach()
    off = (thetas - decoder.mu) / 0.1
    assert torch.allclose(off.T.cov(), torch.eye(len(off.T)).double(), atol=0.2)


@pytest.mark.parametrize("learn_sigma", [False, True])
def test_a_given_theta_is_what_the_decoder_computes_with(learn_sigma):
    inner = GaussianDecoder(2, [4], 3, sigma=0.5, learn_sigma=learn_sigma)
    decoder = images(inner).decoder
    z, theta = torch.randn(5, 2).double(), torch.randn(27 + learn_sigma).double()
    plain = copy.deepcopy(inner)
    learned = (p for p in plain.parameters() if p.requires_grad)
    nn.utils.vector_to_parameters(theta, learned)
    assert torch.equal(decoder.given(theta)(z).mean, plain(z).mean)
    assert torch.equal(decoder.given(theta)(z).stddev, plain(z).stddev)
    assert torch.equal(decoder.given(decoder.mu)(z).mean, inner(z).mean)


def test_the_means_are_the_decoders_own_and_all_is_learned():
    inner = BernoulliDecoder(2, [4], 3)
    model = images(inner)
    before = {name: p.clone() for name, p in model.named_parameters()}
    objective = partial(variational_bayes, examples=len(PIXELS))
    fit(model, PIXELS, epochs=1, objective=objective, progress=False)
    assert model.decoder.decoder is inner
    assert all((before[name] != p).any() for name, p in model.named_parameters())
    assert {name for name, _ in model.decoder.named_parameters()} == {
        "log_sigma", *(f"decoder.{name}" for name, _ in inner.named_parameters())
    }  # fmt: skip


def test_weights_start_narrow_under_a_standard_prior():
    decoder = UncertainDecoder(BernoulliDecoder(2, [4], 3))
    torch.testing.assert_close(decoder.q.stddev, torch.full_like(decoder.mu, 0.01))
    assert torch.equal(decoder.prior.stddev, torch.ones_like(decoder.mu))
    assert "prior_sigma=1.0" in repr(decoder)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_all_processes_share_one_theta(monkeypatch, rows):
    model, x = images(), PIXELS[:rows]
    whole = seeded(variational_bayes, model, x, 7, 2).detach()
    following = torch.rand(3)
    for _ in each_of(monkeypatch, 3):
        torch.manual_seed(1)
        share = shares.Share(rows)
        with share.noise():
            mine = variational_bayes(model, x[share.rows], 7, 2).detach()
        check("eq-share", whole=whole[share.rows], mine=mine)
        assert torch.equal(torch.rand(3), following)


def test_the_predictive_density_is_the_closed_form():
    model, new = regression(widen=3.0), X[:3]
    q = model.decoder.q
    covariance = NOISE**2 * torch.eye(6).double() + (FEATURES * q.variance) @ FEATURES.T
    exact = MultivariateNormal(FEATURES @ q.mean, covariance).log_prob(new).detach()
    mean_weights = VAE(model.prior_module, model.encoder, model.decoder.decoder)
    wrong = {"mean weights": log_evidence(mean_weights, new, 2).mean}
    here = log_predictive(model, new, draws=800, samples=2)
    check("eq-predictive", wrong=wrong, exact=exact, here=here)


def test_the_predictive_density_is_the_mean_over_theta_and_its_relative_error():
    model = images(sigma=0.5)
    torch.manual_seed(1)
    drawn = (given(model, model.decoder.draw()) for _ in range(6))
    densities = [log_evidence(now, PIXELS, 10).mean.exp() for now in drawn]
    mean, error = Estimate.of(torch.stack(densities))
    here = seeded(log_predictive, model, PIXELS, 6, 10)
    check("eq-predictive", by_hand=mean.log(), here=here.mean)
    check("eq-predictive", by_hand=error / mean, here=here.standard_error)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
def test_shapes_are_those_of_the_data(batch):
    x = torch.ones(*batch, 3).double()
    assert variational_bayes(images(), x, 7, 2).shape == batch
    estimate = log_predictive(images(), x, 2, 2)
    assert estimate.mean.shape == estimate.standard_error.shape == batch
    assert not estimate.mean.requires_grad


PLAIN = VAE(StandardNormal(2), GaussianEncoder(3, [4], 2), BernoulliDecoder(2, [4], 3))
FROZEN = BernoulliDecoder(2, [4], 3).requires_grad_(False)


test_bad_arguments_raise_by_name = refused(
    (lambda: variational_bayes(PLAIN, PIXELS, 7), "an UncertainDecoder, got BernoulliDecoder"),
    (lambda: log_predictive(PLAIN, PIXELS, 2), "an UncertainDecoder, got BernoulliDecoder"),
    (lambda: variational_bayes(3, PIXELS, 7), "an UncertainDecoder, got NoneType"),
    (lambda: variational_bayes(images(), PIXELS, 0), "examples must be .* at least 1, got 0"),
    (lambda: variational_bayes(images(), PIXELS, 7, 0), "samples must be a whole number"),
    (lambda: variational_bayes(images(), PIXELS, 7, 1, "both"), "'exact' or 'sampled'"),
    (lambda: variational_bayes(images(), PIXELS / 2, 7), "vaelib.data.binarise"),
    (lambda: log_predictive(images(), PIXELS, 1), "draws must be .* at least 2, got 1"),
    (lambda: log_predictive(images(), PIXELS, 2, 1), "samples must be a whole number"),
    (lambda: UncertainDecoder(Regression(), 0.0), "sigma must be positive and finite, got 0.0"),
    (lambda: UncertainDecoder(Regression(), math.inf), "sigma must be positive and finite"),
    (lambda: UncertainDecoder(Regression(), 0.1, -1), "prior_sigma must be positive"),
    (lambda: UncertainDecoder(FROZEN), "BernoulliDecoder has no parameters to learn"),
    (lambda: images().decoder.given(X[0]), r"theta must have shape \(27,\), got \(6,\)"),
)
