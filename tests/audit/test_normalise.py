"""What normalises is a likelihood, whatever its name; what does not is none."""

import pytest
import torch
from torch.distributions import StudentT
from torch.nn.functional import logsigmoid, softplus

from tests.audit.probes import begin, closed_form
from tests.cases import cases
from vaelib.audit.nameless import find_coupling, find_nameless
from vaelib.audit.normalise import LEAST, Support, normalised

POSITIVE, LINE, COUNTS = "the positive line", "the line", "whole numbers"


def poisson(a, x):
    return a - x * a.log()


def negative_binomial(a, x):
    """With its mean, and without what depends on x alone."""
    return -3 * (3 / (3 + a)).log() - x * (a / (3 + a)).log()


def entropy(a, x, ones=1.0):
    return -ones * x * a.log() - (1 - x) * (1 - a).log()


def focal(a, x):
    return -x * (1 - a) ** 2 * a.log() - (1 - x) * a**2 * (1 - a).log()


def with_kl(reconstruction):
    return lambda x_hat, x, mu, logvar: (
        reconstruction(x_hat, x) + closed_form(mu, logvar).sum(1).mean()
    )


def told(f):
    """Of a loss with this for each pixel, summed over pixels and images."""
    return find_nameless(*begin(with_kl(lambda x_hat, x: f(x_hat, x).sum())))


@cases(
    (poisson, COUNTS, 1),
    (lambda a, x: 0.37 * poisson(a, x), COUNTS, 1 / 0.37),
    (lambda a, x: poisson(a, x) + (x + 1).lgamma(), COUNTS, 1),
    (lambda a, x: a.exp() - x * a, COUNTS, 1),
    (negative_binomial, COUNTS, 1),
    (entropy, "{0, 1}", 1),
    (lambda a, x: entropy(a, x) / 784, "{0, 1}", 784),
    (lambda a, x: softplus(a) - x * a, "{0, 1}", 1),
    (lambda a, x: entropy((a + 1) / 2, (x + 1) / 2), "{−1, 1}", 1),
)  # fmt: skip
def test_a_likelihood_of_one_weight(f, support, weight):
    found = told(f)
    assert (found.proper, found.free) == (True, False)
    assert found.kind == f"a likelihood on {support} that has no name here"
    assert found.per_pixel.factor == pytest.approx(1 / weight, rel=1e-3)


@cases(
    (lambda a, x: -StudentT(1.0, a, validate_args=False).log_prob(x), LINE),
    (lambda a, x: x - a + 2 * softplus(a - x), LINE),
    (lambda a, x: (1 + (x - a) ** 2).sqrt(), LINE),
    (lambda a, x: (x - a).abs(), LINE),
    (lambda a, x: (x - a.sigmoid()) ** 2, LINE),
    (lambda a, x: (x - a.tanh()).abs(), LINE),
    (lambda a, x: a**2 - 2 * a * x, LINE),
    (lambda a, x: a.log() + x / a, POSITIVE),
    (lambda a, x: (x.log() - a) ** 2 / 2, POSITIVE),
)  # fmt: skip
def test_a_family_of_scales(f, support):
    found = told(f)
    assert (found.proper, found.free, found.per_pixel.factor) == (True, True, 1)
    assert found.kind == f"a likelihood on {support} that has no name here"


@cases(
    lambda a, x: (x - a) ** 2 / a,
    lambda a, x: entropy(x, a),
    lambda a, x: entropy(a, x, ones=3),
    lambda a, x: -3 * x * logsigmoid(a) - (1 - x) * logsigmoid(-a),
    focal,
    lambda a, x: (1 - (2 * x - 1) * a).clamp(min=0),
    lambda a, x: 1 - (2 * a * x + 0.01) / (a**2 + x**2 + 0.01),
    lambda a, x: (x - a).abs() / (x.abs() + a.abs()),
    lambda a, x: (x - a) ** 2 / (1 + (x - a) ** 2),
    lambda a, x: ((x - a) ** 2).clamp(max=1),
)  # fmt: skip
def test_no_likelihood(f):
    found = told(f)
    assert (found.proper, found.per_pixel) == (False, None)
    assert found.open is not found.kind.startswith("no likelihood: ")


def test_blocks_of_classes():
    logits = 3 * torch.randn(40, 7, generator=torch.Generator().manual_seed(0)).double()
    table = -logits.log_softmax(-1)
    classes = Support("classes", torch.arange(7).double(), least=LEAST)
    assert normalised(classes, table - table.amin(0), 0).weight == pytest.approx(1, rel=1e-4)
    assert not normalised(classes, table**2 - (table**2).amin(0), 0).weight


@pytest.mark.parametrize(("f", "at_x"), [(lambda a, x: (x - a) ** 2 / a, True), (focal, False)])
def test_where_it_is_least(f, at_x):
    assert ("least at x̂ = x" in told(f).kind) is at_x


@cases(
    (lambda x_hat, x: (x_hat - x).square().mean(), "pixels"),
    (lambda x_hat, x: (x_hat - x).square().sum(1).sqrt().mean(), "all pixels of an image"),
    (lambda x_hat, x: (x_hat - x).square().sum().sqrt(), "the whole batch"),
)  # fmt: skip
def test_what_moves_the_gradient_of_a_pixel(reconstruction, coupling):
    assert find_coupling(*begin(with_kl(reconstruction))) == coupling
