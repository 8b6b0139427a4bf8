import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.distributions import (
    Exponential,
    Independent,
    Laplace,
    MultivariateNormal,
    OneHotCategorical,
    StudentT,
)

from vaelib.checks import check
from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian
from vaelib.models import Model
from vaelib.objectives import (
    elbo,
    elbo_terms,
    iwae,
    log_evidence,
    log_joint,
    log_likelihood,
    log_weights,
)
from vaelib.validation import unexamined

SAMPLES = 20_000
BATCHES = pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
KL = pytest.mark.parametrize("kl", ["exact", "sampled"])


def linear(latent=2, observed=3):
    g = torch.Generator().manual_seed(1)
    W, b = torch.randn(observed, latent, generator=g), torch.randn(observed, generator=g)
    return LinearGaussian(W.double(), b.double(), 0.7)


def approximate(model, shift=0.3, widen=1.3):
    """The same model with a diagonal q that is not the posterior."""

    def encode(x):
        exact = model.encode(x)
        return diagonal_normal(exact.mean + shift, widen * exact.stddev)

    return Model(model.prior, model.decode, encode)


def elbo_by_hand(model, x):
    """Reconstruction and KL of a linear-Gaussian model, from the moments of its diagonal q."""
    q = model.encode(x)
    p = model.decode(torch.zeros(model.prior.event_shape).double())
    b, sigma = p.mean, p.stddev[0]
    W = model.decode(torch.eye(*model.prior.event_shape * 2).double()).mean.T - b[:, None]
    square = (x - q.mean @ W.T - b).square().sum(-1) + q.variance @ W.square().sum(0)
    reconstruction = -(square / sigma**2 + len(b) * (2 * math.pi * sigma**2).log()) / 2
    kl = (q.mean**2 + q.variance - 1 - q.variance.log()).sum(-1) / 2
    return reconstruction, kl


LINEAR = linear()
APPROXIMATE = approximate(LINEAR)


def some_x(*batch):
    return LINEAR.decode(LINEAR.prior.sample(batch)).sample()


@BATCHES
def test_log_joint_is_one_normal_over_x_and_z(batch):
    W, b = LINEAR.W, LINEAR.b
    covariance = torch.block_diag(W @ W.T + 0.49 * torch.eye(3).double(), torch.eye(2).double())
    covariance[:3, 3:], covariance[3:, :3] = W, W.T
    together = MultivariateNormal(torch.cat([b, torch.zeros(2)]), covariance)
    x, z = some_x(*batch), torch.randn(4, *batch, 2).double()
    by_hand = together.log_prob(torch.cat([x.expand(4, *batch, 3), z], -1))
    check("eq-joint", joint_normal=by_hand, here=log_joint(LINEAR, x, z))


@BATCHES
def test_log_joint_is_prior_and_likelihood(batch):
    x, z = some_x(*batch), torch.randn(4, *batch, 2).double()
    prior = -(z.square() + math.log(2 * math.pi)).sum(-1) / 2
    check("eq-joint", sum=prior + log_likelihood(LINEAR, x, z), here=log_joint(LINEAR, x, z))


@BATCHES
def test_one_latent_serves_every_x(batch):
    x, z = some_x(*batch), torch.randn(7, *[1] * len(batch), 2).double()
    spread = z.expand(7, *batch, 2)
    check("eq-joint", one=log_joint(LINEAR, x, z), copies=log_joint(LINEAR, x, spread))


@BATCHES
def test_every_weight_is_the_evidence_at_the_posterior(batch):
    x = some_x(*batch)
    log_w = log_weights(LINEAR, x, 6)
    assert log_w.shape == (6, *batch)
    check("eq-weights", weights=log_w, evidence=LINEAR.log_evidence(x).expand_as(log_w))


@BATCHES
def test_all_bounds_are_the_evidence_at_the_posterior(batch):
    x = some_x(*batch)
    check(
        "eq-tight",
        elbo=elbo(LINEAR, x, 2, kl="sampled"),
        iwae=iwae(LINEAR, x, 3),
        evidence=LINEAR.log_evidence(x),
        log_evidence=log_evidence(LINEAR, x, 4).mean,
    )
    assert log_evidence(LINEAR, x, 4).standard_error.max() < 1e-7


