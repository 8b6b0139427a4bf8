"""Small losses made ready to be read: a probe and a case, without asking what else they take."""

import torch

from tests.audit.kinds import kl as closed_form  # noqa: F401
from vaelib.audit.binding import bind
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Layout


def begin(loss, image=(5,), *, entry=None, dtype=torch.float64, ranges=None, **layout):
    """The probe and the case that an audit of this loss would begin with."""
    layout = Layout(image, **layout)
    probe = Probe(loss, bind(loss, {}, {}), entry, dtype, layout=layout)
    return probe, Case(layout, ranges=ranges or {})


def drawn(probe, case, count=6):
    """Inputs that differ in all."""
    return [case.draw(probe.roles, seed) for seed in range(count)]


def squares(x_hat, x):
    """−log p of each pixel under a Gaussian of variance 1."""
    return 0.5 * (x - x_hat.reshape(x.shape)) ** 2


def powers(weight):
    """Those sizes on which a weight depends, each with its power."""
    return {axis: power for axis, power in weight.powers.items() if power != 0}
