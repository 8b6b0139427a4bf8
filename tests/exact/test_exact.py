import math

import pytest
import torch
from torch.distributions import Independent, Laplace, MultivariateNormal, OneHotCategorical

from vaelib.checks import check, check_bound
from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import Discrete, LinearGaussian, elbo_by_enumeration, gauss_hermite
from vaelib.models import Model
from vaelib.objectives import log_joint

BATCHES = pytest.mark.parametrize("batch", [(), (4,), (2, 3)], ids=str)
SIZES = pytest.mark.parametrize(("latent", "observed"), [(1, 1), (1, 4), (2, 3), (2, 2), (3, 2)])


def linear(latent, observed, sigma=0.6):
    return LinearGaussian(
        torch.randn(observed, latent).double(), torch.randn(observed).double(), sigma
    )


@BATCHES
@SIZES
def test_linear_evidence_is_the_dense_normals(latent, observed, batch):
    model, x = linear(latent, observed), torch.randn(*batch, observed).double()
    covariance = model.W @ model.W.T + 0.36 * torch.eye(observed).double()
    dense = MultivariateNormal(model.b, covariance).log_prob(x)
    check("eq-evidence", dense=dense, here=model.log_evidence(x))


@BATCHES
@SIZES
def test_linear_posterior_is_bayes(latent, observed, batch):
    model, x = linear(latent, observed), torch.randn(*batch, observed).double()
    z = torch.randn(5, *batch, latent).double()
    bayes = log_joint(model, x, z) - model.log_evidence(x)
    check("eq-posterior", bayes=bayes, here=model.encode(x).log_prob(z))


def test_linear_model_takes_a_learned_sigma():
    W, b = torch.randn(3, 2).double(), torch.zeros(3).double()
    sigma, x = torch.tensor(0.6).double().requires_grad_(), torch.randn(4, 3).double()
    assert torch.autograd.gradcheck(lambda s: LinearGaussian(W, b, s).log_evidence(x), (sigma,))


def decode(logits):
    return lambda z: bernoulli(z @ logits)


PROBS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
LOGITS = torch.tensor([[1.0, -2.0], [0.5, 0.3], [-3.0, 2.0]]).double()


@BATCHES
def test_discrete_evidence_and_posterior_are_hand_sums(batch):
    model = Discrete(PROBS, decode(LOGITS))
    x = torch.randint(0, 2, (*batch, 2)).double()
    white = 1 / (1 + (-LOGITS).exp())
    joint = torch.stack(
        [PROBS[k] * (white[k] ** x * (1 - white[k]) ** (1 - x)).prod(-1) for k in range(3)], -1
    )
    check("eq-evidence", by_hand=joint.sum(-1).log(), here=model.log_evidence(x))
    posterior = model.encode(x).probs
    check("eq-posterior", by_hand=joint / joint.sum(-1, keepdim=True), here=posterior)
    check("eq-posterior", one=torch.ones(batch), sum=posterior.sum(-1))


def test_a_value_without_prior_probability_adds_nothing():
    x = torch.tensor([0.0, 1.0]).double()
    probs = torch.tensor([0.4, 0.6, 0.0]).double()
    with_zero = Discrete(probs, decode(LOGITS)).log_evidence(x)
    without = Discrete(probs[:2], decode(LOGITS[:2])).log_evidence(x)
    check("eq-evidence", tolerance=1e-6, with_zero=with_zero, without=without)


def test_discrete_evidence_adds_up_to_one_over_all_data():
    every_x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 2)
    total = Discrete(PROBS, decode(LOGITS)).log_evidence(every_x).exp().sum()
    check("eq-evidence", sum=total, one=1.0)


def elbo_of(logits, x, q_logits, probs=PROBS):
    model = Model(
        OneHotCategorical(probs), decode(logits), lambda x: OneHotCategorical(logits=q_logits)
    )
    return elbo_by_enumeration(model, x)


def test_enumerated_elbo_is_a_hand_sum():
    x, q_logits = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).double(), torch.randn(2, 3).double()
    q = q_logits.exp() / q_logits.exp().sum(-1, keepdim=True)
    white = 1 / (1 + (-LOGITS).exp())
    by_hand = torch.zeros(2).double()
    for k in range(3):
        joint = PROBS[k] * (white[k] ** x * (1 - white[k]) ** (1 - x)).prod(-1)
        by_hand += q[:, k] * (joint / q[:, k]).log()
    check("eq-elbo", by_hand=by_hand, here=elbo_of(LOGITS, x, q_logits))


@BATCHES
def test_enumerated_elbo_is_below_the_evidence_and_reaches_it_at_the_posterior(batch):
    model = Discrete(PROBS, decode(LOGITS))
    x = torch.randint(0, 2, (*batch, 2)).double()
    evidence = model.log_evidence(x)
    below = elbo_of(LOGITS, x, torch.randn(*batch, 3).double())
    check_bound("eq-elbo", lower={"elbo": below}, upper={"evidence": evidence})
    check("eq-elbo", at_posterior=elbo_by_enumeration(model, x), evidence=evidence)


def test_enumerated_elbo_has_the_gradients_of_finite_differences():
    x = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).double()
    leaves = (LOGITS.clone().requires_grad_(), torch.randn(2, 3).double().requires_grad_())
    assert torch.autograd.gradcheck(lambda logits, q: elbo_of(logits, x, q), leaves)


