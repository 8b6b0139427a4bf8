"""Layers in one row: densities, draws and divergences against the dense joint normal by blocks."""

from itertools import product

import pytest
import torch
from torch.distributions import (
    Categorical,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
)

from tests.cases import cases, refused, seeded
from vaelib import models
from vaelib.checks import check
from vaelib.distributions import bernoulli, chain, diagonal_normal, unit_normal
from vaelib.divergence import Estimate, kl, kl_by_layer
from vaelib.models import VAE, Beside, GaussianEncoder, Layered, Lowest
from vaelib.objectives import elbo, log_evidence
from vaelib.training import fit, refit

WIDTHS = (2, 3, 1)
PLACES = torch.arange(6).split(WIDTHS)
ONE = unit_normal(torch.zeros(1))
ALONE = chain([1], ONE)
TWIN = MixtureSameFamily(Categorical(torch.ones(2)), unit_normal(torch.tensor([[-1.0], [1.0]])))


def linear(upward, batch=(), seed=0):
    """A chain whose layers see all before them, and its row as one normal: z = M z + c + e."""
    torch.manual_seed(seed)
    M, c, sigma = torch.zeros(6, 6).double(), torch.randn(*batch, 6).double(), torch.rand(6) + 0.5
    order = PLACES if upward else PLACES[::-1]

    def part(k):
        mine, seen = order[k], order[:k][::-1]
        for at in seen:
            M[mine[:, None], at] = torch.randn(len(mine), len(at)).double()

        def given(*layers):
            shifts = [z @ M[mine[:, None], at].T for z, at in zip(layers, seen, strict=True)]
            return diagonal_normal(sum(shifts, c[..., mine]), sigma[mine])

        return given if k else given()

    p = chain(WIDTHS, *map(part, range(3)), upward=upward)
    K = torch.linalg.inv(torch.eye(6).double() - M)
    return p, MultivariateNormal(c @ K.T, K @ sigma.double().square().diag() @ K.T)


def block(normal, at):
    return MultivariateNormal(normal.mean[..., at], normal.covariance_matrix[..., at[:, None], at])


@cases(*product([False, True], [(), (4,), (2, 3)]))
def test_a_chain_is_the_dense_normal_of_its_row(upward, batch):
    p, dense = linear(upward, batch)
    z, t = torch.randn(5, *batch, 6).double(), 0 if upward else 2
    check("eq-chain", dense=dense.log_prob(z), here=p.log_prob(z))
    check("eq-chain", dense=dense.log_prob(z), expanded=p.expand((5, *batch)).log_prob(z))
    first = block(dense, PLACES[t]).log_prob(z[..., PLACES[t]])
    check("eq-chain", marginal=first, here=p.log_probs(z)[t])


@cases(False, True)
def test_draws_have_the_moments_of_the_row_and_its_slopes(upward):
    p, dense = linear(upward, (2,))
    away = seeded(p.rsample, (40_000,)) - dense.mean
    found = Estimate.of(torch.cat([away, (away[..., None] * away[..., None, :]).flatten(-2)], -1))
    right = torch.cat([torch.zeros(2, 6), dense.covariance_matrix.flatten(-2)], -1)
    assert ((found.mean - right).abs() < 5 * found.standard_error).all()
    torch.testing.assert_close(seeded(p.sample, (3,)), seeded(p.rsample, (3,)))
    mu = torch.zeros(1, requires_grad=True)
    p = chain([1, 1], unit_normal(mu), lambda z: unit_normal(3 * z), upward=upward)
    assert torch.autograd.grad(p.rsample().sum(), mu)[0] == 4


@cases(*product([False, True], [False, True]))
def test_the_layers_divergences_are_those_of_the_row(up_q, up_p):
    (q, dense_q), (p, dense_p) = linear(up_q, (2,)), linear(up_p, seed=1)
    terms = kl_by_layer(q, p, z := seeded(q.sample, (40_000,)))
    assert kl_by_layer(ALONE, ALONE, torch.zeros(7, 1)).shape == (1, 7)
    found, exact = Estimate.of(terms.sum(0)), kl(dense_q, dense_p)
    assert ((found.mean - exact).abs() < 5 * found.standard_error).all()
    if up_q != up_p:
        check("eq-layers", rows=dense_q.log_prob(z) - dense_p.log_prob(z), layers=terms.sum(0))
        return
    t = 0 if up_q else 2  # of the first layer, the same for all draws
    first = kl(block(dense_q, PLACES[t]), block(dense_p, PLACES[t]))
    check("eq-layers", marginal=first.expand(40_000, 2), here=terms[t])


