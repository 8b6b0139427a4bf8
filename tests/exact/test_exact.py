import math

import pytest
import torch
from torch.distributions import Independent, Laplace, MultivariateNormal, OneHotCategorical

from tests.cases import refused
from tests.inference.test_hmc import linear
from vaelib.checks import check, check_bound
from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.exact import Discrete, LinearGaussian, elbo_by_enumeration, gauss_hermite
from vaelib.models import Model
from vaelib.objectives import log_joint

BATCHES = pytest.mark.parametrize("batch", [(), (4,), (2, 3)], ids=str)
SIZES = pytest.mark.parametrize(("latent", "observed"), [(1, 1), (1, 4), (2, 3), (2, 2), (3, 2)])


@BATCHES
@SIZES
def test_linear_evidence_is_the_dense_normals_and_the_posterior_bayes(latent, observed, batch):
    model, x = linear(latent, observed, 0.6), torch.randn(*batch, observed).double()
    covariance = model.W @ model.W.T + 0.36 * torch.eye(observed).double()
    dense = MultivariateNormal(model.b, covariance).log_prob(x)
    check("eq-evidence", dense=dense, here=model.log_evidence(x))
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


def joint_by_hand(x):
    white = 1 / (1 + (-LOGITS).exp())
    return PROBS * (white ** x[..., None, :] * (1 - white) ** (1 - x[..., None, :])).prod(-1)


@BATCHES
def test_discrete_evidence_and_posterior_are_hand_sums(batch):
    model = Discrete(PROBS, decode(LOGITS))
    x = torch.randint(0, 2, (*batch, 2)).double()
    joint = joint_by_hand(x)
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


def elbo_of(logits, x, q_logits, probs=PROBS):
    q = OneHotCategorical(logits=q_logits)
    return elbo_by_enumeration(Model(OneHotCategorical(probs), decode(logits), lambda x: q), x)


@BATCHES
def test_enumerated_elbo_is_a_hand_sum_below_the_evidence_which_it_reaches_at_the_posterior(batch):
    model, q_logits = Discrete(PROBS, decode(LOGITS)), torch.randn(*batch, 3).double()
    x = torch.randint(0, 2, (*batch, 2)).double()
    evidence, q = model.log_evidence(x), q_logits.softmax(-1)
    below = elbo_of(LOGITS, x, q_logits)
    check("eq-elbo", by_hand=(q * (joint_by_hand(x) / q).log()).sum(-1), here=below)
    check_bound("eq-elbo", lower={"elbo": below}, upper={"evidence": evidence})
    check("eq-elbo", at_posterior=elbo_by_enumeration(model, x), evidence=evidence)


def test_enumerated_elbo_has_the_gradients_of_finite_differences_and_no_continuous_q():
    x = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).double()
    leaves = (LOGITS.clone().requires_grad_(), torch.randn(2, 3).double().requires_grad_())
    assert torch.autograd.gradcheck(lambda logits, q: elbo_of(logits, x, q), leaves)
    with pytest.raises(NotImplementedError):
        elbo_by_enumeration(linear(2, 2), x)


def test_a_value_that_q_excludes_adds_nothing():
    x = torch.tensor([0.0, 1.0]).double()
    q = torch.tensor([0.0, -torch.inf, 1.0]).double()
    kept = torch.tensor([0, 2])
    small = elbo_of(LOGITS[kept], x, q[kept], PROBS[kept] / 0.5)
    check("eq-elbo", with_zero=elbo_of(LOGITS, x, q), without=small + math.log(0.5))


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


def test_gauss_hermite_has_thirty_two_nodes_unless_told():
    q = diagonal_normal(torch.zeros(1).double(), 3.0)
    averages = [gauss_hermite(q, lambda z: z[..., 0].abs(), **n) for n in ({}, {"nodes": 32})]
    assert averages[0] == averages[1]
    assert averages[0] != gauss_hermite(q, lambda z: z[..., 0].abs(), nodes=33)


def test_gauss_hermite_averages_and_differentiates_smooth_functions():
    mu, sigma = torch.tensor([[0.3, -1.0], [0.5, 0.8]]).double()
    sigma.requires_grad_()
    value = gauss_hermite(diagonal_normal(mu, sigma), lambda z: z.sum(-1).exp())
    exact = (mu.sum() + sigma.square().sum() / 2).exp()
    check("eq-hermite", exact=exact, here=value)
    by_autograd, by_hand = torch.autograd.grad(value, sigma)[0], sigma * exact
    check("eq-hermite", by_autograd=by_autograd, by_hand=by_hand)


X = torch.tensor([[0.0, 1.0]]).double()
LAPLACE = Independent(Laplace(torch.zeros(2), 1.0), 1)
SHAPES = r"^W must be \(observed, latent\) and b \(observed,\), got "
ONE = torch.ones(2)


def of(W=ONE[:, None], b=ONE, sigma=1.0):
    return lambda: LinearGaussian(W, b, sigma)


test_bad_arguments_raise_by_name = refused(
    (of(W=ONE), SHAPES + r"\(2,\) and \(2,\)$"),
    (of(b=ONE[:1]), SHAPES + r"\(2, 1\) and \(1,\)$"),
    (of(sigma=0.0), "one positive number, got 0"),
    (of(sigma=-1.0), "one positive number"),
    (of(sigma=ONE), "one positive number"),
    (of(sigma=math.nan), "one positive number"),
    (lambda: Discrete(PROBS / 2, decode(LOGITS)), "probs must be a vector of probabilities"),
    (lambda: Discrete(PROBS[None], decode(LOGITS)), "probs must be a vector of probabilities"),
    (lambda: Discrete(torch.tensor([1.5, -0.5]), decode(LOGITS)), "probs must be a vector"),
    (lambda: Discrete(PROBS, decode(LOGITS)).log_evidence(X / 2), "vaelib.data.binarise"),
    (lambda: elbo_of(LOGITS, X * math.nan, torch.zeros(1, 3).double()), "x must be finite"),
    (lambda: gauss_hermite(LAPLACE, torch.sin), "takes a diagonal normal"),
    (lambda: gauss_hermite(diagonal_normal(PROBS, 1.0), torch.sin), "one or two coordinates"),
    (lambda: gauss_hermite(diagonal_normal(X, 1.0), torch.sin, 0), "nodes must be .* got 0"),
)