@KL
@BATCHES
def test_the_elbos_mean_is_the_closed_form(batch, kl):
    x = some_x(*batch)
    reconstruction, regulariser = elbo_by_hand(APPROXIMATE, x)
    copies = elbo(APPROXIMATE, x.expand(SAMPLES, *x.shape), samples=4, kl=kl)
    exact = reconstruction - regulariser
    wrong = {"KL added": reconstruction + regulariser}
    check("eq-elbo", wrong=wrong, exact=exact, estimate=Estimate.of(copies))


@KL
def test_both_terms_of_the_elbo_have_their_closed_forms_as_means(kl):
    x = some_x(3)
    exact = torch.stack(elbo_by_hand(APPROXIMATE, x), -1)
    terms = torch.stack(elbo_terms(APPROXIMATE, x.expand(SAMPLES, 3, 3), 2, kl), -1)
    if kl == "exact":
        check("eq-kl", exact=exact[..., 1].expand(SAMPLES, 3), here=terms[..., 1])
    else:
        wrong = {"p first": -exact[..., 1]}
        check("eq-kl", wrong=wrong, exact=exact[..., 1], here=Estimate.of(terms[..., 1]))
    wrong = {"sigma for variance": exact[..., 0] + 0.5}
    check("eq-terms", wrong=wrong, exact=exact[..., 0], here=Estimate.of(terms[..., 0]))


@KL
@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_weighs_the_kl_and_nothing_else(kl, beta):
    x = some_x(5)
    torch.manual_seed(1)
    reconstruction, regulariser = elbo_terms(APPROXIMATE, x, 3, kl)
    torch.manual_seed(1)
    weighed = elbo(APPROXIMATE, x, 3, kl, beta=beta)
    check("eq-beta", here=weighed, sum=reconstruction - beta * regulariser)


@pytest.mark.parametrize("bound", [elbo, lambda *args: torch.stack(elbo_terms(*args))])
def test_one_sample_and_the_exact_kl_are_the_default(bound):
    x = some_x(2, 3)
    torch.manual_seed(1)
    short = bound(APPROXIMATE, x)
    torch.manual_seed(1)
    check("eq-elbo", short=short, full=bound(APPROXIMATE, x, 1, "exact"))


def test_more_samples_lower_the_elbos_variance_and_keep_its_mean():
    x = some_x().expand(SAMPLES, 3)
    one, four = (elbo(APPROXIMATE, x, samples, "sampled").var() for samples in (1, 4))
    assert four / one == pytest.approx(1 / 4, rel=0.1)


@pytest.mark.parametrize("samples", [1, 3])
def test_sampled_elbo_is_the_mean_of_the_log_weights(samples):
    x = some_x(2, 3)
    torch.manual_seed(1)
    log_w = log_weights(APPROXIMATE, x, samples)
    torch.manual_seed(1)
    check("eq-estimator-a", elbo=elbo(APPROXIMATE, x, samples, "sampled"), mean=log_w.mean(0))


def test_iwae_is_the_log_of_the_mean_weight():
    x = some_x(2, 3)
    torch.manual_seed(1)
    w = log_weights(APPROXIMATE, x, 5).exp()
    torch.manual_seed(1)
    check("eq-iwae", here=iwae(APPROXIMATE, x, 5), by_hand=(w.sum(0) / 5).log())


def test_iwae_with_two_samples_has_the_mean_that_gauss_hermite_finds():
    model = approximate(linear(1, 2), shift=0.5, widen=1.2)
    x = torch.tensor([0.5, -1.0]).double()
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(60))
    q = model.encode(x)
    z = q.mean + q.stddev * nodes[:, None]
    log_w = log_joint(model, x, z) - q.log_prob(z)
    pairs = torch.logaddexp(log_w[:, None], log_w) - math.log(2)
    exact = weights @ pairs @ weights / (2 * math.pi)
    estimate = Estimate.of(iwae(model, x.expand(100_000, 2), 2))
    wrong = {"one sample": weights @ log_w / math.sqrt(2 * math.pi)}
    check("eq-iwae", wrong=wrong, gauss_hermite=exact, here=estimate)


def test_iwae_grows_with_its_samples_up_to_the_evidence():
    x = some_x(3)
    bounds = [Estimate.of(iwae(APPROXIMATE, x.expand(SAMPLES, 3, 3), k)) for k in (1, 2, 8, 32)]
    for low, high in pairwise(bounds):
        error = (low.standard_error**2 + high.standard_error**2).sqrt()
        assert (high.mean - low.mean > 5 * error).all()
    assert (bounds[-1].mean < LINEAR.log_evidence(x) + 5 * bounds[-1].standard_error).all()


