import math
from functools import partial

import pytest
import scipy.stats
import torch
from torch.distributions import Bernoulli, Gumbel, Independent, Laplace, Normal, StudentT

from tests.cases import cases, refused, seeded
from vaelib.checks import check
from vaelib.distributions import Symbols, bernoulli
from vaelib.divergence import Estimate, kl
from vaelib.exact import elbo_by_enumeration
from vaelib.gradients import (
    elbo_relaxed,
    elbo_score_function,
    elbo_straight_through,
    location_scale,
    pathwise,
    score_function,
)
from vaelib.models import Model

SAMPLES = 100_000


def normal(phi):
    """φ = (mu, log sigma)."""
    return Normal(phi[..., 0], phi[..., 1].exp())


def row_of_normals(phi):
    return Independent(Normal(phi[..., 0, :], phi[..., 1, :].exp()), 1)


EXACT = {
    "square": (lambda z: z**2, lambda mu, var: mu**2 + var),
    "exponential": (lambda z: z.exp(), lambda mu, var: (mu + var / 2).exp()),
    "sine": (lambda z: z.sin(), lambda mu, var: mu.sin() * (-var / 2).exp()),
}
functions = pytest.mark.parametrize(("f", "mean"), EXACT.values(), ids=EXACT)
PHI = torch.tensor([0.7, -0.5]).double()


def gradient(mean, phi):
    """∇ E f from the closed form of E f."""
    phi = phi.clone().requires_grad_()
    value = mean(phi[..., 0], (2 * phi[..., 1]).exp())
    return torch.autograd.grad(value.sum(), phi)[0]


ESTIMATORS = {
    "pathwise": pathwise,
    "score function": score_function,
    "with baseline": lambda *args: score_function(*args, baseline=True),
}
estimators = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


@functions
@estimators
def test_estimators_have_the_exact_gradient_as_mean(estimator, f, mean):
    exact = gradient(mean, PHI)
    rows = estimator(normal, PHI, f, SAMPLES)
    assert rows.shape == (SAMPLES, 2)
    check("eq-gradient", wrong={"descent": -exact}, exact=exact, estimate=Estimate.of(rows))


@estimators
def test_estimators_take_parameters_of_any_shape(estimator):
    phi = torch.tensor([[0.3, -0.4, 0.1], [-1.0, -0.7, -0.9]]).double()
    leaf = phi.clone().requires_grad_()
    (leaf[0] + (2 * leaf[1]).exp() / 2).sum().exp().backward()
    rows = estimator(row_of_normals, phi, lambda z: z.sum(-1).exp(), SAMPLES)
    assert rows.shape == (SAMPLES, 2, 3)
    exact = leaf.grad
    check("eq-gradient", wrong={"descent": -exact}, exact=exact, estimate=Estimate.of(rows))


@pytest.mark.parametrize("baseline", [False, True])
def test_score_function_differentiates_through_coin_flips(baseline):
    def coins(phi):
        return Independent(Bernoulli(logits=phi), 1)

    def f(z):
        return (z @ torch.tensor([1.0, 2.0, -4.0]).double()).square()

    phi = torch.tensor([0.5, -1.0, 0.2]).double().requires_grad_()
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 3)
    probability = phi.sigmoid() * corners + (1 - phi.sigmoid()) * (1 - corners)
    exact = torch.autograd.grad((probability.prod(-1) * f(corners)).sum(), phi)[0]
    rows = score_function(coins, phi, f, SAMPLES, baseline)
    check("eq-gradient", wrong={"descent": -exact}, exact=exact, estimate=Estimate.of(rows))


def test_score_function_takes_a_joint_over_several_coordinates():
    phi = torch.tensor([0.4, -0.3]).double()
    rows = score_function(lambda p: Normal(p, 1.0), phi, lambda z: z.sum(-1), SAMPLES)
    exact = torch.ones(2).double()
    check("eq-gradient", wrong={"twice": 2 * exact}, exact=exact, estimate=Estimate.of(rows))


def test_the_baseline_lowers_the_variance():
    how = normal, PHI, lambda z: z**2 + 5, 10_000
    plain, baseline = (score_function(*how, baseline) for baseline in (False, True))
    assert (baseline.var(0) < plain.var(0) / 4).all()


def test_the_baseline_is_unbiased_with_two_samples():
    exact = torch.ones(1).double()
    pair = partial(score_function, lambda phi: Normal(phi, 1.0), exact, lambda z: z[:, 0], 2, True)
    means = torch.stack([pair().mean(0) for _ in range(1000)])
    wrong = {"a baseline with the sample itself": exact / 2}
    check("eq-baseline", wrong=wrong, exact=exact, estimate=Estimate.of(means))


@pytest.mark.parametrize("samples", [2, 5])
def test_the_baseline_takes_away_a_constant(samples):
    rows = score_function(normal, PHI, lambda z: 0 * z + 7, samples, baseline=True)
    assert rows.abs().max() < 1e-12


