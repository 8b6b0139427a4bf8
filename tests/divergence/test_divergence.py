import math
from itertools import product

import pytest
import torch
from torch import distributions as dist
from torch.distributions import (
    Beta,
    Cauchy,
    Exponential,
    Gamma,
    Gumbel,
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    Pareto,
    StudentT,
    Uniform,
)
from torch.distributions.kl import _KL_REGISTRY

from tests.cases import cases, refused
from vaelib.checks import check
from vaelib.distributions import diagonal_normal, unit_normal
from vaelib.divergence import Estimate, kl, kl_by_coordinate, kl_monte_carlo, kl_path, kl_quadrature


def t(*values):
    return torch.tensor(values, dtype=torch.float64)


PAIRS = {
    "normal": (Normal(t(1.0, -0.5), t(0.5, 2.0)), Normal(t(0.0, 0.3), t(1.0, 0.7))),
    "uniform in uniform": (Uniform(t(0.2, -1.0), t(0.9, 1.0)), Uniform(t(0.0, -4.0), t(1.0, 2.0))),
    "normal before the start": (Exponential(t(1.0)), Normal(t(-2.0), t(1.0))),
    "normal and broadcast normal": (Normal(t(1.0, 2.0), t(0.5, 0.5)), Normal(t(0.0), t(1.0))),
    "independent normals": (
        diagonal_normal(torch.randn(4, 3).double(), 0.4),
        diagonal_normal(torch.randn(3).double(), torch.tensor([1.0, 2.0, 0.5])),
    ),
    "unit normal": (
        diagonal_normal(torch.randn(4, 3).double(), torch.rand(4, 3).double() + 0.2),
        unit_normal(torch.randn(3).double()),
    ),
    "independent laplaces": (
        Independent(Laplace(torch.randn(2, 3).double(), t(0.5)), 1),
        Independent(Laplace(torch.zeros(3).double(), t(1.0)), 1),
    ),
}
pairs = pytest.mark.parametrize(("q", "p"), PAIRS.values(), ids=PAIRS)


@pairs
def test_closed_form_is_the_integral(q, p):
    check("eq-kl", tolerance=1e-9, closed_form=kl(q, p), quadrature=kl_quadrature(q, p))


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "uniform in uniform"])
def test_closed_form_is_the_sample_mean_and_not_half_of_it(name):
    q, p = PAIRS[name]
    exact = kl(q, p)
    estimate = kl_monte_carlo(q, p, 100_000)
    check("eq-kl", wrong={"half of it": exact / 2}, closed_form=exact, samples=estimate)


def test_between_uniforms_every_sample_is_the_closed_form():
    q, p = PAIRS["uniform in uniform"]
    check("eq-kl", closed_form=kl(q, p), samples=kl_monte_carlo(q, p, 10).mean)


def test_the_divergence_from_a_unit_normal_is_torchs_with_its_gradients():
    parameters = [torch.rand(3).double().requires_grad_() for _ in range(2)]
    parameters.append(torch.rand(4, 3).double().requires_grad_())
    q, p = diagonal_normal(*parameters[:2]), unit_normal(parameters[2])
    values = kl(q, p), dist.kl_divergence(q.base_dist, p.base_dist).sum(-1)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(v.sum(), parameters) for v in values))


def full_normals():
    A, sigma = torch.randn(2, 3, 3).double(), torch.tensor([0.5, 1.0, 2.0])
    full = MultivariateNormal(torch.randn(2, 3).double(), A @ A.mT + 0.5 * torch.eye(3).double())
    return full, diagonal_normal(torch.randn(3).double(), sigma)


def test_full_and_diagonal_normals_go_together():
    full, diagonal = full_normals()
    for q, p in [(full, diagonal), (diagonal, full)]:
        a = q.covariance_matrix if q is full else q.variance.diag_embed()
        b = p.covariance_matrix if p is full else p.variance.diag_embed()
        d = p.mean - q.mean
        trace = torch.linalg.solve(b, a).diagonal(dim1=-2, dim2=-1).sum(-1)
        square = (d * torch.linalg.solve(b.expand(2, 3, 3), d.unsqueeze(-1)).squeeze(-1)).sum(-1)
        by_hand = (trace + square - 3 + b.logdet() - a.logdet()) / 2
        check("eq-kl", by_hand=by_hand, exact=kl(q, p))


