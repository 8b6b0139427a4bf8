"""On which inputs a loss is tried: sizes that it knows, codes with axes, classes, float32."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.audit.kinds import iwae, own_five, sampled, vae
from tests.audit.probes import closed_form
from tests.cases import cases
from vaelib.audit import Unreadable, audit
from vaelib.audit.shapes import Layout


def of(f, over=lambda k: k.flatten(1).sum(1).mean()):
    return lambda x_hat, x, mu, logvar: f(x_hat, x) + over(closed_form(mu, logvar))


def squares(x_hat, x):
    return ((x - x_hat) ** 2).sum()


def exactly(role, *shapes):
    """A loss that refuses other shapes."""

    def loss(x_hat, x, mu, logvar):
        if tuple({"x": x, "mu": mu}[role].shape[1:]) not in shapes:
            raise ValueError("another shape")
        return squares(x_hat.flatten(1), x.flatten(1)) + closed_form(mu, logvar).sum()

    return loss


def over_time(x_hat, x, mu, logvar):
    return (((x - x_hat) ** 2).sum(2) + closed_form(mu, logvar).sum(2)).mean()


def rows_of_classes(a, x):
    return F.cross_entropy(a.flatten(0, 1), x.flatten())


def sum_over_code(*axes):
    return lambda k: k.sum(axes).mean()


def seven(x_hat, x, mu, logvar, z):
    return sampled(iwae)(x_hat, x, mu, logvar, z.view(-1, 7, z.shape[-1]))


def of_two_levels(dtype, binary):
    def loss(x_hat, x, mu, logvar):
        kind = (x.dtype, {*x.unique().tolist()} <= {0, 1})
        if x_hat.shape != x.shape or kind not in ((dtype, binary), (torch.float32, True)):
            raise ValueError("another kind")
        return squares(x_hat, x) + closed_form(mu, logvar).sum()

    return loss


@cases(
        (of(squares), Layout((5,))),
        (of(squares, sum_over_code(2)), Layout((5,), code=(7, 4))),
        (of(squares, sum_over_code(1, 2, 3)), Layout((5,), code=(4, 2, 3))),
        (over_time, Layout((7, 5), code=(7, 4), shared=True)),
        (exactly("x", (3, 32, 32), (1, 28, 28)), Layout((1, 28, 28), free=False)),
        (of(rows_of_classes), Layout((5,), classes=11, behind=True)),
        (of(F.cross_entropy), Layout((5,), classes=11)),
        (of(lambda a, x: F.cross_entropy(a, (255 * x).long())), Layout((5,), classes=256)),
        (of(lambda a, x: F.cross_entropy(a, (255 * x).round().long().clamp(0, 255))),
         Layout((5,), classes=256)),
        (of(rows_of_classes, sum_over_code(2)),
         Layout((5,), code=(7, 4), classes=11, behind=True)),
        (of(lambda a, x: F.cross_entropy(a.mT, x, reduction="none"), lambda k: k.sum(2)),
         Layout((7,), code=(7, 4), shared=True, classes=11, behind=True)),
        (sampled(iwae), Layout((5,), samples=1)),
        (sampled(lambda w: iwae(w, k=50)), Layout((5,), samples=1)),
        (own_five, Layout((5,), samples=1, several=5)),
        (seven, Layout((5,), samples=1, several=7, alone=True)),
)  # fmt: skip
def test_a_loss_is_read_on_the_simplest_layout_that_it_runs_on(loss, layout):
    assert audit(loss).layout == layout


@cases(
    (exactly("mu", (4,)), 4, (4,), "it takes 4 coordinates alone: a sum there is 4 times"),
    (exactly("mu", (9, 6, 6)), (9, 6, 6), (9, 6, 6), "324 coordinates alone"),
)  # the number that is tried first may be the only one
def test_a_number_of_latents_that_the_loss_knows_is_told(loss, told, code, says):
    found = audit(loss, latents=told)
    assert (found.layout.code, found.layout.axes) == (code, ("batch", "pixels"))
    assert says in str(found)


def test_images_of_one_size_are_the_callers():
    found = audit(exactly("x", (3, 8, 8)), shape=(3, 8, 8))
    assert found.layout == Layout((3, 8, 8), free=False)
    found = audit(exactly("x", (192,)), shape=(3, 8, 8))
    assert found.layout == Layout((192,), free=False)


@cases(
    (torch.float64, False),
    (torch.float64, True),
    (torch.float32, False),
)
def test_float64_and_grey_pixels_are_tried_first(dtype, binary):
    found = audit(of_two_levels(dtype, binary))
    assert found.likelihood.binary_only is binary
    assert found.value is not None


@cases(
("batch", None), ("pixels", Layout((2, 3, 5))),
     ("latents", Layout((5,), code=(20,), free_code=False)),
)  # fmt: skip
def test_a_loss_that_is_not_finite_at_twice_a_size_does_not_run(axis, layout):
    twice = {"batch": 6, "pixels": 10, "latents": 8}[axis]

    def loss(x_hat, x, mu, logvar):
        latents = mu.shape[1] if mu.dim() == 2 else 8
        sizes = {"batch": len(x), "pixels": x[0].numel(), "latents": latents}
        bad = torch.inf if sizes[axis] == twice else 1.0
        return bad * vae()(x_hat, x, mu, logvar)

    if layout is None:
        with pytest.raises(Unreadable, match="ValueError\\('the result is not finite'\\)"):
            audit(loss)
    else:
        assert audit(loss).layout == layout


def test_a_loss_that_computes_in_float32_is_read_in_float64_and_keeps_what_it_holds():
    net, average = nn.Linear(1, 2), torch.zeros(1)

    def loss(x_hat, x, mu, logvar):
        average.lerp_(x.mean(), 0.1)
        far = net(x.float()[..., None]).square().sum() + torch.zeros(1).add_(1e6)
        return (
            far
            + squares(x_hat.float(), x)
            + 1e-6 * closed_form(mu.to(torch.float32), logvar.float()).sum()
        )

    found = audit(loss).divergence
    assert (found.standard, found.per_latent.factor) == (True, pytest.approx(1e-6, rel=1e-3))
    assert (net.weight.dtype, average.dtype, float(average)) == (torch.float32, torch.float32, 0)


def test_a_refusal_tells_what_was_raised_where_it_came_furthest():
    def codes(x_hat, x, mu, logvar):
        return F.linear(squares(x_hat, x) + mu.sum((1, 2, 3)), torch.zeros(3, 99))

    with pytest.raises(Unreadable, match=r"furthest with .*mu \(3, 4, 2, 3\).* latents=20"):
        audit(codes)

    def broken(x_hat, x, mu, logvar):
        raise RuntimeError("no. 1")

    with pytest.raises(Unreadable) as raised:
        audit(broken)
    assert str(raised.value) == (
        "the loss ran on no inputs; it came furthest with x_hat (3, 5), x (3, 5), mu (3, 4), "
        "logvar (3, 4), where it raised RuntimeError('no. 1'). If it takes one size alone, tell "
        "it: shape=(1, 28, 28) of an image, latents=20"
    )
    assert str(raised.value.__cause__) == "no. 1"


class Blind(nn.Module):
    """What no copy of a loss has for itself."""

    calls = 0

    def forward(self, x_hat, x, mu, logvar):
        Blind.calls += 1
        return 1 / 0


def test_a_loss_that_looks_at_no_input_is_not_tried_on_all():
    with pytest.raises(Unreadable):
        audit(Blind())
    assert 0 < Blind.calls < 100


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_that_broadcasts_is_not_taken_for_classes(axis):
    def loss(x_hat, x, mu, logvar, z):
        x = x.unsqueeze(axis).expand_as(x_hat)
        error = F.binary_cross_entropy(x_hat, x)
        return error + closed_form(mu, logvar).sum() + 0 * z.sum(2).mean()

    found = audit(loss).layout
    assert (found.classes, found.samples) == (None, axis)
