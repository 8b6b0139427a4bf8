import math
from functools import partial

import pytest
import torch
from sklearn.cluster import MiniBatchKMeans
from torch.nn.functional import one_hot
from vector_quantize_pytorch import VectorQuantize

from tests.cases import cases, refused, seeded
from vaelib.compress import bits, coded, compress, decompress
from vaelib.distributions import vector_quantiser
from vaelib.exact import elbo_by_enumeration
from vaelib.gradients import elbo_relaxed
from vaelib.models import (
    VAE,
    AutoregressivePrior,
    BernoulliDecoder,
    Codebook,
    FiniteScalars,
    OneHots,
    PseudoInputs,
    SymbolEncoder,
    SymbolPrior,
)
from vaelib.objectives import elbo, log_evidence
from vaelib.training import Averaging, Steps, fit, refit

N, K, D = 3, 4, 12
ALPHABETS = {
    "one-hots": lambda: OneHots(K),
    "codebook": lambda: Codebook(K, 2),
    "finite scalars": lambda: FiniteScalars((4,)),
}
alphabets = pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
X = seeded(torch.rand, 60, D).round()


def vae(alphabet, prior=SymbolPrior, seed=0):
    torch.manual_seed(seed)
    letters = alphabet()
    encoder = SymbolEncoder(D, [16], N, letters)
    decoder = BernoulliDecoder((N, letters.width), [16], D)
    model = VAE(prior(letters, N), encoder, decoder)
    model.start_at(X)
    return model


@alphabets
@cases(SymbolPrior, AutoregressivePrior)
def test_the_evidence_is_a_sum_over_all_symbols_under_each_prior(alphabet, prior):
    model = vae(alphabet, prior)
    p = model.prior
    every = p.written(torch.cartesian_prod(*[torch.arange(K)] * N))
    log_p = p.log_prob(every)
    assert float(log_p.logsumexp(0)) == pytest.approx(0, abs=1e-5)
    joint = log_p[:, None] + model.decode(every[:, None]).log_prob(X[:5])
    exact = joint.logsumexp(0)
    with torch.no_grad():
        bound = seeded(elbo, model, X[:5], samples=500, kl="either")
    assert (bound < exact + 0.02).all()
    if model.encode(X).covers:
        estimate = seeded(log_evidence, model, X[:5], samples=4000)
        assert ((estimate.mean - exact).abs() < 5 * estimate.standard_error + 1e-3).all()
    drawn = one_hot(p.whole(seeded(p.sample, (20_000,))), K).double().mean(0)
    marginal = (log_p.exp()[:, None, None] * one_hot(p.whole(every), K)).sum(0)
    torch.testing.assert_close(drawn, marginal.double(), atol=0.02, rtol=0)


def test_each_symbol_of_an_autoregressive_prior_sees_those_before_it_alone():
    p = seeded(AutoregressivePrior, OneHots(K), N)()
    z = seeded(torch.rand, 2, N, K).requires_grad_()
    k = z.argmax(-1)
    for i in range(N):
        other = k.clone()
        other[:, i] = (k[:, i] + 1) % K
        moved = (p.conditional(other) != p.conditional(k)).any(-1).any(0)
        assert moved.tolist() == [False] * (i + 1) + [True] * (N - 1 - i)


@alphabets
def test_a_file_is_as_long_as_the_bound_and_gives_the_images_back(alphabet):
    model = vae(alphabet, AutoregressivePrior)
    x = X.repeat(20, 1)
    file = coded(model, x)
    assert torch.equal(decompress(model, file.content), x)
    with torch.no_grad():
        bound = -seeded(elbo, model, X, samples=400, kl="sampled") / math.log(2)
    mean = seeded(bits, model, X, 200)
    assert ((mean.mean - bound).abs() < 6 * mean.standard_error + 0.3).all()
    assert abs(float(file.images.mean() - bound.mean())) < 0.5
    assert 0 <= file.coder < 200
    assert compress(model, x) == file.content


def test_a_prior_fitted_afterwards_saves_what_the_usage_lacks():
    model = vae(lambda: Codebook(K, 2))
    z = model.encode(X).sample()
    codes = model.encoder.alphabet.codes.detach().clone()
    prior = SymbolPrior(model.encoder.alphabet, N, learn=True)
    history = refit(prior, z, epochs=300, learning_rate=0.05, progress=False)
    usage = one_hot(model.encode(X).k, K).double().mean(0)
    entropy = -torch.xlogy(usage, usage).sum()
    assert history.train[-1].elbo == pytest.approx(-float(entropy), abs=2e-3)
    assert entropy < N * math.log(K) - 0.1
    assert torch.equal(model.encoder.alphabet.codes, codes)
    assert model.encoder.alphabet.codes.requires_grad


class Points(torch.nn.Module):
    """Data that are their own h."""

    def __init__(self, codebook):
        super().__init__()
        self.codebook = codebook

    @property
    def prior(self):
        return SymbolPrior(self.codebook, 1)()

    def encode(self, x):
        return self.codebook(x[:, None])

    def decode(self, z):
        from vaelib.distributions import unit_normal

        return unit_normal(z.detach()[..., 0, :])


def averaged(points, start, batch, decay=1.0, counts=0.0, epochs=1):
    codebook = Codebook(len(start), points.shape[1])
    with torch.no_grad():
        codebook.codes.copy_(start)
        codebook.counts.fill_(counts)
    moves = Steps(0.1, partial(Averaging, codebook=codebook, decay=decay), shuffle=False)
    how = {"batch_size": batch, "learning_rate": moves, "progress": False, "epochs": epochs}
    fit(Points(codebook).double(), points, **how)
    return codebook