@cases(
    (Normal(t(0.0), t(1.0)), Uniform(t(0.0, -1.0, 0.0), t(1.0, 1.0, 2.0))),
    (Beta(t(2.0).expand(4, 1), t(3.0)), Uniform(t(-1.0, 0.5, 0.0), t(2.0, 1.0, 1.0))),
)
def test_infinite_entries_keep_the_broadcast_shape(q, p):
    values, integrals = kl(q, p), kl_quadrature(q, p)
    assert values.shape == torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    torch.testing.assert_close(values, integrals, atol=1e-9, rtol=0)


def test_quadrature_needs_no_closed_form():
    q, p = Normal(t(0.3), t(1.2)), StudentT(t(3.0))
    estimate = kl_monte_carlo(q, p, 200_000)
    exact = kl_quadrature(q, p)
    check("eq-kl", wrong={"half of it": exact / 2}, quadrature=exact, samples=estimate)


@pytest.mark.parametrize("place", [-1e4, 1e4])
@pytest.mark.parametrize("width", [1e-4, 1e4])
def test_quadrature_does_not_mind_place_and_width(place, width):
    q, p = Normal(t(place), t(width)), Normal(t(place + width), t(2 * width))
    by_hand = math.log(2) + (1 + 1) / 8 - 0.5
    check("eq-kl", tolerance=1e-7, by_hand=t(by_hand), quadrature=kl_quadrature(q, p))


@cases(
    (Uniform(t(1e14), t(1e14 + 4)), Uniform(t(1e14 - 4), t(1e14 + 8))),  # of coarse numbers
    (Normal(t(0.3), t(1.0)), Normal(t(1e4), t(0.1))),  # of many nats
)
def test_quadrature_of_what_lies_far_out_is_as_exact_as_its_number(q, p):
    torch.testing.assert_close(kl_quadrature(q, p), kl(q, p), rtol=1e-9, atol=0)


def fixed(p):
    """To expand it would cost time and change nothing."""
    p.expand = lambda *_: pytest.fail("expanded")
    return p


def test_normals_and_what_has_its_shape_are_not_expanded():
    for normal, shape in ((diagonal_normal, (5,)), (Normal, (5, 3))):
        q, one = (fixed(normal(torch.zeros(*n, 3), torch.ones(*n, 3))) for n in ((5,), ()))
        assert kl(q, one).shape == shape
    coins, coin = (Independent(dist.Bernoulli(torch.full(n, 0.2)), 1) for n in ((5, 3), (3,)))
    assert kl(fixed(coins), coin).shape == (5,)
    assert kl(coins, fixed(coins)).shape == (5,)


@pytest.mark.parametrize("family", [Normal, Laplace, Gamma, Gumbel])
def test_quadrature_takes_parameters_that_learn(family):
    one = torch.ones(1).double().requires_grad_()
    q, p = family(2 * one, one), family(one, 2 * one)
    value = kl_quadrature(q, p)
    assert not value.requires_grad
    check("eq-kl", tolerance=1e-9, closed_form=kl(q, p), quadrature=value)


def test_quadrature_needs_no_mean_and_no_quantiles():
    q, p = Cauchy(t(0.3), t(1.2)), Cauchy(t(0.5), t(2.0))
    students = [StudentT(t(1.0), cauchy.loc, cauchy.scale) for cauchy in (q, p)]
    check("eq-kl", closed_form=kl(q, p), quadrature=kl_quadrature(*students))


def between(low, high):
    return low + (high - low) * torch.rand(10).double()


def draws_of_a_uniform():
    low = between(-1.0, 1.0)
    return Uniform(low, low + between(0.3, 3.0))


FAMILIES = {
    "Beta": lambda: Beta(between(0.5, 5.0), between(0.5, 5.0)),
    "Cauchy": lambda: Cauchy(between(-1.0, 1.0), between(0.3, 3.0)),
    "ContinuousBernoulli": lambda: dist.ContinuousBernoulli(between(0.02, 0.98)),
    "Exponential": lambda: Exponential(between(0.3, 3.0)),
    "Gamma": lambda: Gamma(between(0.5, 5.0), between(0.3, 3.0)),
    "Gumbel": lambda: Gumbel(between(-1.0, 1.0), between(0.3, 3.0)),
    "HalfNormal": lambda: dist.HalfNormal(between(0.3, 3.0)),
    "Laplace": lambda: Laplace(between(-1.0, 1.0), between(0.3, 3.0)),
    "Normal": lambda: Normal(between(-1.0, 1.0), between(0.3, 3.0)),
    "Pareto": lambda: Pareto(between(0.3, 3.0), between(2.2, 5.0)),
    "TransformedDistribution": lambda: dist.LogNormal(between(-1.0, 1.0), between(0.3, 3.0)),
    "Uniform": draws_of_a_uniform,
}
REGISTERED = sorted(
    {(q.__name__, p.__name__) for q, p in _KL_REGISTRY} & {*product(FAMILIES, FAMILIES)}
)


