"""How a loss puts several samples together, of losses of which that is known."""

import pytest
import torch
from torch import Tensor

from tests.audit.probes import begin
from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import Weight
from vaelib.audit.terms import SAMPLED
from vaelib.audit.together import BUT_FOR_LOG_K, UNKNOWN, WEIGHTED, find_together
from vaelib.audit.value import LEFT_OUT, Value

ONE, FIVE, FIFTEEN, TWENTY = (Weight(w, {"batch": -1}) for w in (1.0, 5.0, 15.0, 20.0))
RAW = {"z²": 0.5, "(z − μ)²/σ²": -0.5, "log σ²": -0.5}
RAW = {name: torch.tensor([share]).double() for name, share in RAW.items()}
BY_SAMPLES = Divergence(SAMPLED, "log σ²", 0.5, 0.0, 0.5, -0.5, RAW, per_latent=FIFTEEN)
VALUE = Value(FIVE, None, None, FIVE, LEFT_OUT, True, 0.0)
PARTS = Likelihood("Gaussian", True, TWENTY), BY_SAMPLES, VALUE

# what becomes of log w along an axis
WAYS = {
    "their bound": (lambda w, at: w.exp().mean(at).log(), WEIGHTED),
    "detached shares": (lambda w, at: (w.softmax(at).detach() * w).sum(at), WEIGHTED),
    "their sum": (Tensor.logsumexp, BUT_FOR_LOG_K),
    "their mean": (Tensor.mean, "mean over samples"),
    "all of them": (Tensor.sum, "sum over samples"),
    "own shares": (
        lambda w, at: (w.softmax(at) * w).sum(at), "log w averaged by its own weights",
    ),
    "the best": (Tensor.amax, UNKNOWN),
    "nearly their mean": (lambda w, at: w.mean(at) + 2e-4 * w.amax(at), "mean over samples"),
    "not their mean": (lambda w, at: w.mean(at) + 5e-3 * w.amax(at), UNKNOWN),
}  # fmt: skip


def of(way, at=0, wide=False, constant=2.5):
    """Five times the mean of minus what ``way`` makes of log w, whose β is 3 and σ² is ¼."""

    def loss(x_hat, x, mu, logvar, z):
        x, mu, h = (t if wide else t.unsqueeze(at) for t in (x, mu, logvar))
        kl = (z**2 - (z - mu) ** 2 / h.exp() - h).sum(2) / 2
        return -5 * way(constant - 2 * ((x_hat - x) ** 2).sum(2) - 3 * kl, at).mean()

    return loss


@pytest.mark.parametrize("wide", [False, True], ids=["x alone", "x for each sample"])
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("name", WAYS)
def test_it_is_told_how_several_samples_are_put_together(name, at, wide):
    way, told = WAYS[name]
    asked = begin(of(way, at, wide), (2,), samples=at, wide=("x", "mu", "logvar") if wide else ())
    assert find_together(*asked, *PARTS) == told


@pytest.mark.parametrize("several", [2, 5])
def test_a_number_of_samples_that_the_loss_knows_is_the_one_it_is_given(several):
    way = lambda w, at: w.logsumexp(at) - torch.tensor(several).log()  # noqa: E731
    asked = begin(of(way), (2,), samples=0, several=several, alone=True)
    assert find_together(*asked, *PARTS) == WEIGHTED


@pytest.mark.parametrize("single", [False, True])
def test_one_scale_of_the_decoder_is_that_of_every_sample_and_image(single):
    def loss(x_hat, x, mu, logvar, z, x_sigma):
        log_p = -((x - x_hat) ** 2 / x_sigma**2 / 2 + x_sigma.log()).sum(2)
        kl = (z**2 - (z - mu) ** 2 / logvar.exp() - logvar).sum(2) / 2
        return -(log_p - kl).exp().mean(0).log().mean()

    p = Likelihood("Gaussian", True, ONE, "argument", "σ")
    d = Divergence(SAMPLED, "log σ²", 0.5, 0.0, 0.5, -0.5, RAW, per_latent=ONE)
    v = Value(ONE, ONE, None, ONE, LEFT_OUT, True, 0.0)
    assert find_together(*begin(loss, (2,), samples=0, single=single), p, d, v) == WEIGHTED
