"""What the second head means, and what one pixel adds: against densities written by hand."""

from math import exp, expm1, log, log1p

import pytest
import torch
from scipy.special import expit
from torch.distributions import Bernoulli, Laplace, Normal
from torch.nn import functional as F

from vaelib.audit.heads import READINGS, USUAL, at_log_sigma, reading
from vaelib.audit.pixels import FITTED, HALVES, KINDS, WRONG, squares

SIGMAS = [1e-6, 0.01, 0.5, 1.0, 3.0, 19.0, 20.5, 30.0, 300.0]
HEADS = {
    "log σ²": (lambda s: 2 * log(s), "e^h", "h"),
    "log σ": (log, "e^(2h)", "2h"),
    "σ": (lambda s: s, "h²", "log h²"),
    "σ²": (lambda s: s**2, "h", "log h"),
    "softplus⁻¹ σ": (lambda s: log(expm1(s)), "softplus(h)²", "log softplus(h)²"),
}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_there_are_five_readings():
    assert [*READINGS] == [*HEADS]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_and_its_sigma_are_told_from_each_other(name):
    head, *code = HEADS[name]
    found, log_sigma = reading(name), tensor(SIGMAS).log()
    h = found.head(log_sigma)
    assert h.tolist() == pytest.approx([head(s) for s in SIGMAS], rel=1e-12)
    assert found.variance(h).tolist() == pytest.approx([s**2 for s in SIGMAS], rel=1e-9)
    log_variance = [2 * log(s) for s in SIGMAS]
    assert found.log_variance(h).tolist() == pytest.approx(log_variance, rel=1e-9, abs=1e-9)
    assert found.code == tuple(code)


@pytest.mark.parametrize("name", HEADS)
def test_a_slope_is_how_sigma_changes_with_its_head(name):
    found = reading(name)
    h = found.head(tensor(SIGMAS).log()).requires_grad_()
    (slope,) = torch.autograd.grad(found.variance(h).sqrt().sum(), h)
    at = [i for i, s in enumerate(SIGMAS) if s > 1e-6]
    assert found.slope(h)[at].tolist() == pytest.approx(slope[at].tolist(), rel=1e-8)


def test_the_slope_of_a_variance_is_finite_at_nothing():
    assert reading("σ²").slope(tensor([0.0, -1.0])).isfinite().all()


def test_a_sigma_that_overflows_its_exponential_has_a_head():
    assert reading("softplus⁻¹ σ").head(tensor([1e3, 1e6]).log()).tolist() == pytest.approx(
        [1e3, 1e6], rel=1e-12
    )


@pytest.mark.parametrize("sigma", [20.1, 22.0])
def test_a_large_sigma_is_its_head_but_for_an_exponential(sigma):
    h = reading("softplus⁻¹ σ").head(tensor([sigma]).log())
    assert h.item() == pytest.approx(sigma + log1p(-exp(-sigma)), rel=5e-15)
    assert h.item() < sigma


def test_the_usual_head_is_log_variance():
    assert USUAL == "log σ²"
    assert reading(None) is READINGS["log σ²"]
    assert all(reading(name) is each for name, each in READINGS.items())


@pytest.mark.parametrize("name", [None, *HEADS])
def test_a_head_is_made_for_one_sigma(name):
    head = HEADS[name or "log σ²"][0]
    made = at_log_sigma(name, torch.ones(2, 3), log(0.3))
    assert made.dtype == torch.float64
    assert made.tolist() == [[pytest.approx(head(0.3), rel=1e-12)] * 3] * 2


X_HAT, X = tensor([[0.1, 0.35], [0.6, 0.85]]), tensor([[0.0, 1.0], [0.3, 0.8]])
BINARY = tensor([[0.0, 1.0], [1.0, 0.0]])


def same_but_for_a_constant(found, expected):
    """The same for all x̂: rows of pixels, each column with one x."""
    return torch.allclose(found - found[0], expected - expected[0], rtol=1e-12, atol=1e-12)


def test_a_square_is_half_the_distance_squared():
    assert squares(tensor(1.0), tensor(4.0)).item() == 4.5