@pytest.mark.parametrize(("q", "p"), REGISTERED)
def test_every_registered_pair_agrees_with_torch(q, p):
    q, p = FAMILIES[q](), FAMILIES[p]()
    torch.testing.assert_close(kl_quadrature(q, p), kl(q, p), rtol=1e-11, atol=1e-11)


HARD = {
    "infinite at both ends": (Beta(t(0.2, 0.5), t(0.3, 0.5)), Beta(t(0.5, 0.4), t(2.0, 0.3))),
    "infinite at zero": (Gamma(t(0.2), t(1.0)), Gamma(t(0.5), t(2.0))),
    "one support": (Beta(t(0.5), t(0.5)), Uniform(t(0.0), t(1.0))),
    "one edge": (Pareto(t(0.7), t(0.5)), Pareto(t(0.7), t(3.0))),
    "barely a mean": (Pareto(t(1.0), t(1.1)), Exponential(t(1.0))),
    "barely a variance": (Pareto(t(1.0), t(2.1)), Normal(t(0.0), t(1.0))),
    "no mean": (dist.InverseGamma(t(0.5), t(1.0)), dist.InverseGamma(t(2.0), t(1.0))),
    "far wider": (Gamma(t(2.0), t(1e8)), Gamma(t(3.0), t(1.0))),
    "far away": (Normal(t(0.0), t(1.0)), Laplace(t(20.0), t(0.01))),
    "almost flat": (dist.ContinuousBernoulli(t(0.4995)), Normal(t(0.0), t(1.0))),
}


@pytest.mark.parametrize(("q", "p"), HARD.values(), ids=HARD)
def test_quadrature_takes_singular_ends_and_heavy_tails(q, p):
    check("eq-kl", closed_form=kl(q, p), quadrature=kl_quadrature(q, p))


def test_quadrature_takes_a_p_that_is_infinite_at_both_ends():
    q, p = Uniform(t(0.0), t(1.0)), Beta(t(0.5), t(0.5))  # torch 2.6 has no number
    check("eq-kl", by_hand=t(math.log(math.pi) - 1), quadrature=kl_quadrature(q, p))


def test_quadrature_finds_both_modes():
    weights, means, widths = t(0.3, 0.7), t(-5.0, 5.0), t(0.1, 0.5)
    q = dist.MixtureSameFamily(dist.Categorical(weights), Normal(means, widths))
    p = Normal(t(0.0).squeeze(), t(5.0).squeeze())
    apart = (weights * (weights.log() + kl(Normal(means, widths), p))).sum()
    check("eq-kl", modes_apart=apart, quadrature=kl_quadrature(q, p))


def test_quadrature_refines_its_steps():
    q = Normal(t(0.0).squeeze(), t(2.0).squeeze())
    p = dist.MixtureSameFamily(dist.Categorical(t(0.3, 0.7)), Normal(t(-2.0, 2.0), t(0.3, 0.5)))

    z = torch.linspace(-30, 30, 200_001, dtype=torch.float64)
    values = q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z))
    check("eq-kl", sums=torch.trapezoid(values, z), quadrature=kl_quadrature(q, p))


@cases(
    (Normal(t(0.0), t(1.0)), Uniform(t(-9.0), t(9.0))),
    (Uniform(t(0.0), t(2.0)), Uniform(t(0.0), t(1.0))),
    (Uniform(t(-0.1), t(0.5)), Gamma(t(2.0), t(1.0))),
    (Beta(t(0.5), t(0.5)), Pareto(t(0.5), t(1.0))),
    (Laplace(t(0.0), t(1.0)), Exponential(t(1.0))),
)
def test_the_divergence_is_infinite_where_q_leaves_the_support_of_p(q, p):
    torch.testing.assert_close(kl_quadrature(q, p), t(math.inf))


LOW_AND_LONG = dist.TransformedDistribution(Exponential(t(1.0)), [dist.AffineTransform(1.0, 1.0)])
NEEDLE = dist.MixtureSameFamily(dist.Categorical(t(0.9, 0.1)), Normal(t(0.0, 99.0), t(1.0, 1e-6)))
TWO_EXPONENTIALS = dist.MixtureSameFamily(dist.Categorical(t(0.5, 0.5)), Exponential(t(1.0, 2.0)))


