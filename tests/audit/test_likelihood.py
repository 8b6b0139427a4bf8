"""How an audit reads the reconstruction: its kind, the weight of a pixel, where it holds."""

import pytest
import torch
from torch import distributions as D
from torch.nn import functional as F

from tests.audit.probes import begin, closed_form, drawn, powers, squares
from vaelib.audit.heads import READINGS
from vaelib.audit.likelihood import NAMELESS, Likelihood
from vaelib.audit.reconstruction import NOT_SCALED, WEIGHING, find_likelihood
from vaelib.audit.shapes import BINARY, CLASSES, LEVELS, LOGITS


def loss_of(error, images=torch.mean):
    """Five times the error of each image, and two times the KL."""
    return lambda x_hat, x, mu, logvar: (
        5 * images(error(x_hat, x).flatten(1).sum(1)) + 2 * closed_form(mu, logvar).sum()
    )


def entropy(a, x):
    return -x * a.log() - (1 - x) * (1 - a).log()


def minus_log(law):
    return lambda a, x: -law(a).log_prob(x)


def logits(a, x):
    return F.binary_cross_entropy_with_logits(a, x, reduction="none")


KINDS = {
    "Gaussian": squares,
    "Bernoulli on probabilities": entropy,
    "Bernoulli on logits": logits,
    "Laplace": minus_log(lambda a: D.Laplace(a, 1.0)),
    "continuous Bernoulli": minus_log(lambda a: D.ContinuousBernoulli(a, validate_args=False)),
    "Gaussian with the mean sigmoid(x̂)": lambda a, x: squares(a.sigmoid(), x),
    "Gaussian with the mean tanh(x̂)": lambda a, x: squares(a.tanh(), x),
    "Bernoulli of (x + 1)/2": lambda a, x: entropy((a + 1) / 2, (x + 1) / 2),
    "Poisson": minus_log(lambda a: D.Poisson(a, validate_args=False)),
    "Poisson on log rates": minus_log(lambda a: D.Poisson(a.exp(), validate_args=False)),
    "multinomial on logits, along the last axis": lambda a, x: -x * a.log_softmax(-1),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_likelihood_is_told_with_the_weight_of_a_pixel(name):
    probe, case = begin(loss_of(KINDS[name]))
    found = find_likelihood(probe, case)
    assert (found.kind, found.proper, found.each) == (name, True, None)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})
    for inputs in drawn(probe, case, 2):  # its total is its −log p, but for constants
        more = inputs | {"x_hat": inputs["x_hat"] * 0.9}
        change = KINDS[name](more["x_hat"], more["x"]) - KINDS[name](inputs["x_hat"], inputs["x"])
        assert float(found.total(more) - found.total(inputs)) == pytest.approx(float(change.sum()))


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("image", [(5,), (2, 3, 5)])
@pytest.mark.parametrize("x", [CLASSES, LEVELS])
def test_classes_lie_along_the_second_axis_or_the_last(image, behind, x):
    count = 256 if x == LEVELS else 7

    def loss(x_hat, x, mu, logvar):
        target = (255 * x).long() if x.is_floating_point() else x
        a = x_hat.movedim(-1, 1) if behind else x_hat
        return F.cross_entropy(a, target, reduction="sum") / len(x) + closed_form(mu, logvar).sum()

    how = {"classes": count, "behind": behind, "ranges": {"x": x, "x_hat": LOGITS}}
    found = find_likelihood(*begin(loss, image, **how))
    assert (found.kind, found.proper) == ("categorical on logits", True)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(1), {"batch": -1})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lambda a, x: -a.gather(1, x[:, None]), "categorical on log probabilities"),
        (lambda a, x: F.cross_entropy(a, x, ignore_index=0, reduction="none"),
         "categorical on logits, the first class left out"),
        (lambda a, x: F.cross_entropy(a, x, reduction="none") ** 2, NAMELESS),
    ],
)  # fmt: skip
def test_what_is_made_of_classes_otherwise_is_told(error, kind):
    found = find_likelihood(*begin(loss_of(error), classes=7, ranges={"x": CLASSES}))
    assert (found.kind, found.proper) == (kind, kind != NAMELESS)


@pytest.mark.parametrize("name", ["batch", "image"])
def test_a_variance_that_is_the_error_itself_is_told(name):
    def loss(x_hat, x, mu, logvar):
        error = squares(x_hat, x).flatten(1)
        logs = error.mean(1).log() if name == "image" else error.mean().log()
        return 3 * x[0].numel() / 2 * logs.mean() + closed_form(mu, logvar).sum()

    found = find_likelihood(*begin(loss))
    assert (found.kind, found.variance, found.free) == ("Gaussian", name, False)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(3), {"batch": -1})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lambda a, x: entropy(x, a), "cross-entropy with x and x̂ exchanged"),
        (lambda a, x: logits(a.sigmoid(), x), "Bernoulli on logits, a sigmoid applied twice"),
        (lambda a, x: squares(a, x).flatten(1).sum(1, keepdim=True).sqrt(),
         "the root of each image's squared error"),
        (lambda a, x: -(5 * x * a.log() + (1 - x) * (1 - a).log()), WEIGHING),
        (lambda a, x: (a - x) ** 4 + a**3, "no likelihood: exp(−w f) over x changes by 0.27 nats "
         "with x̂, whatever the weight"),
        (lambda a, x: squares(a, x).detach(), NAMELESS),
    ],
)  # fmt: skip
def test_what_is_no_likelihood_is_told_by_name_or_has_none(error, kind):
    found = find_likelihood(*begin(loss_of(error)))
    assert (found.kind, found.proper, found.per_pixel) == (kind, False, None)


