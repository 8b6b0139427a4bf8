"""How an audit reads the reconstruction, and a σ² that is a parameter of the loss itself."""

from math import exp

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.audit.probes import begin, closed_form, powers, squares
from vaelib.audit.heads import READINGS
from vaelib.audit.learned import find_learned_variance
from vaelib.audit.likelihood import Likelihood, find_likelihood
from vaelib.audit.powers import Weight
from vaelib.audit.shapes import BINARY


def loss_of(error, images=torch.mean):
    """Five times the error of each image, and two times the KL."""

    def loss(x_hat, x, mu, logvar):
        return 5 * images(error(x_hat, x)) + 2 * closed_form(mu, logvar).sum()

    return loss


def summed(pixel):
    return lambda x_hat, x: pixel(x_hat, x).flatten(1).sum(1)


def entropy(x_hat, x):
    return F.binary_cross_entropy(x_hat, x, reduction="none")


def log_x_hat(x_hat, x):
    return -x * x_hat.log() - (1 - x) * (1 - x_hat).log()


@pytest.mark.parametrize(
    "loss",
    [
        lambda x_hat, x, mu, logvar, x_logvar: closed_form(mu, logvar).sum(),
        lambda x_hat, x, mu, logvar, x_logvar: closed_form(mu, logvar).sum() + x_logvar.sum() / 2,
    ],
)
def test_a_scale_without_an_error_is_no_gaussian(loss):
    expected = "not a Gaussian with the variance that it is given"
    assert find_likelihood(*begin(loss)) == Likelihood(expected)


def test_rows_of_pixels_are_compared_with_images():
    error = summed(lambda x_hat, x: squares(x_hat, x.flatten(1)))
    found = find_likelihood(*begin(loss_of(error), (2, 3, 5), flat=True))
    assert (found.kind, found.everywhere) == ("Gaussian", True)
    assert found.per_pixel.factor == pytest.approx(5)


@pytest.mark.parametrize(
    ("pixel", "everywhere"),
    [
        (lambda a, b: squares(a.clamp(0, 1), b), False),
        (lambda a, b: squares(a.clamp(-4, 4), b), True),
        (lambda a, b: squares(a.clamp(min=-3), b), False),
        (lambda a, b: squares(a.clamp(max=3), b), False),
        (lambda a, b: squares(a, b) + 0 * a.log(), None),
        (log_x_hat, None),
        (lambda a, b: log_x_hat(a.clamp(1e-6, 1 - 1e-6), b), None),
    ],
)
def test_it_is_told_whether_the_formula_holds_for_pixels_from_minus_4_to_4(pixel, everywhere):
    found = find_likelihood(*begin(loss_of(summed(pixel))))
    assert found.proper
    assert found.everywhere is everywhere


@pytest.mark.parametrize("ranges", [{}, {"x": BINARY}])
def test_a_loss_tried_with_black_and_white_pixels_alone_is_said_to_be(ranges):
    found = find_likelihood(*begin(loss_of(summed(entropy)), ranges=ranges))
    assert found.kind == "Bernoulli on probabilities"
    assert found.binary_only is bool(ranges)


def with_scale(name, weights, rows=False):
    """Each pixel's error and ½ log σ², where the decoder's own head is read as ``name``."""
    head, (first, second) = READINGS[name], weights

    def loss(x_hat, x, mu, logvar, scale):
        scale = scale.reshape(x.shape) if rows else scale
        error = squares(x_hat, x)
        error, half = error / head.variance(scale), head.log_variance(scale) / 2 + 0 * error
        return (first * error + second * half).sum() / len(x) + closed_form(mu, logvar).sum()

    return loss


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize(("second", "proper"), [(5.0, True), (2.5, False), (10.0, False)])
def test_a_decoders_own_scale_is_read_with_the_weight_of_its_logarithm(name, second, proper):
    found = find_likelihood(*begin(with_scale(name, (5.0, second))))
    assert found == Likelihood(
        "Gaussian", proper, found.per_pixel, "argument", name, found.normaliser, True
    )
    assert found.normaliser == pytest.approx(second / 5)
    assert found.per_pixel.factor == pytest.approx(5)
    assert powers(found.per_pixel) == {"batch": -1}


@pytest.mark.parametrize("name", READINGS)
def test_a_scale_without_its_logarithm_is_told_to_lack_it_whole(name):
    found = find_likelihood(*begin(with_scale(name, (5.0, 0.0))))
    assert (found.kind, found.proper, found.scale) == ("Gaussian", False, name)
    assert found.normaliser == 0
    assert found.per_pixel.factor == pytest.approx(5)