DIVERGENT = {
    "heavy tails": (Cauchy(t(0.0), t(1.0)), Normal(t(0.0), t(1.0))),
    "heavy tails and a kink": (Cauchy(t(0.0), t(1.0)), Laplace(t(0.0), t(1.0))),
    "just infinite": (StudentT(t(2.0)), Normal(t(0.0), t(1.0))),
    "just infinite on one side": (Pareto(t(1.0), t(1.0)), Exponential(t(1.0))),
    "infinite at an end": (Uniform(t(0.0), t(1.0)), dist.InverseGamma(t(1.0), t(1.0))),
    "finite beyond float64": (Pareto(t(1.0), t(1.065)), Exponential(t(1.0))),
    "a needle": (NEEDLE, Normal(t(0.0).squeeze(), t(50.0).squeeze())),
    "q hides its support": (LOW_AND_LONG, Gamma(t(2.0), t(1.0))),
}


@pytest.mark.parametrize(("q", "p"), DIVERGENT.values(), ids=DIVERGENT)
def test_what_does_not_converge_is_not_called_a_number(q, p):
    pair = rf"KL\({type(q).__name__} ‖ {type(p).__name__}\)"
    with pytest.raises(RuntimeError, match=f"^the integral for {pair} did not converge; it may"):
        kl_quadrature(q, p)


def test_a_p_that_hides_its_support_gives_no_number():
    q = Normal(t(0.0), t(1.0))
    if hasattr(TWO_EXPONENTIALS.support, "lower_bound"):  # torch 2.6 tells it
        assert kl_quadrature(q, TWO_EXPONENTIALS) == math.inf
        return
    with pytest.raises(RuntimeError, match=r"KL\(Normal ‖ MixtureSameFamily\) did not converge"):
        kl_quadrature(q, TWO_EXPONENTIALS)


@pytest.mark.parametrize("family", [Normal, Gamma, Beta, Gumbel, dist.LogNormal, Pareto])
def test_single_precision_is_no_excuse(family):
    single = [torch.tensor([value]) for value in (0.7, 0.3, 0.6, 0.9)]
    q, p = family(*single[:2]), family(*single[2:])
    double = [value.double() for value in single]
    closed_form = kl(family(*double[:2]), family(*double[2:]))
    check("eq-kl", closed_form=closed_form, quadrature=kl_quadrature(q, p))
    assert (q.sample().dtype, kl_quadrature(q, p).dtype) == (torch.float32, torch.float64)


def test_quadrature_leaves_the_random_numbers_alone_and_samples_leave_no_graph():
    before, mu = torch.get_rng_state(), torch.zeros(2, requires_grad=True)
    kl_quadrature(Gamma(t(2.0), t(1.0)), Gamma(t(1.0), t(1.0)))
    assert torch.equal(before, torch.get_rng_state())
    assert not kl_monte_carlo(Normal(mu, 1.0), Normal(0.0, 1.0), 5).mean.requires_grad


def test_estimate_is_the_mean_and_its_standard_error():
    values = torch.randn(7, 3, 2).double() * torch.tensor([1.0, 5.0])
    estimate = Estimate.of(values)
    torch.testing.assert_close(estimate.mean, values.sum(0) / 7)
    squares = (values - values.sum(0) / 7).square().sum(0)
    torch.testing.assert_close(estimate.standard_error, (squares / 6 / 7).sqrt())


@pytest.mark.filterwarnings("error")
def test_an_average_over_examples_has_two_errors_of_which_neither_stands_for_the_other():
    means, errors = torch.randn(9).double(), torch.rand(9).double()
    average = Estimate(means, errors).average()
    over_examples = ((means - means.sum() / 9).square().sum() / 8 / 9).sqrt()
    expected = [means.sum() / 9, over_examples, errors.square().sum().sqrt() / 9]
    torch.testing.assert_close(torch.stack(average), torch.stack(expected))
    mean, over_examples, sampling = Estimate(torch.tensor([-3.0]), torch.tensor([0.25])).average()
    assert (float(mean), float(sampling)) == (-3.0, 0.25)
    assert over_examples.isnan()  # of one
    two = Estimate(torch.tensor([-3.0, -1.0]), torch.zeros(2)).average()
    assert two.over_examples == 1


ONE, ROW, COIN = Normal(0.0, 1.0), diagonal_normal(torch.zeros(2), 1.0), dist.Bernoulli(0.5)
COINS = Independent(dist.Bernoulli(torch.zeros(2)), 1)


