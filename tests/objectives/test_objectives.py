import math

import pytest
import torch
from torch import distributions as dist
from torch.distributions import Independent, MultivariateNormal, OneHotCategorical

from tests.cases import cases, refused, seeded
from tests.inference.test_hmc import linear
from vaelib.checks import check
from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian
from vaelib.models import Model
from vaelib.objectives import (
    elbo,
    elbo_terms,
    impute,
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
def test_log_joint_is_one_normal_over_x_and_z_and_so_prior_and_likelihood(batch):
    W, b = LINEAR.W, LINEAR.b
    covariance = torch.block_diag(W @ W.T + 0.49 * torch.eye(3).double(), torch.eye(2).double())
    covariance[:3, 3:], covariance[3:, :3] = W, W.T
    together = MultivariateNormal(torch.cat([b, torch.zeros(2)]), covariance)
    x, z = some_x(*batch), torch.randn(4, *batch, 2).double()
    by_hand = together.log_prob(torch.cat([x.expand(4, *batch, 3), z], -1))
    both = -(z.square() + math.log(2 * math.pi)).sum(-1) / 2 + log_likelihood(LINEAR, x, z)
    check("eq-joint", joint_normal=by_hand, sum=both, here=log_joint(LINEAR, x, z))
    one = torch.randn(7, *[1] * len(batch), 2).double()  # serves every x
    copies = log_joint(LINEAR, x, one.expand(7, *batch, 2))
    check("eq-joint", one=log_joint(LINEAR, x, one), copies=copies)


@BATCHES
def test_every_weight_and_all_bounds_are_the_evidence_at_the_posterior(batch):
    x = some_x(*batch)
    evidence, log_w = LINEAR.log_evidence(x), log_weights(LINEAR, x, 6)
    estimate = log_evidence(LINEAR, x, 4)
    bounds = {"elbo": elbo(LINEAR, x, 2, kl="sampled"), "iwae": iwae(LINEAR, x, 3)}
    check("eq-tight", **bounds, evidence=evidence, log_evidence=estimate.mean)
    check("eq-weights", weights=log_w, evidence=evidence.expand(6, *batch))
    assert estimate.standard_error.max() < 1e-7


@KL
@BATCHES
def test_both_terms_of_the_elbo_have_their_closed_forms_as_means(batch, kl):
    x = some_x(*batch)
    right, divergence = elbo_by_hand(APPROXIMATE, x)
    rights, divergences = elbo_terms(APPROXIMATE, x.expand(SAMPLES, *x.shape), 2, kl)
    wrong = {"sigma for variance": right + 0.5}
    check("eq-terms", wrong=wrong, exact=right, here=Estimate.of(rights))
    if kl == "exact":
        check("eq-kl", exact=divergence.expand(SAMPLES, *batch), here=divergences)
    else:
        wrong = {"p first": -divergence}
        check("eq-kl", wrong=wrong, exact=divergence, here=Estimate.of(divergences))


@KL
@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_weighs_the_kl_and_nothing_else(kl, beta):
    x = some_x(5)
    reconstruction, regulariser = seeded(elbo_terms, APPROXIMATE, x, 3, kl)
    weighed = seeded(elbo, APPROXIMATE, x, 3, kl, beta=beta)
    check("eq-beta", here=weighed, sum=reconstruction - beta * regulariser)


@pytest.mark.parametrize("bound", [elbo, lambda *args: torch.stack(elbo_terms(*args))])
def test_one_sample_and_the_exact_kl_are_the_default(bound):
    x = some_x(2, 3)
    full = seeded(bound, APPROXIMATE, x, 1, "exact")
    check("eq-elbo", short=seeded(bound, APPROXIMATE, x), full=full)


@pytest.mark.parametrize("samples", [1, 3, 50])
def test_each_bound_is_its_average_of_the_same_weights(samples):
    given = (APPROXIMATE, some_x(2, 3), samples)
    log_w = seeded(log_weights, *given)
    check("eq-estimator-a", elbo=seeded(elbo, *given, "sampled"), mean=log_w.mean(0))
    check("eq-iwae", here=seeded(iwae, *given), by_hand=(log_w.exp().sum(0) / samples).log())
    if samples > 1:
        mean, error = Estimate.of(log_w.exp())
        here = seeded(log_evidence, *given)
        check("eq-evidence", by_hand=mean.log(), here=here.mean)
        check("eq-evidence", by_hand=error / mean, here=here.standard_error)


@BATCHES
@pytest.mark.parametrize("chunk", [100, 2**15])
def test_log_evidence_finds_the_closed_form_whatever_the_chunk(batch, chunk):
    x = some_x(*batch)
    exact = LINEAR.log_evidence(x)
    estimate = log_evidence(APPROXIMATE, x, 1000, chunk)
    wrong = {"half a sample": exact + 1}
    check("eq-evidence", wrong=wrong, exact=exact, estimate=estimate)


@cases((4, 2, 1), (4, 10, 9), (4, 10, 13), (7, 3, 2), (4, 10, 999))
def test_log_evidence_uses_all_samples_and_holds_one_chunk(examples, samples, chunk):
    held = []

    def decode(z):
        held.append(z.shape[:-1].numel())
        return LINEAR.decode(z)

    log_evidence(Model(LINEAR.prior, decode, LINEAR.encode), some_x(examples), samples, chunk)
    assert sum(held) == samples * examples
    assert max(held) <= chunk


def test_log_evidence_survives_weights_that_under_and_overflow():
    def decode(z):
        return diagonal_normal(z.new_full((*z.shape[:-1], 1), 100.0), 1.0)

    x, prior = torch.zeros(1).double(), diagonal_normal(torch.zeros(1).double(), 1.0)
    far = log_evidence(Model(prior, decode, lambda x: prior), x, 10).mean
    assert far == pytest.approx(-(100**2 + math.log(2 * math.pi)) / 2, rel=1e-12)


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


def test_the_score_is_kept_unless_it_is_refused_and_the_values_stay():
    x = some_x(4)
    phi = torch.full((2,), 0.3).double().requires_grad_()
    model, found = with_free_q(phi, torch.zeros(2).double()), []
    for settings in ({}, {"score": True}, {"score": False}):
        log_w = seeded(log_weights, model, x, 3, **settings)
        found.append((log_w, *torch.autograd.grad(log_w.sum(), phi)))
    default, kept, refused = found
    check("eq-score", default=default[0], kept=kept[0], refused=refused[0])
    assert torch.equal(default[1], kept[1])
    assert not torch.allclose(default[1], refused[1])
    assert not log_evidence(model, x, 5).mean.requires_grad


def test_without_the_score_the_mean_gradient_stays_and_has_no_noise_at_the_posterior():
    plain, held = (Estimate.of(gradient_rows(0.4, 0.2, score)) for score in (True, False))
    wrong = {"ascent for descent": -plain.mean}
    check("eq-score", wrong=wrong, plain=plain, held=held)
    held, plain = gradient_rows(0.0, 0.0, False, 50), gradient_rows(0.0, 0.0, True, 50)
    assert held.abs().max() < 1e-12
    assert (plain.std(0) > 0.1).all()


@KL
def test_the_elbos_gradient_is_its_slope_in_the_parameters_of_decoder_and_encoder(kl):
    x = some_x(4)
    values = LINEAR.W, torch.tensor([0.3, -0.2]).double(), torch.tensor([1.3, 0.9]).double()
    steps = [1e-5 * torch.randn_like(value) for value in values]

    def bound(W, shift, widen):
        torch.manual_seed(2)
        model = approximate(LINEAR, shift, widen)
        decode = LinearGaussian(W, LINEAR.b, 0.7).decode
        return elbo(Model(LINEAR.prior, decode, model.encode), x, 1, kl).sum()

    leaves = [value.clone().requires_grad_() for value in values]
    slopes = torch.autograd.grad(bound(*leaves), leaves)
    slope = sum((slope * step).sum() for slope, step in zip(slopes, steps, strict=True))
    ends = [bound(*(v + sign * s for v, s in zip(values, steps, strict=True))) for sign in (1, -1)]
    by_steps = (ends[0] - ends[1]) / 2
    check("eq-gradient", tolerance=1e-8, autograd=slope, by_steps=by_steps)


PRIOR = diagonal_normal(torch.zeros(2).double(), 1.0)
X = torch.tensor([[0.0, 1.0, 1.0]]).double().repeat(5, 1)
Z, ENCODE = torch.zeros(5, 2).double(), lambda x: diagonal_normal(x[..., :2], 1.0)
COINS = Model(PRIOR, lambda z: bernoulli(z @ torch.ones(2, 3).double()), ENCODE)
ONE_HOT = OneHotCategorical(torch.ones(2))
DISCRETE = Model(ONE_HOT, COINS.decode, lambda x: OneHotCategorical(logits=x[..., :2]))
TIMES = Model(PRIOR, lambda z: Independent(dist.Exponential(z.new_ones(3)), 1), COINS.encode)
COIN = Model(diagonal_normal(torch.zeros(1).double(), 1.0), lambda z: bernoulli(0 * z), None)
DICE = Model(PRIOR, lambda z: OneHotCategorical(torch.ones(*z.shape[:-1], 3)), None)
GREY = (
    "^x has pixels that are neither 0 nor 1, under a Bernoulli decoder: make it binary with "
    "vaelib.data.binarise, or fit with binarise=True$"
)
ONE_Q = Model(PRIOR, COINS.decode, lambda x: PRIOR)
GREY_ROW = torch.cat([X[:4], X[:1] / 2])
BAD = torch.tensor([torch.nan, torch.inf, 0.0]).double()


test_bad_arguments_raise_by_name = refused(
    (lambda: log_joint(COINS, X, X), r"z must have shape \(..., 2\)"),
    (lambda: log_joint(COINS, X, Z[:, :1]), r"z must have shape \(..., 2\)"),
    (lambda: log_joint(COINS, X, torch.tensor(0.0)), r"z must have shape \(..., 2\), got \(\)"),
    (lambda: log_joint(COINS, X, Z[:4]), "does not go with x"),
    (lambda: log_joint(COINS, X, Z[0]), "does not go with x"),
    (lambda: log_joint(COINS, X, torch.zeros(5, 4, 2).double()), "does not go with x"),
    (lambda: log_joint(COINS, X[:1], Z), "does not go with x"),
    (lambda: log_joint(COINS, X[:, :2], Z), r"x must have shape \(..., 3\)"),
    (lambda: log_joint(COINS, X[:, :1], Z), r"x must have shape \(..., 3\)"),
    (lambda: elbo(COINS, X[:, :2]), r"x must have shape \(..., 3\), got \(5, 2\)"),
    (lambda: log_joint(COINS, BAD, Z[0]), "x must be finite, got 2 values"),
    (lambda: elbo(COINS, BAD), "x must be finite, got 2 values"),
    (lambda: iwae(COINS, X / 2, 2), GREY),
    (lambda: iwae(COINS, GREY_ROW, 2), GREY),
    (lambda: log_joint(COIN, X[:1, 1:2] / 2, torch.zeros(1, 1).double()), GREY),
    (lambda: log_evidence(COINS, X / 2), GREY),
    (lambda: log_evidence(COINS, GREY_ROW, 10, chunk=2), GREY),
    (lambda: elbo(TIMES, -X), r"outside the decoder's support, GreaterThanEq\(lower_bound=0.*"),
    (lambda: log_likelihood(DICE, X, Z), r"decoder's support, OneHot\(\)"),
    (lambda: elbo(COINS, X, samples=0), "samples must be a whole number of at least 1, got 0"),
    (lambda: iwae(COINS, X, 0), "samples must be a whole number of at least 1, got 0"),
    (lambda: log_weights(COINS, X, -1), "samples must be a whole number of at least 1, got -1"),
    (lambda: log_evidence(COINS, X, samples=1), "samples must be a whole number of at"),
    (lambda: log_evidence(COINS, X, chunk=0), "chunk must be .* at least 1, got 0"),
    (lambda: impute(COINS, X, draws=0), "draws must be a whole number of at least 1, got 0"),
    (lambda: elbo(COINS, X, kl="closed"), "kl must be 'exact' or 'sampled', got 'closed'"),
    (
        lambda: elbo(DISCRETE, X),
        "^OneHotCategorical has no rsample, so no gradient passes through its samples: "
        "sum over its values with vaelib.exact.elbo_by_enumeration, or take an objective of "
        r"vaelib.gradients; without gradients, under torch.no_grad\(\), any q will do$",
    ),
    (lambda: iwae(DISCRETE, X, 2), "elbo_by_enumeration"),
    (lambda: log_evidence(COINS, X[:0]), "x is empty"),
    (lambda: elbo(ONE_Q, X), r"encode gave batch \(\) for x of shape \(5, 3\)"),
)


def test_what_has_been_examined_is_not_examined_again():
    with unexamined():
        assert log_joint(COINS, X / 2, Z).isfinite().all()


def test_iwae_is_that_of_burda_unless_told():
    x = torch.zeros(3).double().requires_grad_()
    bounds = (
        seeded(iwae, APPROXIMATE, x, 3, **d) for d in ({}, {"doubly": False}, {"doubly": True})
    )
    default, burda, doubly = (torch.autograd.grad(bound, x)[0] for bound in bounds)
    assert torch.equal(default, burda)
    assert not torch.equal(default, doubly)