@pytest.mark.parametrize(
    ("image", "layout"), [((5,), {"single": True}), ((2, 3, 5), {"flat": True}), ((2, 3, 5), {})]
)
def test_a_scale_is_one_number_a_row_or_an_image(image, layout):
    loss = with_scale("log σ", (5.0, 5.0), rows="flat" in layout)
    found = find_likelihood(*begin(loss, image, **layout))
    assert (found.kind, found.proper, found.scale) == ("Gaussian", True, "log σ")
    assert found.per_pixel.factor == pytest.approx(5)
    assert powers(found.per_pixel) == {"batch": -1}


class Learned(nn.Module):
    """A Gaussian with a log σ² of its own, summed over pixels, averaged over images, weighted."""

    def __init__(self, weight=5.0, logarithm=1.0, constant=0.0, log_variance=-1.0):
        super().__init__()
        self.weight, self.logarithm, self.constant = weight, logarithm, constant
        self.unused = nn.Parameter(torch.tensor(1.0))
        self.beta = nn.Parameter(torch.tensor(1.0))
        self.log_variance = nn.Parameter(torch.tensor(log_variance))

    def forward(self, x_hat, x, mu, logvar):
        p = self.log_variance.double()
        error = squares(x_hat, x) / p.exp() + self.logarithm * p / 2
        kl = self.beta * closed_form(mu, logvar).sum()
        return self.weight * error.flatten(1).sum(1).mean() + kl + self.constant

    def twice(self, x_hat, x, mu, logvar):
        return 2 * self(x_hat, x, mu, logvar)

    def in_a_tuple(self, x_hat, x, mu, logvar):
        return None, self(x_hat, x, mu, logvar)


def learned_of(loss, image=(5,), **how):
    probe, case = begin(loss, image, **how)
    return find_learned_variance(probe, case, find_likelihood(probe, case))


@pytest.mark.parametrize(
    ("module", "weight"),
    [
        (Learned(), 5),
        (Learned(weight=-2.0), -2),
        (Learned(weight=1e-4), 1e-4),
        (Learned(constant=-1e7), 5),
        (Learned().twice, 10),
    ],
)
def test_a_variance_that_is_a_parameter_is_told_with_its_name_and_value(module, weight):
    found = learned_of(module)
    assert found == Likelihood(
        "Gaussian", True, found.per_pixel, "parameter log_variance",
        everywhere=True, current=found.current,
    )  # fmt: skip
    assert found.current == pytest.approx(exp(-1), rel=1e-5)
    assert found.per_pixel.factor == pytest.approx(weight, rel=1e-5)
    assert powers(found.per_pixel) == {"batch": -1}


def test_a_parameter_that_only_weighs_the_error_is_told_to_lack_its_logarithm():
    before = find_likelihood(*begin(Learned(logarithm=0.0)))
    found = learned_of(Learned(logarithm=0.0))
    assert found == Likelihood(
        "Gaussian", False, before.per_pixel, "parameter log_variance",
        normaliser=0.0, everywhere=True,
    )  # fmt: skip
    assert before.per_pixel.factor == pytest.approx(5 * exp(1))


class Weighed(nn.Module):
    """An error whose weight is a parameter, and a KL beside it."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x_hat, x, mu, logvar):
        return self.weight * squares(x_hat, x).sum() + closed_form(mu, logvar).sum()


@pytest.mark.parametrize("weight", [-0.3, -0.1])
def test_a_weight_that_a_small_step_brings_to_zero_or_beyond_is_no_variance(weight):
    found = learned_of(Weighed(weight))
    assert (found.variance, found.proper) == ("constant", True)


@pytest.mark.parametrize(
    "found",
    [
        Likelihood("Gaussian", variance="batch"),
        Likelihood("Gaussian", variance="argument"),
        Likelihood("Laplace", True, Weight(1.0, {})),
        Likelihood("Laplace", variance="batch"),
    ],
)
def test_only_a_gaussian_of_constant_variance_is_looked_at(found):
    assert find_learned_variance(*begin(Learned()), found) is found


def test_the_normaliser_of_a_learned_variance_counts_all_pixels_of_an_image():
    found = learned_of(Learned(), (2, 3, 5))
    assert found.per_pixel.factor == pytest.approx(5, rel=1e-5)
    assert powers(found.per_pixel) == {"batch": -1}