def test_a_value_that_q_excludes_adds_nothing():
    x = torch.tensor([0.0, 1.0]).double()
    q = torch.tensor([0.0, -torch.inf, 1.0]).double()
    kept = torch.tensor([0, 2])
    small = elbo_of(LOGITS[kept], x, q[kept], PROBS[kept] / 0.5)
    check("eq-elbo", with_zero=elbo_of(LOGITS, x, q), without=small + math.log(0.5))


def test_enumerated_elbo_is_the_mean_of_its_samples():
    x, q_logits = torch.tensor([0.0, 1.0]).double(), torch.tensor([0.3, -0.2, 0.5]).double()
    model, q = Discrete(PROBS, decode(LOGITS)), OneHotCategorical(logits=q_logits)
    z = q.sample((50_000,))
    samples = log_joint(model, x, z) - q.log_prob(z)
    exact = elbo_of(LOGITS, x, q_logits)
    evidence = model.log_evidence(x)
    check("eq-elbo", wrong={"evidence": evidence}, enumerated=exact, sampled=Estimate.of(samples))


@pytest.mark.parametrize("latent", [1, 2])
@BATCHES
def test_gauss_hermite_is_exact_for_polynomials(latent, batch):
    q = diagonal_normal(torch.randn(*batch, latent).double(), 0.7)
    m = q.mean[..., -1]
    fourth = m**4 + 6 * m**2 * 0.49 + 3 * 0.49**2
    first = q.mean[..., 0] if latent == 2 else 1.0

    def f(z):
        return z[..., -1] ** 4 * (z[..., 0] if latent == 2 else 1.0)

    check("eq-hermite", moments=fourth * first, here=gauss_hermite(q, f, nodes=3))


def test_gauss_hermite_with_one_node_is_the_value_at_the_mean():
    q = diagonal_normal(torch.randn(4, 2).double(), 0.7)
    here = gauss_hermite(q, lambda z: z.sin().sum(-1), nodes=1)
    check("eq-hermite", at_the_mean=q.mean.sin().sum(-1), here=here)


def test_gauss_hermite_has_thirty_two_nodes_unless_told():
    q = diagonal_normal(torch.zeros(1).double(), 3.0)
    averages = [gauss_hermite(q, lambda z: z[..., 0].abs(), **n) for n in ({}, {"nodes": 32})]
    assert averages[0] == averages[1]
    assert averages[0] != gauss_hermite(q, lambda z: z[..., 0].abs(), nodes=33)


def test_gauss_hermite_averages_and_differentiates_smooth_functions():
    mu, sigma = (
        torch.tensor([0.3, -1.0]).double(),
        torch.tensor([0.5, 0.8]).double().requires_grad_(),
    )
    value = gauss_hermite(diagonal_normal(mu, sigma), lambda z: z.sum(-1).exp())
    exact = (mu.sum() + sigma.square().sum() / 2).exp()
    check("eq-hermite", exact=exact, here=value)
    by_autograd, by_hand = torch.autograd.grad(value, sigma)[0], sigma * exact
    check("eq-hermite", by_autograd=by_autograd, by_hand=by_hand)


def normal_q(x):
    return diagonal_normal(x, 1.0)


X = torch.tensor([[0.0, 1.0]]).double()
GAUSSIAN = Model(diagonal_normal(torch.zeros(2).double(), 1.0), normal_q, normal_q)
LAPLACE = Independent(Laplace(torch.zeros(2), 1.0), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: LinearGaussian(torch.ones(2), torch.ones(2), 1.0),
            r"^W must be \(observed, latent\) and b \(observed,\), got \(2,\) and \(2,\)$",
        ),
        (
            lambda: LinearGaussian(torch.ones(2, 1), torch.ones(1), 1.0),
            r"^W must be \(observed, latent\) and b \(observed,\), got \(2, 1\) and \(1,\)$",
        ),
        (
            lambda: LinearGaussian(torch.ones(2, 1), torch.ones(2), 0.0),
            "one positive number, got 0",
        ),
        (lambda: LinearGaussian(torch.ones(2, 1), torch.ones(2), -1.0), "one positive number"),
        (
            lambda: LinearGaussian(torch.ones(2, 1), torch.ones(2), torch.ones(2)),
            "one positive number",
        ),
        (lambda: LinearGaussian(torch.ones(2, 1), torch.ones(2), math.nan), "one positive number"),
        (lambda: Discrete(PROBS / 2, decode(LOGITS)), "probs must be a vector of probabilities"),
        (lambda: Discrete(PROBS[None], decode(LOGITS)), "probs must be a vector of probabilities"),
        (lambda: Discrete(torch.tensor([1.5, -0.5]), decode(LOGITS)), "probs must be a vector"),
        (lambda: Discrete(PROBS, decode(LOGITS)).log_evidence(X / 2), "vaelib.data.binarise"),
        (lambda: elbo_of(LOGITS, X * math.nan, torch.zeros(1, 3).double()), "x must be finite"),
        (lambda: gauss_hermite(LAPLACE, torch.sin), "takes a diagonal normal"),
        (
            lambda: gauss_hermite(diagonal_normal(torch.zeros(3), 1.0), torch.sin),
            "one or two coordinates",
        ),
        (
            lambda: gauss_hermite(diagonal_normal(X, 1.0), torch.sin, 0),
            "nodes must be a whole number of at least 1, got 0",
        ),
    ],
)
def test_bad_arguments_raise_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_enumeration_refuses_a_continuous_q():
    with pytest.raises(NotImplementedError):
        elbo_by_enumeration(GAUSSIAN, X)