@BATCHES
@pytest.mark.parametrize("chunk", [100, 2**15])
def test_log_evidence_finds_the_closed_form_whatever_the_chunk(batch, chunk):
    x = some_x(*batch)
    exact = LINEAR.log_evidence(x)
    estimate = log_evidence(APPROXIMATE, x, 1000, chunk)
    wrong = {"half a sample": exact + 1}
    check("eq-evidence", wrong=wrong, exact=exact, estimate=estimate)


def test_log_evidence_is_the_mean_weight_and_its_relative_error():
    x = some_x(4)
    torch.manual_seed(1)
    mean, error = Estimate.of(log_weights(APPROXIMATE, x, 50).exp())
    torch.manual_seed(1)
    here = log_evidence(APPROXIMATE, x, 50)
    check("eq-evidence", by_hand=mean.log(), here=here.mean)
    check("eq-evidence", by_hand=error / mean, here=here.standard_error)


def test_log_evidence_reports_the_spread_of_its_runs():
    x = some_x().expand(2000, 3)
    mean, error = log_evidence(APPROXIMATE, x, 400)
    assert float(mean.std()) == pytest.approx(float(error.square().mean().sqrt()), rel=0.1)


@pytest.mark.parametrize(
    ("examples", "samples", "chunk"), [(4, 10, 1), (4, 10, 9), (4, 10, 13), (7, 3, 2), (4, 10, 999)]
)
def test_log_evidence_uses_all_samples_and_holds_one_chunk(examples, samples, chunk):
    held = []

    def decode(z):
        held.append(z.shape[:-1].numel())
        return LINEAR.decode(z)

    log_evidence(Model(LINEAR.prior, decode, LINEAR.encode), some_x(examples), samples, chunk)
    assert sum(held) == samples * examples
    assert max(held) <= chunk


def test_log_evidence_survives_weights_that_under_and_overflow():
    def model(offset):
        def decode(z):
            return diagonal_normal(z.new_full((*z.shape[:-1], 1), offset), 1.0)

        prior = diagonal_normal(torch.zeros(1).double(), 1.0)
        return Model(prior, decode, lambda x: diagonal_normal(0 * x, 1.0))

    x = torch.zeros(1).double()
    far = log_evidence(model(100.0), x, 10).mean
    assert far == pytest.approx(-(100**2 + math.log(2 * math.pi)) / 2, rel=1e-12)


def test_log_evidence_leaves_no_graph():
    W = LINEAR.W.clone().requires_grad_()
    model = LinearGaussian(W, LINEAR.b, 0.7)
    assert not log_evidence(model, some_x(2), 5).mean.requires_grad


def with_free_q(phi, scale):
    """q's mean is the posterior's plus phi; its deviations are the posterior's times exp(scale)."""

    def encode(x):
        exact = LINEAR.encode(x)
        tril = exact.scale_tril * scale.exp().unsqueeze(-1)
        return MultivariateNormal(exact.mean + phi, scale_tril=tril)

    return Model(LINEAR.prior, LINEAR.decode, encode)


def gradient_rows(shift, log_scale, score, copies=SAMPLES):
    x = torch.tensor([0.5, -1.0, 0.2]).double().expand(copies, 3)
    phi = torch.full((copies, 2), shift).double().requires_grad_()
    scale = torch.full((copies, 2), log_scale).double().requires_grad_()
    log_w = log_weights(with_free_q(phi, scale), x, 1, score=score)
    return torch.cat(torch.autograd.grad(log_w.sum(), (phi, scale)), -1)


def test_without_the_score_the_values_stay():
    x = some_x(2, 3)
    torch.manual_seed(1)
    held = log_weights(APPROXIMATE, x, 3, score=False)
    torch.manual_seed(1)
    check("eq-score", held=held, plain=log_weights(APPROXIMATE, x, 3))


def test_the_score_is_kept_unless_it_is_refused():
    x = some_x(4)
    phi = torch.full((2,), 0.3).double().requires_grad_()
    model = with_free_q(phi, torch.zeros(2).double())
    gradients = []
    for settings in ({}, {"score": True}, {"score": False}):
        torch.manual_seed(1)
        gradients += torch.autograd.grad(log_weights(model, x, 3, **settings).sum(), phi)
    assert torch.equal(gradients[0], gradients[1])
    assert not torch.allclose(gradients[0], gradients[2])


