"""How an audit reads the reconstruction: its kind, the weight of a pixel, where it holds."""

import pytest
import torch
from torch.nn import functional as F

from tests.audit.kinds import bce
from tests.audit.kinds import from_logits as logits
from tests.audit.probes import closed_form, powers, squares
from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.heads import READINGS
from vaelib.audit.likelihood import Likelihood


def told(error, images=torch.mean, **given):
    """Of five times the error of each image, and two times the KL."""
    return audit(
        lambda x_hat, x, mu, logvar: (
            5 * images(error(x_hat, x).flatten(1).sum(1)) + 2 * closed_form(mu, logvar).sum()
        ),
        **given,
    ).likelihood


IMAGE = {"shape": (2, 3, 5)}


@cases(
        (lambda a, x: -a.movedim(-1, 1).gather(1, x[:, None]), "categorical on log probabilities"),
        (lambda a, x: F.cross_entropy(a.movedim(-1, 1), x, ignore_index=0, reduction="none"),
         "categorical on logits, the first class left out"),
        (lambda a, x: F.cross_entropy(a, (255 * x).long(), reduction="none"),
         "categorical on logits"),
)  # fmt: skip
def test_what_is_made_of_classes_is_told(error, kind):
    found = told(error, **IMAGE)
    assert (found.kind, found.proper) == (kind, True)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})


@cases(
        (lambda a, x: F.cross_entropy(a, (255 * x).long(), reduction="none") ** 2,
         "a function of classes that has no name here"),
        (lambda a, x: -(5 * x * a.log() + (1 - x) * (1 - a).log()),
         "a cross-entropy that weighs its two terms differently"),
        (lambda a, x: (a - x) ** 4 + a**3, "no likelihood: exp(−w f) over x changes by 0.27 nats "
         "with x̂, whatever the weight"),
        (lambda a, x: squares(a, x).detach(), "a function that has no name here"),
)  # fmt: skip
def test_what_is_no_likelihood_is_told_by_name_or_has_none(error, kind):
    found = told(error)
    assert (found.kind, found.proper, found.per_pixel) == (kind, False, None)
    assert found.open is ("that has no name" in kind)


def coupled(a, power=2):
    return 0.3 * (a + a**3).sum(1, keepdim=True) ** power


@cases(
    (lambda a, x: 2 * (a - x).abs() + coupled(a), True),
    (lambda a, x: squares(a, x) + coupled(a - x, 4), False),
    (lambda a, x: (a - x).abs() * torch.linspace(1, 2, x.shape[1]) + coupled(a), False),
    (lambda a, x: ((a - x).sum(1, keepdim=True) ** 2 - 0.1).relu(), False),
)
def test_an_l1_of_all_pixels_is_told_beside_what_couples_them(error, l1):
    found = told(error)
    assert found.kind.startswith("Laplace beside a term over all pixels") is l1
    assert (found.per_pixel and found.per_pixel.factor) == (pytest.approx(10, 1e-3) if l1 else None)


def test_each_pixels_own_weight_is_told():
    found = told(lambda a, x: squares(a, x) * torch.linspace(1, 5, x[0].numel()))
    assert (found.kind, found.proper) == ("Gaussian", True)
    assert found.per_pixel.factor == pytest.approx(15)
    assert found.each.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])


def test_x_hat_may_come_as_rows():
    def rows(a, x):
        return (x.flatten(2).flatten(1) - a) ** 2 / 2

    found = told(rows, **IMAGE)
    assert (found.kind, found.everywhere) == ("Gaussian", True)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})


@cases(
    (lambda a, x: logits(a.clamp(0, 1), x), False),
    (lambda a, x: squares(a.clamp(-4, 4), x), True),
    (lambda a, x: logits(a.clamp(min=-3), x), False),
    (lambda a, x: logits(a.clamp(max=3), x), False),
    (lambda a, x: bce(a.clamp(1e-6, 1 - 1e-6), x), None),
)
def test_it_is_told_whether_the_formula_holds_for_pixels_from_minus_4_to_4(pixel, everywhere):
    found = told(pixel)
    assert (found.proper, found.everywhere) == (True, everywhere)


def with_scale(name, second=5.0, shaped=lambda s, x: s):
    """Each pixel's error and ½ log σ², where the decoder's own head is read as ``name``."""
    head = READINGS[name]

    def loss(x_hat, x, mu, logvar, scale):
        scale, error = shaped(scale, x), squares(x_hat, x)
        error, half = error / head.sigma(scale) ** 2, head.sigma(scale).log() + 0 * error
        return (5 * error + second * half).sum() / len(x) + closed_form(mu, logvar).sum()

    return loss


@pytest.mark.parametrize(
    ("name", "second"), [*((name, 5.0) for name in READINGS), ("σ", 2.5), ("log σ", 0.0)]
)
def test_a_decoders_own_scale_is_read_with_the_weight_of_its_logarithm(name, second):
    found = audit(with_scale(name, second)).likelihood
    assert found == Likelihood(
        "Gaussian",
        second == 5,
        found.per_pixel,
        f"an argument, read as {name}",
        found.normaliser,
        True,
    )
    assert found.normaliser == pytest.approx(second / 5)
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})


def of_dimensions(n):
    def shaped(scale, x):
        if scale.dim() != n:
            raise ValueError("another shape")
        return scale.view_as(x) if n else scale

    return shaped


@pytest.mark.parametrize(("dimensions", "given"), [(0, {}), (2, IMAGE)])
def test_a_scale_is_one_number_a_row_or_an_image(dimensions, given):
    found = audit(with_scale("log σ", shaped=of_dimensions(dimensions)), **given).likelihood
    assert (found.kind, found.proper) == ("Gaussian", True)
    assert found.variance == "an argument, read as log σ"
    assert (found.per_pixel.factor, powers(found.per_pixel)) == (pytest.approx(5), {"batch": -1})


def test_a_scale_without_an_error_is_no_gaussian():
    loss = lambda x_hat, x, mu, logvar, x_logvar: x_logvar.sum() + mu.sum()  # noqa: E731
    kind = "a function of x̂ and its scale that has no name here"
    assert audit(loss).likelihood == Likelihood(kind, open=True)
