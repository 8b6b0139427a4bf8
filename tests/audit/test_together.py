"""How a loss puts several samples together, of losses of which that is known."""

import pytest
from torch import Tensor

from vaelib.audit import audit
from vaelib.audit.sampler import MIXED, UNKNOWN, WEIGHTED

# what becomes of log w along an axis
WAYS = {
    "both": (lambda w, at: 0.3 * w.exp().mean(at).log() + 0.7 * w.mean(at), MIXED),
    "more than both": (lambda w, at: 2 * w.exp().mean(at).log() - w.mean(at), UNKNOWN),
    "all of them": (Tensor.sum, "sum over samples"),
    "nearly their mean": (lambda w, at: w.mean(at) + 2e-4 * w.logsumexp(at), "mean over samples"),
    "not their mean": (lambda w, at: w.mean(at) + 5e-3 * w.logsumexp(at), MIXED),
}


def of(way, at=0, wide=False, constant=2.5):
    """Five times the mean of minus what ``way`` makes of log w, whose σ² is ¼."""

    def loss(x_hat, x, mu, logvar, z):
        x, mu, h = (t if wide else t.unsqueeze(at) for t in (x, mu, logvar))
        if not x_hat.dim() == z.dim() == x.dim() == mu.dim() == 3:
            raise ValueError("of several samples, all")
        kl = (z**2 - (z - mu) ** 2 / h.exp() - h).sum(2) / 2
        return -5 * way(constant - 2 * ((x_hat - x) ** 2).sum(2) - kl, at).mean()

    return loss


LAYOUTS = {"first": (0, False), "x too": (0, True), "second, x": (1, True), "second": (1, False)}


@pytest.mark.parametrize(
    ("name", "layout"),
    [*((name, "second") for name in WAYS), *(("both", layout) for layout in LAYOUTS)][:-1],
)
def test_it_is_told_how_several_samples_are_put_together(name, layout):
    way, told = WAYS[name]
    assert audit(of(way, *LAYOUTS[layout])).together == told


def test_one_scale_of_the_decoder_is_that_of_every_sample_and_image():
    def loss(x_hat, x, mu, logvar, z, x_sigma):
        log_p = -((x - x_hat) ** 2 / x_sigma**2 / 2 + x_sigma.log()).sum(2)
        kl = (z**2 - (z - mu) ** 2 / logvar.exp() - logvar).sum(2) / 2
        return -(log_p - kl).exp().mean(0).log().mean()

    assert audit(loss).together == WEIGHTED