def test_without_the_score_the_mean_gradient_stays():
    plain, held = (Estimate.of(gradient_rows(0.4, 0.2, score)) for score in (True, False))
    wrong = {"ascent for descent": -plain.mean}
    check("eq-score", wrong=wrong, plain=plain, held=held)


def test_without_the_score_the_gradient_at_the_posterior_has_no_noise():
    held, plain = gradient_rows(0.0, 0.0, False, 50), gradient_rows(0.0, 0.0, True, 50)
    assert held.abs().max() < 1e-12
    assert (plain.std(0) > 0.1).all()


@KL
def test_the_elbos_gradient_is_that_of_its_closed_form(kl):
    x = some_x().expand(SAMPLES, 3)

    def model(phi):
        exact = LINEAR.encode(x).mean
        return Model(
            LINEAR.prior,
            LINEAR.decode,
            lambda x: diagonal_normal(exact + phi[..., 0], phi[..., 1].exp()),
        )

    phi = torch.tensor([[0.3, -0.5], [-0.2, 0.1]]).double().expand(SAMPLES, 2, 2).clone()
    phi.requires_grad_()
    reconstruction, regulariser = elbo_by_hand(model(phi), x)
    exact = torch.autograd.grad((reconstruction - regulariser)[0], phi)[0][0]
    rows = torch.autograd.grad(elbo(model(phi), x, 1, kl).sum(), phi)[0]
    check("eq-gradient", wrong={"descent": -exact}, exact=exact, here=Estimate.of(rows))


@KL
def test_the_elbo_reaches_the_decoders_parameters(kl):
    W = LINEAR.W.clone().requires_grad_()
    model = approximate(LinearGaussian(W, LINEAR.b, 0.7))
    x = some_x(4)
    torch.manual_seed(2)
    (grad,) = torch.autograd.grad(elbo(model, x, 1, kl).sum(), W)
    step = 1e-5 * torch.randn_like(W)
    ends = []
    for sign in (1, -1):
        torch.manual_seed(2)
        moved = approximate(LinearGaussian(LINEAR.W + sign * step, LINEAR.b, 0.7))
        ends.append(elbo(moved, x, 1, kl).sum())
    check(
        "eq-gradient",
        tolerance=1e-8,
        autograd=(grad * step).sum(),
        by_steps=(ends[0] - ends[1]) / 2,
    )