def continuous_bernoulli(p, x):
    return p**x * (1 - p) ** (1 - x) * 2 * torch.atanh(1 - 2 * p) / (1 - 2 * p)


LIKELIHOODS = {
    "Gaussian": lambda x_hat, x: -Normal(x_hat, 1.0).log_prob(x),
    "Bernoulli on probabilities": lambda x_hat, x: F.binary_cross_entropy(
        x_hat, x, reduction="none"
    ),
    "Bernoulli on logits": lambda x_hat, x: F.binary_cross_entropy_with_logits(
        x_hat, x, reduction="none"
    ),
    "Laplace": lambda x_hat, x: -Laplace(x_hat, 1.0).log_prob(x),
    "continuous Bernoulli": lambda x_hat, x: -continuous_bernoulli(x_hat, x).log(),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("x", [0.0, 0.3, 0.8, 1.0])
def test_a_likelihood_is_what_it_is_called(name, x):
    x_hat = tensor([0.05, 0.2, 0.45, 0.7, 0.95])
    x = torch.full_like(x_hat, x)
    assert [*KINDS] == [*LIKELIHOODS]
    assert same_but_for_a_constant(KINDS[name](x_hat, x), LIKELIHOODS[name](x_hat, x))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Bernoulli on probabilities", -Bernoulli(X_HAT).log_prob(BINARY)),
     ("Bernoulli on logits", -Bernoulli(logits=X_HAT).log_prob(BINARY)),
     ("Laplace", (X_HAT - BINARY).abs())],
)  # fmt: skip
def test_a_likelihood_of_binary_pixels_has_its_constant_too(name, expected):
    assert torch.allclose(KINDS[name](X_HAT, BINARY), expected, rtol=1e-12, atol=0)


def test_no_kind_minds_a_pixel_outside_its_range():
    for kind in KINDS.values():
        assert kind(X_HAT, X - 2).isfinite().all()


def test_the_halves_of_a_cross_entropy_are_one_for_each_value():
    ones, zeros = (half(X_HAT, BINARY) for half in HALVES)
    assert ones.tolist() == [[0, pytest.approx(-log(0.35))], [pytest.approx(-log(0.6)), 0]]
    assert zeros.tolist() == [[pytest.approx(-log(0.9)), 0], [0, pytest.approx(-log(0.15))]]


def test_what_is_no_likelihood_is_what_it_is_called():
    a, x = 0.6, 0.3
    p = expit(a)
    error = 0.5 * (X - X_HAT) ** 2
    expected = {
        "cross-entropy with x and x̂ exchanged": -a * log(x) - (1 - a) * log(1 - x),
        "squared error of a sigmoid": 0.5 * (x - p) ** 2,
        "Bernoulli on logits, a sigmoid applied twice": (
            -x * log(expit(p)) - (1 - x) * log(1 - expit(p))
        ),
        "the root of the batch's squared error": error.sum().item() ** 0.5,
        "the root of each image's squared error": [row.sum().item() ** 0.5 for row in error],
    }
    found = {n: f(X_HAT, X) if "root" in n else f(X_HAT, X)[1, 0] for n, f in WRONG.items()}
    assert {n: v.tolist() for n, v in found.items()} == {
        n: pytest.approx(v, rel=1e-12) for n, v in expected.items()
    }


@pytest.mark.parametrize(("of", "images"), [("batch", [slice(0, 2)]), ("image", [[0], [1]])])
def test_a_fitted_variance_is_the_mean_squared_error(of, images):
    """−log N(x|x̂, σ²) with σ² in place, apart from a constant."""

    def gaussian(x_hat):
        total = 0.0
        for one in images:
            sigma = (X[one] - x_hat[one]).square().mean().sqrt()
            total -= Normal(x_hat[one], sigma).log_prob(X[one]).sum()
        return total

    moved = X_HAT.flip(0)
    found = (FITTED[of](moved, X) - FITTED[of](X_HAT, X)).sum()
    assert found.item() == pytest.approx((gaussian(moved) - gaussian(X_HAT)).item(), rel=1e-12)
    assert FITTED[of](X_HAT, X).shape == ((2,) if of == "image" else ())