def test_a_share_of_the_gradient_is_the_weight():
    found = find_likelihood(*begin(loss_of(
        lambda a, x: 0.9 * entropy(a, x).detach() + 0.1 * entropy(a, x)
    )))  # fmt: skip
    assert found.per_pixel.factor == pytest.approx(0.5)


def test_each_pixels_own_weight_is_told():
    found = find_likelihood(
        *begin(loss_of(lambda a, x: squares(a, x) * torch.linspace(1, 5, x[0].numel())))
    )
    assert (found.kind, found.proper) == ("Gaussian", True)
    assert found.per_pixel.factor == pytest.approx(15)
    assert found.each.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])


def test_mixed_columns_are_told_by_their_parts():
    def columns(a, x):
        return torch.cat([3 * squares(a[:, :2].tanh(), x[:, :2]), logits(a[:, 2:], x[:, 2:])], 1)

    found = find_likelihood(*begin(loss_of(columns)))
    assert found.proper
    assert {kind: there.tolist() for kind, there in found.parts.items()} == {
        "Bernoulli on logits": [0, 0, 1, 1, 1], "Gaussian with the mean tanh(x̂)": [1, 1, 0, 0, 0],
    }  # fmt: skip
    assert found.per_pixel.factor == pytest.approx(5)
    assert found.each.tolist() == pytest.approx([3, 3, 1, 1, 1])


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (squares, {"image": (2, 3, 5), "flat": True}),
        (lambda a, x: squares(a.movedim(1, 0), x), {"samples": 1}),
    ],
)
def test_x_hat_may_come_as_rows_or_as_a_sample(error, how):
    loss = loss_of(error)
    with_z = lambda x_hat, x, mu, logvar, z: loss(x_hat, x, mu, logvar)  # noqa: E731
    found = find_likelihood(*begin(with_z if "samples" in how else loss, **how))
    assert (found.kind, found.everywhere) == ("Gaussian", True)
    assert found.per_pixel.factor == pytest.approx(5)


@pytest.mark.parametrize(
    ("pixel", "everywhere"),
    [
        (lambda a, x: logits(a.clamp(0, 1), x), False),
        (lambda a, x: logits(a.clamp(-4, 4), x), True),
        (lambda a, x: squares(a.clamp(-4, 4), x), True),
        (lambda a, x: logits(a.clamp(min=-3), x), False),
        (lambda a, x: logits(a.clamp(max=3), x), False),
        (entropy, None),
        (lambda a, x: entropy(a.clamp(1e-6, 1 - 1e-6), x), None),
    ],
)
def test_it_is_told_whether_the_formula_holds_for_pixels_from_minus_4_to_4(pixel, everywhere):
    found = find_likelihood(*begin(loss_of(pixel)))
    assert (found.proper, found.everywhere) == (True, everywhere)


@pytest.mark.parametrize("ranges", [{}, {"x": BINARY}])
def test_a_loss_tried_with_black_and_white_pixels_alone_is_said_to_be(ranges):
    found = find_likelihood(*begin(loss_of(entropy), ranges=ranges))
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
@pytest.mark.parametrize("second", [5.0, 2.5, 0.0])
def test_a_decoders_own_scale_is_read_with_the_weight_of_its_logarithm(name, second):
    found = find_likelihood(*begin(with_scale(name, (5.0, second))))
    assert found == Likelihood(
        "Gaussian", second == 5, found.per_pixel, "argument", name, found.normaliser, True
    )
    assert found.normaliser == pytest.approx(second / 5)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})


@pytest.mark.parametrize("second", [0.0, 1.0])
def test_a_scale_without_an_error_is_no_gaussian(second):
    loss = lambda x_hat, x, mu, logvar, x_logvar: second * x_logvar.sum() + mu.sum()  # noqa: E731
    assert find_likelihood(*begin(loss)) == Likelihood(NOT_SCALED)


@pytest.mark.parametrize(
    ("image", "layout"), [((5,), {"single": True}), ((2, 3, 5), {"flat": True}), ((2, 3, 5), {})]
)
def test_a_scale_is_one_number_a_row_or_an_image(image, layout):
    loss = with_scale("log σ", (5.0, 5.0), rows="flat" in layout)
    found = find_likelihood(*begin(loss, image, **layout))
    assert (found.kind, found.proper, found.scale) == ("Gaussian", True, "log σ")
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})
