"""Pages of the audit that no other test makes, whole: models, data, noise, several samples."""

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn import functional as F

from tests.audit import losses
from tests.audit.losses import right
from tests.audit.pages import of_the_right_loss, pages, section
from tests.audit.test_module import SHAPE, Apart, Model, halved, of_logits
from tests.audit.test_mutants import MUTANTS, PAIRS, Loss, cross_entropy, squares
from vaelib.audit import audit


def with_model(loss, module, **given):
    return loss, {"module": module, "shape": SHAPE, "latents": 4} | given


def idle():
    model = Model(halved)
    model.register_parameter("idle", nn.Parameter(torch.ones(2)))
    return model


def pixels(levels):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(levels, (32, *SHAPE), generator=generator) / (levels - 1)


def images(x_hat, x, mu, logvar):
    """One value for each image."""
    error = cross_entropy(x_hat, x).flatten(1).sum(1)
    return error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)


def of_784_pixels(x_hat, x, mu, logvar):
    return right(x_hat.reshape(-1, 784), x.reshape(-1, 784), mu, logvar)


def mean_of_784_pixels(x_hat, x, mu, logvar):
    error = F.mse_loss(x_hat.reshape(-1, 784), x.reshape(-1, 784))
    return error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


def thrice_of_784_pixels(x_hat, x, mu, logvar):
    error = 3 * squares(x_hat.reshape(-1, 784), x.reshape(-1, 784)).sum(1)
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def strict(x_hat, x, mu, logvar):
    p = torch.distributions.Bernoulli(x_hat, validate_args=True)
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
    return (kl - p.log_prob(x).flatten(1).sum(1)).mean()


def log_term_twice(x_hat, x_logvar, x, mu, logvar):
    error = ((x - x_hat) ** 2 / x_logvar.exp() / 2 + x_logvar).flatten(1).sum(1)
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def no_log_term(x_hat, x_logvar, x, mu, logvar):
    error = ((x - x_hat) ** 2 / x_logvar.exp() / 2).flatten(1).sum(1)
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


class NoLogTerm(losses.LearnedScale):
    def forward(self, x_hat, x, mu, logvar):
        error = ((x - x_hat) ** 2 / (2 * self.log_sigma).exp() / 2).flatten(1).sum(1)
        return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def no_log_prior(x_hat, x, mu, logvar, z):
    """A sampled KL whose prior has twice its weight."""
    log_q = Normal(mu, (logvar / 2).exp()).log_prob(z)
    kl = (log_q - 2 * Normal(0.0, 1.0).log_prob(z)).sum(-1)
    return (F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1) + kl).mean()


def image_variance(x_hat, x, mu, logvar):
    variance = (x - x_hat).square().flatten(1).mean(1)
    error = x[0].numel() * (torch.log(2 * torch.pi * variance) + 1) / 2
    return (error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def turned(low, high):
    """A KL of images that counts otherwise from 30 nats on."""
    return lambda t: low * t.mean() + (high - low) * (t.mean() - 30).clamp(min=0)


OTHERS = {
    "a model that draws as the loss reads": with_model(right, Model(halved)),
    "a model that draws by log σ": with_model(right, Model(torch.exp)),
    "a model that draws by something else": with_model(right, Model(lambda h: (h / 3).exp())),
    "a model that does not draw": with_model(right, Model(halved, drawn=False)),
    "a model whose heads lie apart": with_model(right, Apart(halved)),
    "a model without a sigmoid": with_model(right, Model(halved, end=lambda o: o)),
    "a model with a sigmoid too many": with_model(of_logits, Model(halved)),
    "a model with an idle parameter": with_model(right, idle()),
    "black and white images": with_model(right, Model(halved), data=pixels(2)),
    "grey images": with_model(right, Model(halved), data=pixels(17)),
    "a Huber loss behind a sigmoid": with_model(
        Loss(error=lambda a, b: F.smooth_l1_loss(a, b, reduction="none")), Model(halved)
    ),
    "an average over samples": (losses.averaged, {}),
    "a sum of weights": (losses.sum_of_weights, {}),
    "weights that weigh themselves": (losses.own_weights, {}),
    "one value for each image": (images, {}),
    "images of 784 pixels alone": (of_784_pixels, {}),
    "a mean over 784 pixels alone": (mean_of_784_pixels, {}),
    "three times a sum over 784 pixels alone": (thrice_of_784_pixels, {}),
    "black and white pixels alone": (strict, {}),
    "σ² of each image": (image_variance, {}),
    "a log term of twice its weight": (log_term_twice, {}),
    "no log term": (no_log_term, {}),
    "no log term of a parameter": (NoLogTerm(), {}),
    "a prior that counts twice": (no_log_prior, {}),
    "a KL that counts twice beyond 30 nats": (Loss(kl_images=turned(1.0, 2.0)), {}),
    "a clamp from below alone": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.clamp(min=-3).exp() - h.clamp(min=-3) - 1)), {}
    ),
    "a KL alone": (
        lambda x_hat, x, mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean(), {}
    ),
    "other sizes": (losses.mean_over_everything, {"shape": (3, 32, 32), "latents": 64}),
    "rows of other sizes": (losses.mean_over_everything, {"shape": (50,), "batch": 7}),
    "squares and the wrong sign": (Loss(error=squares, kl_weight=-1.0), {}),
    "half of squares": (Loss(error=lambda a, b: squares(a, b) / 2), {}),
    "squares summed over the batch": (Loss(error=squares, images=Tensor.sum), {"batch": 100}),
    "a Gaussian and a KL summed over the batch": (
        Loss(error=lambda a, b: -Normal(a, 0.1).log_prob(b), kl_images=Tensor.sum), {}
    ),
    "a Gaussian and another constant": (
        Loss(error=lambda a, b: 5 - Normal(a, 0.1).log_prob(b)), {}
    ),
    "a KL to another prior": (
        Loss(kl=lambda m, h: 0.5 * ((m - 1) ** 2 / 4 + h.exp() / 4 - h - 1)), {}
    ),
    "the KL the other way round and its sign": (
        Loss(kl=lambda m, h: -0.5 * ((m**2 + 1) / h.exp() + h - 1)), {}
    ),
    "a KL over the pixels": (
        lambda x_hat, x, mu, logvar: right(x_hat, x, mu, logvar)
        + (1 / x[0].numel() - 1) * 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean(), {}
    ),
    "a mean over pixels, a KL of no power": (
        Loss(latents=lambda t: t.sum(1) / (t.shape[1] + 5)), {}
    ),
}  # fmt: skip


def test_every_line_of_the_right_loss_is_written_down():
    lines = [f"{name}: {line}" for name, line in of_the_right_loss().items()]
    assert "\n".join(lines) == pages()["the right loss"]


@pytest.mark.parametrize("name", OTHERS)
def test_every_line_that_differs_is_written_down(name):
    loss, given = OTHERS[name]
    assert section(audit(loss, **given)) == pages()[name]


def test_nothing_is_written_down_of_losses_that_are_not_there():
    from tests.audit.test_audit import CASES

    assert pages().keys() == {"the right loss", *CASES, *MUTANTS, *PAIRS, *OTHERS}