def test_the_parameters_are_left_alone():
    phi = PHI.clone().requires_grad_()
    pathwise(normal, phi, torch.sin, 3)
    score_function(normal, phi, torch.sin, 3)
    assert phi.grad is None
    torch.testing.assert_close(phi.detach(), PHI)


MU, SIGMA = torch.tensor([0.5, -2.0]).double(), torch.tensor([0.7, 3.0]).double()
FAMILIES = {
    "laplace": (Laplace, (), scipy.stats.laplace),
    "normal": (Normal, (), scipy.stats.norm),
    "student": (StudentT, (5.0,), scipy.stats.t(5)),
    "gumbel": (Gumbel, (), scipy.stats.gumbel_r),
}


@pytest.mark.parametrize(("family", "shape", "reference"), FAMILIES.values(), ids=FAMILIES)
def test_location_scale_has_the_density_of_its_family(family, shape, reference):
    noise = family(*(torch.tensor(v).double() for v in (*shape, 0.0, 1.0)))
    q = location_scale(noise, MU, SIGMA)
    z = torch.linspace(-4, 4, 41).double()[:, None]
    by_scipy = torch.as_tensor(reference.logpdf((z - MU) / SIGMA)) - SIGMA.log()
    check("eq-location-scale", scipy=by_scipy, here=q.log_prob(z))
    for i, sample in enumerate(q.rsample((4000,)).T.numpy()):
        standard = (sample - MU[i].item()) / SIGMA[i].item()
        assert scipy.stats.kstest(standard, reference.cdf).pvalue > 1e-3


def test_location_scale_samples_have_the_derivatives_of_finite_differences():
    def sample(mu, sigma):
        torch.manual_seed(3)
        return location_scale(Laplace(torch.tensor(0.0).double(), 1.0), mu, sigma).rsample((4,))

    torch.autograd.gradcheck(sample, (MU.clone().requires_grad_(), SIGMA.clone().requires_grad_()))


test_bad_arguments_raise_by_name = refused(
    (lambda: pathwise(lambda p: Bernoulli(logits=p), PHI[0], torch.sin, 3), "has no rsample"),
    (lambda: pathwise(normal, PHI, torch.sum, 3), r"shape \(3,\), got \(\)"),
    (lambda: score_function(normal, PHI, torch.sum, 3), r"shape \(3,\), got \(\)"),
    (lambda: pathwise(normal, PHI, torch.sin, 0), "at least 1, got 0"),
    (lambda: score_function(normal, PHI, torch.sin, 1, True), "at least two samples, got 1"),
    (lambda: location_scale(Normal(0.0, 1.0), MU, -SIGMA), "sigma must be positive"),
    (lambda: location_scale(Normal(0.0, 1.0), MU, 0 * SIGMA), "sigma must be positive"),
    (lambda: location_scale(Normal(0.0, 1.0), MU, SIGMA * math.nan), "sigma must be positive"),
    (lambda: location_scale(Normal(0.0, 1.0), MU, MU), "sigma must be positive, got .* -2"),
)


def test_one_sample_is_enough_without_a_baseline():
    assert pathwise(normal, PHI, torch.sin, 1).shape == (1, 2)
    assert score_function(normal, PHI, torch.sin, 1).shape == (1, 2)
    assert score_function(normal, PHI, torch.sin, 2, True).shape == (2, 2)


def one_hot_model():
    """Two symbols of three, a decoder that is no sum over them, and what q's parameters are."""
    g = torch.Generator().manual_seed(5)
    inner, outer, shift = (torch.randn(6, n, generator=g).double() for n in (8, 5, 5))
    phi = torch.randn(2, 3, generator=g).double().requires_grad_()
    theta = outer[:5].T.clone().requires_grad_()

    def decode(z):
        return bernoulli((z.flatten(-2) @ inner).tanh() @ torch.cat([theta, theta[:3]]) + shift[0])

    prior = Symbols(torch.zeros(2, 3).double())
    return Model(prior, decode, lambda x: Symbols(phi.expand(*x.shape[:-1], 2, 3))), phi, theta


MODEL, PHI_OF_Q, THETA = one_hot_model()
PIXELS = torch.tensor([[1.0, 0.0, 1.0, 1.0, 0.0]]).double()
DRAWS = 60_000


def value_and_slopes(name):
    """Of each of many draws: the value, and the gradient of q's logits by copies of them."""
    x = PIXELS.expand(DRAWS, 5)
    copies = PHI_OF_Q.detach().expand(DRAWS, 2, 3).clone().requires_grad_()
    model = Model(MODEL.prior, MODEL.decode, lambda x: Symbols(copies))
    f = {
        "score": partial(elbo_score_function, samples=2),
        "score 5": partial(elbo_score_function, samples=5),
        "straight": elbo_straight_through,
        "relaxed": partial(elbo_relaxed, temperature=0.7, samples=2),
    }[name]
    value = seeded(f, model, x)
    return value.detach(), torch.autograd.grad(value.sum(), (copies, THETA))


def exact_bound():
    value = elbo_by_enumeration(MODEL, PIXELS)
    return value.detach(), torch.autograd.grad(value.sum(), (PHI_OF_Q, THETA))


