"""On which inputs a loss is tried: sizes that it knows, codes with axes, classes, float32."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.audit.probes import closed_form
from vaelib.audit import audit
from vaelib.audit.binding import bind
from vaelib.audit.layouts import CODES, FIXED, groups
from vaelib.audit.probe import Unreadable
from vaelib.audit.shapes import CLASSES, LEVELS, LOGITS, Layout
from vaelib.audit.trials import beginnings

PLAIN = ("x_hat", "x", "mu", "logvar")


def begun(loss, image=None, code=None):
    return [*beginnings(loss, bind(loss, {}, {}), None, image, 0, code)]


def vae(f, over=lambda k: k.flatten(1).sum(1).mean()):
    return lambda x_hat, x, mu, logvar: f(x_hat, x) + over(closed_form(mu, logvar))


def squares(x_hat, x):
    return ((x - x_hat) ** 2).sum()


def exactly(role, *shape):
    """A loss that refuses other shapes; None is any size."""

    def loss(x_hat, x, mu, logvar):
        got = {"x": x, "mu": mu}[role].shape[1:]
        if len(got) != len(shape) or any(
            n not in (None, m) for n, m in zip(shape, got, strict=True)
        ):
            raise ValueError("another shape")
        return squares(x_hat.flatten(1), x.flatten(1)) + closed_form(mu, logvar).sum()

    return loss


def over_time(x_hat, x, mu, logvar):
    return (((x - x_hat) ** 2).sum(2) + closed_form(mu, logvar).sum(2)).mean()


def classes(error, over=lambda k: k.flatten(1).sum(1).mean()):
    return lambda logits, x, mu, logvar: error(logits, x) + over(closed_form(mu, logvar))


def rows_of_classes(a, x):
    return F.cross_entropy(a.flatten(0, 1), x.flatten())


def sum_over_code(*axes):
    return lambda k: k.sum(axes).mean()


WHOLE = {"x": CLASSES, "x_hat": LOGITS}


@pytest.mark.parametrize(
    ("loss", "layout", "ranges"),
    [
        (vae(squares), Layout((5,)), {}),
        (vae(squares, sum_over_code(2)), Layout((5,), code=(7, -1)), {}),
        (vae(squares, sum_over_code(1, 2, 3)), Layout((5,), code=(-1, 2, 3)), {}),
        (over_time, Layout((7, 5), code=(7, -1), shared=True), {}),
        (exactly("x", 3, 32, 32), Layout((3, 32, 32), free=False), {}),
        (classes(rows_of_classes), Layout((5,), classes=11, behind=True), WHOLE),
        (classes(F.cross_entropy), Layout((5,), classes=11), WHOLE),
        (classes(lambda a, x: F.cross_entropy(a, (255 * x).long())),
         Layout((5,), classes=256), {"x": LEVELS, "x_hat": LOGITS}),
        (classes(lambda a, x: F.cross_entropy(a, (255 * x).round().long().clamp(0, 255))),
         Layout((5,), classes=256), {"x": LEVELS, "x_hat": LOGITS}),
        (classes(lambda p, x: -p.gather(-1, x[..., None]).log().sum()),
         Layout((5,), classes=11, behind=True), {"x": CLASSES}),
        (classes(rows_of_classes, sum_over_code(2)),
         Layout((5,), code=(7, -1), classes=11, behind=True), WHOLE),
        (classes(lambda a, x: F.cross_entropy(a.mT, x, reduction="none"), lambda k: k.sum(2)),
         Layout((7,), code=(7, -1), shared=True, classes=11, behind=True), WHOLE),
    ],
)  # fmt: skip
def test_a_loss_is_read_on_the_simplest_layout_that_it_runs_on(loss, layout, ranges):
    probe, case = begun(loss)[0]
    assert (case.layout, case.ranges, probe.dtype) == (layout, ranges, torch.float64)


class Prior(nn.Module):
    """A loss that knows its number of latents."""

    def __init__(self, d):
        super().__init__()
        self.m = nn.Parameter(torch.zeros(d))

    def forward(self, x_hat, x, mu, logvar):
        return squares(x_hat, x) + closed_form(mu - self.m, logvar).sum()


@pytest.mark.parametrize(
    ("loss", "told", "code"),
    [
        (Prior(16), (16,), (16,)),
        (Prior(4), (4,), (4,)),  # the number that is tried first
        (exactly("mu", 9), (9,), (9,)),
        (exactly("mu", 9, 6, 6), (9, 6, 6), (9, 6, 6)),
    ],
)
def test_a_number_of_latents_that_the_loss_or_the_caller_knows_is_tried(loss, told, code):
    _, case = begun(loss, code=told)[0]
    assert case.code == case.layout.code == code
    assert case.layout.axes == ("batch", "pixels")


@pytest.mark.parametrize("image", [None, (3, 8, 8)])
def test_images_of_one_size_are_the_callers_or_the_usual_ones(image):
    fixed = next(g for g in groups(PLAIN, image, None) if not g[0].free)
    shapes = [each.image for each in fixed if not each.flat]
    assert shapes == ([*FIXED] if image is None else [image, (192,)])


def test_what_runs_on_free_sizes_is_not_tried_on_others():
    assert [case.layout for _, case in begun(vae(squares))] == [Layout((5,)), Layout((2, 3, 5))]


def weights(x_hat, x, mu, logvar, z):
    m, h = (each.unsqueeze(1).expand_as(z) for each in (mu, logvar))
    kl = (0.5 * (z**2 - (z - m) ** 2 / h.exp() - h)).sum(2)
    return -((x_hat - x.unsqueeze(1)) ** 2).sum(2) - kl


def bound(w, k):
    return -(w.logsumexp(1) - math.log(k)).mean()


def any_number(x_hat, x, mu, logvar, z):
    w = weights(x_hat, x, mu, logvar, z)
    return bound(w, w.shape[1])


def told_number(x_hat, x, mu, logvar, z, k=50):
    return bound(weights(x_hat, x, mu, logvar, z), k)


def own_number(x_hat, x, mu, logvar, z):
    return bound(weights(x_hat, x, mu, logvar, z.view(-1, 7, z.shape[-1])), 7)


def one(x_hat, x, mu, logvar, z):
    return weights(x_hat, x, mu, logvar, z).squeeze(1).dot(torch.ones(len(x)).double())


@pytest.mark.parametrize(
    ("loss", "several", "alone"),
    [(any_number, 4, False), (told_number, 4, False), (own_number, 7, True), (one, 1, False)],
)
def test_a_loss_gets_as_many_samples_as_it_takes(loss, several, alone):
    layout = begun(loss)[0][1].layout
    assert (layout.samples, layout.several, layout.alone) == (1, several, alone)


def test_a_loss_that_computes_in_float32_is_read_in_float64():
    net, average = nn.Linear(1, 2), torch.zeros(1)

    def loss(x_hat, x, mu, logvar):
        average.lerp_(x.mean(), 0.1)
        far = net(x_hat.float()[..., None]).square().sum() + torch.zeros(1).add_(1e6)
        return far + 1e-6 * closed_form(mu.to(torch.float32), logvar.float()).sum()

    (probe, case), *_ = begun(loss)
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    there, away = probe(inputs), probe(inputs | {"mu": 0 * inputs["mu"]})
    assert there - away == pytest.approx(float(inputs["mu"].square().sum()) * 5e-7, rel=1e-3)
    assert (net.weight.dtype, average.dtype) == (torch.float32, torch.float32)


def test_a_refusal_tells_the_shapes_that_came_furthest():
    def loss(x_hat, x, mu, logvar):
        return F.linear(squares(x_hat, x) + mu.sum((1, 2, 3)), torch.zeros(3, 99))

    with pytest.raises(Unreadable, match=r"furthest with .*mu \(3, 4, 2, 3\).* latents=20"):
        begun(loss)


def test_a_loss_that_looks_at_no_input_is_not_tried_on_all():
    calls = []
    with pytest.raises(Unreadable):
        begun(lambda x_hat, x, mu, logvar: calls.append(1) or 1 / 0)
    assert len(calls) < 20


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_that_broadcasts_is_not_taken_for_classes(axis):
    def loss(x_hat, x, mu, logvar, z):
        x = x.unsqueeze(axis).expand_as(x_hat)
        return (
            F.binary_cross_entropy(x_hat, x) + closed_form(mu, logvar).sum() + 0 * z.sum(2).mean()
        )

    assert {case.layout.classes for _, case in begun(loss)} == {None}


def test_positions_come_before_channels():
    assert [len(code) for code in CODES] == [2, 3]


def frames(x_hat, x, mu, logvar):
    error = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1).mean()
    return error + closed_form(mu, logvar).sum(2).mean()


@pytest.mark.parametrize(
    ("loss", "given", "says"),
    [
        (frames, {}, "sum over latents, mean over positions, mean over the batch"),
        (frames, {}, "Sum the KL over the positions; as written β = 1 / T"),
        (frames, {"latents": (7, 4)}, "as written β = 1 / T = 0.143"),
        (Prior(16), {"latents": 16}, "it takes 16 coordinates alone: a sum there is 16 times"),
        (lambda x_hat, x, mu, logvar: vae(squares)(x_hat, x, mu, logvar)[None], {},
         "sum over pixels, sum over the batch"),
        (told_number, {}, "minus an importance-weighted bound"),
    ],
)  # fmt: skip
def test_a_page_tells_the_axes_and_the_sizes_that_the_loss_knows(loss, given, says):
    assert says in str(audit(loss, **given))