PRIOR = diagonal_normal(torch.zeros(2).double(), 1.0)
X = torch.tensor([[0.0, 1.0, 1.0]]).double().repeat(5, 1)
COINS = Model(
    PRIOR,
    lambda z: bernoulli(z @ torch.ones(2, 3).double()),
    lambda x: diagonal_normal(x[..., :2], 1.0),
)
DISCRETE = Model(
    OneHotCategorical(torch.ones(2)), COINS.decode, lambda x: OneHotCategorical(logits=x[..., :2])
)
TIMES = Model(PRIOR, lambda z: Independent(Exponential(z.new_ones(3)), 1), COINS.encode)
COIN = Model(diagonal_normal(torch.zeros(1).double(), 1.0), lambda z: bernoulli(0 * z), None)
DICE = Model(PRIOR, lambda z: OneHotCategorical(torch.ones(*z.shape[:-1], 3)), None)
GREY = (
    "^x has pixels that are neither 0 nor 1, under a Bernoulli decoder: make it binary with "
    "vaelib.data.binarise, or fit with binarise=True$"
)
ONE_Q = Model(PRIOR, COINS.decode, lambda x: PRIOR)
GREY_ROW = torch.cat([X[:4], X[:1] / 2])
BAD = torch.tensor([torch.nan, torch.inf, 0.0]).double()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_joint(COINS, X, torch.zeros(5, 3).double()), r"z must have shape \(..., 2\)"),
        (lambda: log_joint(COINS, X, torch.zeros(5, 1).double()), r"z must have shape \(..., 2\)"),
        (lambda: log_joint(COINS, X, torch.tensor(0.0)), r"z must have shape \(..., 2\), got \(\)"),
        (lambda: log_joint(COINS, X, torch.zeros(4, 2).double()), "does not go with x"),
        (lambda: log_joint(COINS, X, torch.zeros(2).double()), "does not go with x"),
        (lambda: log_joint(COINS, X, torch.zeros(5, 4, 2).double()), "does not go with x"),
        (lambda: log_joint(COINS, X[:1], torch.zeros(5, 2).double()), "does not go with x"),
        (
            lambda: log_joint(COINS, X[:, :2], torch.zeros(5, 2).double()),
            r"x must have shape \(..., 3\)",
        ),
        (
            lambda: log_joint(COINS, X[:, :1], torch.zeros(5, 2).double()),
            r"x must have shape \(..., 3\)",
        ),
        (lambda: elbo(COINS, X[:, :2]), r"x must have shape \(..., 3\), got \(5, 2\)"),
        (lambda: log_joint(COINS, BAD, torch.zeros(2).double()), "x must be finite, got 2 values"),
        (lambda: elbo(COINS, BAD), "x must be finite, got 2 values"),
        (lambda: iwae(COINS, X / 2, 2), GREY),
        (lambda: iwae(COINS, GREY_ROW, 2), GREY),
        (lambda: log_joint(COIN, X[:1, 1:2] / 2, torch.zeros(1, 1).double()), GREY),
        (lambda: log_evidence(COINS, X / 2), GREY),
        (lambda: log_evidence(COINS, GREY_ROW, 10, chunk=2), GREY),
        (
            lambda: elbo(TIMES, -X),
            r"outside the decoder's support, GreaterThanEq\(lower_bound=0.*\)",
        ),
        (
            lambda: log_likelihood(DICE, X, torch.zeros(5, 2).double()),
            r"decoder's support, OneHot\(\)",
        ),
        (lambda: elbo(COINS, X, samples=0), "samples must be a whole number of at least 1, got 0"),
        (lambda: elbo(COINS, X, samples=2.0), "samples must be a whole number"),
        (lambda: iwae(COINS, X, 0), "samples must be a whole number of at least 1, got 0"),
        (lambda: log_weights(COINS, X, -1), "samples must be a whole number of at least 1, got -1"),
        (lambda: log_evidence(COINS, X, samples=1), "samples must be a whole number of at"),
        (
            lambda: log_evidence(COINS, X, chunk=0),
            "chunk must be a whole number of at least 1, got 0",
        ),
        (lambda: elbo(COINS, X, kl="closed"), "kl must be 'exact' or 'sampled', got 'closed'"),
        (
            lambda: elbo(DISCRETE, X),
            "^OneHotCategorical has no rsample, so no gradient passes through its samples: "
            "sum over its values with vaelib.exact.elbo_by_enumeration$",
        ),
        (lambda: iwae(DISCRETE, X, 2), "elbo_by_enumeration"),
        (lambda: log_evidence(COINS, X[:0]), "x is empty"),
        (lambda: elbo(ONE_Q, X), r"encode gave batch \(\) for x of shape \(5, 3\)"),
    ],
)
def test_bad_arguments_raise_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_two_samples_and_a_chunk_of_one_are_enough():
    assert log_evidence(COINS, X, samples=2, chunk=1).mean.shape == (5,)


def test_a_pair_without_closed_form_names_the_way_out():
    def encode(x):
        return Independent(Laplace(x[..., :2], 1.0), 1)

    model = Model(diagonal_normal(torch.zeros(2).double(), 1.0), COINS.decode, encode)
    student = Independent(StudentT(torch.full((2,), 3.0).double()), 1)
    mixed = Model(student, COINS.decode, COINS.encode)
    assert elbo(model, X).shape == (5,)
    with pytest.raises(NotImplementedError, match="kl='sampled'"):
        elbo(mixed, X)
    assert elbo(mixed, X, kl="sampled").shape == (5,)


def test_what_has_been_examined_is_not_examined_again():
    z = torch.zeros(5, 2).double()
    with unexamined():
        assert log_joint(COINS, X / 2, z).isfinite().all()


def test_iwae_is_that_of_burda_unless_told():
    model = approximate(linear())
    x = torch.zeros(3, requires_grad=True).double()
    bounds = []
    for doubly in ({}, {"doubly": False}, {"doubly": True}):
        torch.manual_seed(0)
        bounds.append(torch.autograd.grad(iwae(model, x, 3, **doubly), x)[0])
    assert torch.equal(bounds[0], bounds[1])
    assert not torch.equal(bounds[0], bounds[2])
