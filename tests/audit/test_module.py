"""With a model, the audit tells how it draws, and whether loss and model fit each other."""

import pytest
import torch
from torch import nn

from tests.audit import losses
from tests.audit.catalogue import SHAPE, Model, halved, of_logits
from vaelib.audit import audit
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal


def head(found):
    return next(evidence for what, _, evidence in found.lines if what == "second head")


def test_a_trained_head_far_below_zero_is_told_as_well():
    model = Model(torch.exp)
    with torch.no_grad():
        model.head.bias -= 4
    found = audit(losses.log_sigma_as_if_log_variance, model, shape=SHAPE)
    assert head(found) == "the model draws with it as log σ"


def test_two_mistakes_that_cancel_are_found_right():
    def by_log_sigma(x_hat, x, mu, log_sigma):
        return losses.log_sigma_as_if_log_variance(x_hat, x, mu, 2 * log_sigma)

    found = audit(by_log_sigma, Model(torch.exp), shape=SHAPE)
    assert found.elbo
    assert head(found) == "the model draws with it as log σ"


class Detached(Model):
    def forward(self, x):
        x_hat, mu, logvar = super().forward(x)
        return x_hat, mu.detach(), logvar


def test_heads_without_gradient_leave_the_reading_open():
    found = audit(losses.log_sigma_as_if_log_variance, Detached(halved), shape=SHAPE)
    assert found.sampler.readings is None


@pytest.mark.parametrize("normed", [False, True])
def test_the_model_is_left_as_it_was(normed):
    model = Model(halved)
    if normed:
        model.hidden = nn.Sequential(nn.Linear(30, 20), nn.BatchNorm1d(20))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    audit(losses.log_sigma_as_if_log_variance, model, shape=SHAPE)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_model_of_the_library_is_judged_by_its_draws():
    torch.manual_seed(0)
    vae = VAE(StandardNormal(4), GaussianEncoder(30, [20], 4), BernoulliDecoder(4, [20], 30))

    class Outputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.vae = vae

        def forward(self, x):
            q = self.vae.encode(x)
            return self.vae.decode(q.rsample()).mean, q.base_dist.loc, q.base_dist.scale

    def loss(x_hat, x, loc, scale):
        return losses.AnotherLibrary()(x_hat, x, loc, scale)

    found = audit(loss, Outputs(), shape=(30,), latents=4)
    assert found.elbo
    assert head(found).startswith("the model draws with it as σ")


def test_a_model_whose_outputs_are_otherwise_is_refused():
    with pytest.raises(ValueError, match="audit\\(loss, outputs="):
        audit(of_logits, nn.Linear(6, 6), shape=SHAPE)
    with pytest.raises(ValueError, match="shape of an image"):
        audit(of_logits, Model(halved))


def test_other_outputs_can_be_told():
    class Turned(Model):
        def forward(self, x):
            x_hat, mu, logvar = super().forward(x)
            return {"x": x, "mu": mu, "logvar": logvar, "x_hat": x_hat}

    found = audit(
        of_logits, Turned(halved, end=lambda o: o), shape=SHAPE,
        outputs=("x", "mu", "logvar", "x_hat"),
    )  # fmt: skip
    assert found.elbo