@cases("score", "score 5")
def test_the_score_objective_has_the_bound_and_its_gradient_as_mean(name):
    bound, (to_phi, to_theta) = exact_bound()
    value, (slopes, sum_theta) = value_and_slopes(name)
    check(
        "eq-value", exact=bound[0], drawn=Estimate.of(value), wrong={"0.05 more": bound[0] + 0.05}
    )
    check("eq-slope", exact=to_phi, drawn=Estimate.of(slopes), wrong={"0": to_phi + 0.1})
    torch.testing.assert_close(sum_theta / DRAWS, to_theta, atol=0.02, rtol=0)


def test_the_score_objective_samples_the_divergence_of_symbols_that_depend_on_one_another():
    g = torch.Generator().manual_seed(1)
    first, second = (torch.randn(n, 3, generator=g).double().log_softmax(-1) for n in (1, 3))

    class Ordered(Symbols):
        rounds = 2

        def expand(self, batch_shape, _instance=None):
            return self

        def conditional(self, k):
            return torch.stack([first[0].expand(*k.shape[:-1], 3), second[k[..., 0]]], -2)

    prior = Ordered(torch.zeros(2, 3).double())
    copies = PHI_OF_Q.detach().expand(DRAWS, 2, 3).clone().requires_grad_()
    model = Model(prior, MODEL.decode, lambda x: Symbols(copies))
    value = seeded(elbo_score_function, model, PIXELS.expand(DRAWS, 5))
    (slopes,) = torch.autograd.grad(value.sum(), copies)
    exact = elbo_by_enumeration(Model(prior, MODEL.decode, MODEL.encode), PIXELS)
    (to_phi,) = torch.autograd.grad(exact.sum(), PHI_OF_Q)
    bound = exact.detach()[0]
    drawn = Estimate.of(value.detach())
    check("eq-value", exact=bound, drawn=drawn, wrong={"0.05 more": bound + 0.05})
    check("eq-slope", exact=to_phi, drawn=Estimate.of(slopes), wrong={"0.1": to_phi + 0.1})


def test_straight_through_has_the_bound_as_mean_and_the_slope_of_the_probabilities():
    bound, (to_phi, to_theta) = exact_bound()
    value, (slopes, sum_theta) = value_and_slopes("straight")
    check(
        "eq-value", exact=bound[0], drawn=Estimate.of(value), wrong={"0.05 more": bound[0] + 0.05}
    )
    torch.testing.assert_close(sum_theta / DRAWS, to_theta, atol=0.02, rtol=0)
    q = Symbols(PHI_OF_Q)
    z = q.enumerate_support().detach().requires_grad_()
    log_p = MODEL.decode(z).log_prob(PIXELS)
    (to_z,) = torch.autograd.grad(log_p.sum(), z)
    mean_slope = (q.log_prob(z).exp()[:, None, None] * to_z).sum(0).detach()
    by_hand = (q.mean * mean_slope).sum() - kl(q, MODEL.prior)
    (expected,) = torch.autograd.grad(by_hand, PHI_OF_Q)
    assert (expected - to_phi).abs().max() > 0.02  # biased
    check("eq-slope", exact=expected, drawn=Estimate.of(slopes), wrong={"0.1": expected + 0.1})


def test_the_relaxed_objective_is_another_value_whose_gradient_it_has():
    bound, _ = exact_bound()
    value, (slopes, _) = value_and_slopes("relaxed")
    found = Estimate.of(value)
    assert abs(found.mean - bound[0]) > 10 * found.standard_error
    h, moved = 1e-3, torch.zeros(2, 3).double()
    moved[0, 1] = h
    at = [
        Model(
            MODEL.prior,
            MODEL.decode,
            lambda x, s=s: Symbols((PHI_OF_Q + s * moved).expand(DRAWS, 2, 3)),
        )
        for s in (1, -1)
    ]
    up, down = (seeded(elbo_relaxed, m, PIXELS.expand(DRAWS, 5), 0.7, 2).detach() for m in at)
    torch.testing.assert_close(
        slopes[:, 0, 1].mean(), ((up - down) / (2 * h)).mean(), atol=1e-5, rtol=0
    )
    sharp = seeded(elbo_relaxed, MODEL, PIXELS.expand(DRAWS, 5), 0.01)
    assert abs(float(sharp.detach().mean() - bound[0])) < 0.02


NORMAL = Model(MODEL.prior, MODEL.decode, lambda x: Normal(x, 1.0))
test_objectives_for_symbols_refuse_what_they_are_not_for = refused(
    (lambda: elbo_score_function(MODEL, PIXELS, 1), "samples must be .* at least 2"),
    (lambda: elbo_straight_through(MODEL, PIXELS, 0), "samples must be"),
    (lambda: elbo_relaxed(MODEL, PIXELS, 0), "temperature must be positive"),
    (lambda: elbo_straight_through(NORMAL, PIXELS), "Symbols, got Normal: use elbo"),
)