def test_averaging_with_cumulative_counts_is_mini_batch_k_means():
    points, start = seeded(torch.randn, 300, 2).double(), seeded(torch.randn, 5, 2, seed=2).double()
    theirs = MiniBatchKMeans(5, init=start.numpy(), n_init=1, reassignment_ratio=0.0)
    for rows in points.split(50):
        theirs.partial_fit(rows.numpy())
    codebook = averaged(points, start, batch=50)
    found = torch.from_numpy(theirs.cluster_centers_)
    torch.testing.assert_close(codebook.codes.detach(), found)
    assert codebook.counts.sum() == 300


def test_averaging_with_a_decay_gives_the_codebook_of_a_library():
    points = seeded(torch.randn, 200, 2)
    theirs = VectorQuantize(2, 5, decay=0.9, eps=1e-9, rotation_trick=False).train()
    start = theirs.codebook.detach().clone()
    for rows in points.split(50):
        theirs(rows[None])
    ours = averaged(points.double(), start.double(), 50, 0.9, counts=10.0)  # 1 / (1 − decay)
    assert (theirs.codebook - start).abs().max() > 0.1
    torch.testing.assert_close(ours.codes.detach().float(), theirs.codebook)


def test_gradients_that_are_added_up_over_parts_of_a_minibatch_make_one_step():
    points, moved = seeded(torch.randn, 40, 1, 2), []
    for parts in (1, 2):
        codebook = seeded(Codebook, 3, 2)
        average = Averaging(codebook.parameters(), 0.1, codebook)
        for rows in points.chunk(parts):
            codebook(rows).penalty.sum().backward()
        average.step()
        moved.append((codebook.codes.detach().clone(), codebook.counts.clone()))
    torch.testing.assert_close(*moved)
    assert moved[0][1].sum() == 40


def test_codes_are_moved_where_they_are_unused():
    codebook = seeded(Codebook, K, 2)
    before = codebook.codes.detach().clone()
    h = torch.arange(12.0).reshape(3, 2, 2) + 100
    unused = torch.tensor([True, False, True, False])
    codebook.counts.fill_(3)
    codebook.cover(h, unused)
    assert torch.equal(codebook.codes[~unused], before[~unused])
    assert codebook.counts.tolist() == [0, 3, 0, 3]
    rows = {tuple(r) for r in h.reshape(-1, 2).tolist()}
    assert {tuple(r) for r in codebook.codes[unused].tolist()} <= rows


def test_a_symbol_encoder_starts_with_its_codes_on_the_data():
    model = vae(lambda: Codebook(K, 2))
    h = model.encoder.numbers(X).detach().reshape(-1, 2)
    assert (torch.cdist(model.encoder.alphabet.codes, h).amin(1) < 1e-6).all()
    assert torch.equal(model.encode(X).h, model.encoder.numbers(X))


def test_convolutions_give_symbols_too():
    letters = Codebook(8, 3)
    encoder = SymbolEncoder((1, 8, 8), [4, 4], 5, letters)
    decoder = BernoulliDecoder((5, 3), [4, 4], (1, 8, 8))
    model = VAE(SymbolPrior(letters, 5), encoder, decoder)
    assert model(torch.rand(2, 3, 1, 8, 8)).mean.shape == (2, 3, 1, 8, 8)


def test_one_hot_bounds_are_those_of_enumeration():
    model = vae(lambda: OneHots(K))
    with torch.no_grad():
        exact = elbo_by_enumeration(model, X)
        sampled = seeded(elbo, model, X, samples=3000)
    assert (exact - sampled).abs().max() < 0.2
    assert abs(float((exact - sampled).mean())) < 0.02


test_no_divergence_is_made_up_for_a_gradient_that_would_be_wrong = refused(
    (lambda: elbo_relaxed(vae(lambda: OneHots(K), AutoregressivePrior), X), "score_function"),
    error=NotImplementedError,
)
test_alphabets_and_priors_that_cannot_be_are_refused = refused(
    (lambda: OneHots(1), "size must be .* at least 2"),
    (lambda: Codebook(0, 2), "size must be"),
    (lambda: FiniteScalars([3, 2]), "at least 3"),
    (lambda: FiniteScalars([]), "coordinates must be"),
    (lambda: Codebook(4, 2).cover(torch.zeros(0, 2)), "rows of h must be"),
    (lambda: SymbolPrior(OneHots(4), 0), "symbols must be"),
    (lambda: AutoregressivePrior(OneHots(4), 1), "symbols must be .* at least 2"),
    (lambda: Codebook(4, 2).cover(torch.zeros(3, 5)), r"h must have shape \(..., 2\)"),
    (lambda: Averaging([], 0.1, Codebook(4, 2), decay=0), "decay must be above 0"),
    (lambda: Averaging([X.clone()], 0.1, Codebook(4, 2)), "not among the parameters"),
    (lambda: log_evidence(vae(lambda: Codebook(K, 2)), X, 9), "Quantised is certain of one z"),
    (lambda: PseudoInputs(vae(lambda: Codebook(K, 2)).encoder, X)(), "parts with a density"),
    (lambda: vector_quantiser(torch.zeros(2, 2), torch.zeros(2)), "h of width 2 does not go"),
)