def test_what_has_no_closed_form_is_drawn_and_a_layer_need_not_look_at_those_before():
    q, p = (chain([1, 1], ONE, lambda z, d=d: d) for d in (TWIN, unit_normal(torch.ones(1))))
    z = seeded(q.sample, (9,))
    ratio = TWIN.log_prob(z[:, :1]) - p.parts[1](None).log_prob(z[:, :1])
    check("eq-layers", ratio=ratio, here=kl_by_layer(q, p, z)[0])


def test_layers_may_be_discrete():
    p = chain([1, 2], OneHotCategorical(torch.ones(2)), lambda z: bernoulli(z[..., :1]))
    assert not p.has_rsample
    assert len(seeded(p.sample, (50,)).unique(dim=0)) == 4
    assert p.log_prob(torch.tensor([1.0, 0.0, 1.0])).exp() == 0.25


X = torch.rand(60, 6, generator=torch.Generator().manual_seed(0)).round()


def layered(kind):
    torch.manual_seed(0)
    prior = Layered([2, 1], models.StandardNormal(1), GaussianEncoder(1, [8], 2))
    parts = [GaussianEncoder(6, [8], 1), Beside(GaussianEncoder(7, [8], 2))]
    if kind == "upward":
        parts = [GaussianEncoder(6, [8], 2), GaussianEncoder(2, [8], 1)]
    shared = prior if kind == "ladder" else None
    encoder = Layered([2, 1], *parts, upward=kind == "upward", prior=shared)
    return VAE(prior, encoder, Lowest(models.BernoulliDecoder(2, [8], 6), 2))


@cases("upward", "downward", "ladder")
def test_a_layered_vae_is_trained_and_judged_as_any(kind):
    model = layered(kind)
    model.start_at(X)
    started = [m for m in model.encoder.modules() if getattr(m, "place", None) is not None]
    assert len(started) == (1 if kind == "upward" else 2)
    history = fit(model, X, epochs=20, learning_rate=0.01, progress=False)
    assert history.train[-1].elbo > history.train[0].elbo
    elbo(model, X, kl="either").mean().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())
    assert seeded(elbo, model, X, 9, kl="sampled").mean() < log_evidence(model, X).mean.mean()
    with pytest.raises(NotImplementedError, match="no closed-form KL between Chain and Chain"):
        elbo(model, X)
    refit(model.prior_module, model.encode(X).sample(), epochs=1)


def test_layers_see_what_they_should_and_a_ladder_is_bayes_rule():
    ladder, plain, up = (layered(kind) for kind in ("ladder", "downward", "upward"))
    x, z, grid = X[:4], torch.randn(5, 1, 3), torch.linspace(-12, 12, 4001)
    found, guess, prior = (p.at(z)[0][0] for p in (ladder.encode(x), plain.encode(x), plain.prior))
    logs = [Normal(p.mean[..., None], p.stddev[..., None]).log_prob(grid) for p in (guess, prior)]
    mass = sum(logs).softmax(-1)
    torch.testing.assert_close(found.mean, mean := mass @ grid, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.variance, mass @ grid**2 - mean**2, atol=1e-4, rtol=0)
    above, low = z[..., 2:], z[..., :2]
    torch.testing.assert_close(guess.mean, plain.encoder.parts[1](x.expand(5, 4, 6), above).mean)
    torch.testing.assert_close(up.encode(x).at(z)[0][1].mean, up.encoder.parts[1](low).mean)
    torch.testing.assert_close(up.decode(z).mean, up.decoder.decoder(low).mean)


PAIR = chain([1, 1], ONE, unit_normal)
MANY, BITS = unit_normal(torch.zeros(2, 1)), bernoulli(torch.zeros(1))
test_what_is_no_chain_is_said = refused(
    (lambda: chain([], ONE), "layers must be a whole number of at least 1, got 0"),
    (lambda: chain([1, 0], ONE, unit_normal), r"widths\[1\] must be a whole number"),
    (lambda: chain([1, 1], ONE), "2 widths need as many parts, got 1"),
    (lambda: chain([1, 2], ONE, unit_normal), r"first layer must have event \(2,\), got \(1,\)"),
    (lambda: chain([2, 1], ONE, unit_normal).sample(), r"layer 1 must have event \(2,\), got"),
    (lambda: chain([1, 1], ONE, lambda z: MANY).sample((3,)), r"layer 1 must have batch \(3,\)"),
    (lambda: chain([1, 1], ONE, lambda z: BITS).rsample(), "layer 1 has no rsample"),
    (lambda: Layered([1, 1], ONE), "2 widths need as many parts, got 1"),
    (lambda: PAIR.log_prob(torch.zeros(3)), r"z must have shape \(\.\.\., 2\), got \(3,\)"),
    (lambda: Layered([1], ONE, prior=layered("upward").encoder), "a ladder goes downward"),
)