test_bad_arguments_raise_by_name = refused(
    (lambda: kl(ONE, ROW), r"^q and p must have one event shape, got \(\) and \(2,\)$"),
    (lambda: kl_monte_carlo(ONE, ROW, 5), "one event"),
    (lambda: kl_quadrature(ONE, ROW), "one event"),
    (lambda: kl_quadrature(*full_normals()), "one-dimensional distributions, got Multiv"),
    (lambda: kl_quadrature(COIN, COIN), "densities, got Bernoulli"),
    (lambda: kl_quadrature(ONE, COIN), "densities, got Bernoulli"),
    (lambda: kl_monte_carlo(ONE, ONE, 1), "at least 2, got 1"),
    (lambda: Estimate.of(torch.zeros(1, 3)), r"at least two values, got \(1, 3\)"),
    (lambda: Estimate.of(torch.tensor(0.0)), "at least two values"),
)


WAY_OUT = "use kl='sampled' in an objective, or kl_monte_carlo or kl_quadrature"


test_no_closed_form_names_the_way_out = refused(
    (lambda: kl(ONE, StudentT(3.0)), f"between Normal and StudentT: {WAY_OUT}$"),
    (lambda: kl(COINS, ROW), rf"Independent\(Bernoulli\) and Independent\(Normal\): {WAY_OUT}$"),
    error=NotImplementedError,
)


def test_the_divergence_by_coordinate_is_that_of_each_coordinate_alone():
    q, p = diagonal_normal(torch.randn(4, 3).double(), 0.5), diagonal_normal(t(0.0, 1.0, 2.0), 2.0)
    each = kl_by_coordinate(q, p)
    assert each.shape == (4, 3)
    alone = kl_quadrature(Normal(q.mean, q.stddev), Normal(p.mean.expand(4, 3), 2.0))
    torch.testing.assert_close(each, alone, atol=1e-9, rtol=0)
    torch.testing.assert_close(each.sum(-1), kl(q, p))


TWO = MultivariateNormal(torch.zeros(2, 2), torch.eye(2))


@cases(
    (Normal(t(0.0, 0.0), 1.0), "Normal"),
    (MultivariateNormal(t(0.0, 0.0), torch.eye(2).double()), "MultivariateNormal"),
    (Independent(TWO, 1), r"Independent\(MultivariateNormal\)"),
)
def test_coordinates_that_are_not_independent_have_no_divergence_of_their_own(q, name):
    with pytest.raises(ValueError, match=f"^the coordinates of {name} are not independent"):
        kl_by_coordinate(q, q)


Z = torch.arange(-15, 15, 0.02).double()


@pytest.mark.parametrize("constant", [0.0, -300.0])
def test_the_path_between_two_normals_whatever_the_constant(constant):
    q, p = Normal(t(0.5, -1.0), 0.7), Normal(t(0.2).squeeze(), 1.3)
    log_q = torch.stack([Normal(mu, 0.7).log_prob(Z) for mu in q.mean])
    found = kl_path(log_q, p.log_prob(Z) - log_q + constant, 64)
    torch.testing.assert_close(found, kl(q, p))


def test_the_path_of_a_discrete_pair_is_no_grid_at_all():
    q, p = torch.randn(2, 7, 5).double().softmax(-1)
    known = (q * (q / p).log()).sum(-1)
    torch.testing.assert_close(kl_path(q.log(), (p / q).log(), 48), known)


def test_the_path_has_thirty_two_nodes_unless_told_and_two_are_not_enough():
    q, p = Normal(0.0, 0.3), Normal(1.0, 0.9)
    log_q = q.log_prob(Z)
    assert abs(kl_path(log_q, p.log_prob(Z) - log_q, 2) - kl(q, p)) > 1e-4
    log_q, log_w = torch.randn(2, 40).double()
    assert torch.equal(kl_path(log_q, 9 * log_w), kl_path(log_q, 9 * log_w, 32))
    assert not torch.equal(kl_path(log_q, 9 * log_w), kl_path(log_q, 9 * log_w, 33))


INFINITE = torch.tensor([0.0, -torch.inf, 0.0])
test_what_is_no_path_is_named = refused(
    (lambda: kl_path(torch.zeros(3), torch.zeros(2, 3)), "must match"),
    (
        lambda: kl_path(torch.zeros(3), INFINITE),
        "^log_w must be finite: where only p is zero, KL i",
    ),
    (lambda: kl_path(torch.zeros(3), torch.zeros(3), 0), "nodes must be"),
)
