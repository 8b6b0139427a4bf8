"""With a model, the audit tells how it draws, and whether loss and model fit each other."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.audit import losses
from vaelib.audit import audit
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

SHAPE = (5, 6)


class Model(nn.Module):
    """Draws with its second head as one of several things; ends with a sigmoid or not."""

    def __init__(self, sigma, end=torch.sigmoid, drawn=True):
        super().__init__()
        torch.manual_seed(0)
        self.sigma, self.end, self.drawn = sigma, end, drawn
        self.hidden = nn.Linear(30, 20)
        self.mu, self.head = nn.Linear(20, 4), nn.Linear(20, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 30))

    def forward(self, x):
        h = self.hidden(x.flatten(1)).relu()
        mu, head = self.mu(h), self.head(h)
        z = mu + self.sigma(head) * torch.randn_like(mu) if self.drawn else mu
        return self.end(self.decoder(z)).view_as(x), mu, head


def halved(h):
    return (h / 2).exp()


DRAWN = {
    "log σ²": halved,
    "log σ": torch.exp,
    "σ": lambda h: h,
    "softplus⁻¹ σ": F.softplus,
}


def head(found):
    return next(evidence for what, _, evidence in found.lines if what == "second head")


@pytest.mark.parametrize("name", DRAWN)
def test_the_second_head_is_what_the_model_draws_with(name):
    found = audit(losses.log_sigma_as_if_log_variance, Model(DRAWN[name]), shape=SHAPE)
    assert head(found) == f"the model draws with it as {name}"
    assert found.elbo == found.bound == (name == "log σ²")
    if name != "log σ²":
        assert found.advice == (
            "Make loss and sampler agree: the loss takes the second head for log σ², the model "
            f"draws with it as {name}."
        )


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


def test_a_head_that_has_no_name_is_not_guessed():
    model = Model(lambda h: 0.7 * (h / 3).exp())
    found = audit(losses.log_sigma_as_if_log_variance, model, shape=SHAPE)
    assert found.sampler.readings == ()
    assert head(found) == "the model draws with it as no reading that has a name"
    assert not found.bound
    assert found.advice.endswith("the model draws with it as something else.")


class Apart(Model):
    """Returns heads that x̂ does not come from, though they are the right ones."""

    def forward(self, x):
        x_hat, mu, logvar = super().forward(x)
        return x_hat, mu.clone(), logvar.clone()


def test_heads_that_x_hat_does_not_come_from_leave_the_reading_open():
    found = audit(losses.log_sigma_as_if_log_variance, Apart(halved), shape=SHAPE)
    assert (found.sampler.draws, found.sampler.readings) == (True, None)
    assert head(found) == "x̂ does not come from the heads returned: how it draws is open"
    assert found.elbo


class Detached(Model):
    def forward(self, x):
        x_hat, mu, logvar = super().forward(x)
        return x_hat, mu.detach(), logvar


def test_heads_without_gradient_leave_the_reading_open():
    found = audit(losses.log_sigma_as_if_log_variance, Detached(halved), shape=SHAPE)
    assert found.sampler.readings is None


def test_a_model_that_does_not_draw_is_told():
    found = audit(losses.log_sigma_as_if_log_variance, Model(halved, drawn=False), shape=SHAPE)
    assert not found.bound
    assert found.advice == (
        "Draw z = μ + σε in the model: its x̂ does not depend on the second head."
    )


def of_logits(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(x_hat, x, reduction="none").flatten(1).sum(1)
    return (bce + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def test_a_sigmoid_in_model_and_loss_is_told():
    found = audit(of_logits, Model(halved), shape=SHAPE)
    assert found.advice.startswith("Leave the model's last sigmoid out")
    assert audit(of_logits, Model(halved, end=lambda o: o), shape=SHAPE).advice.startswith("Noth")


def test_a_missing_sigmoid_is_told():
    found = audit(losses.log_sigma_as_if_log_variance, Model(halved, end=lambda o: o), shape=SHAPE)
    assert not found.bound
    assert found.advice.startswith("End the model with a sigmoid")


def test_parameters_without_gradient_are_named():
    model = Model(halved)
    for name in ("idle", "lazy"):
        model.register_parameter(name, nn.Parameter(torch.ones(2)))
    found = audit(losses.log_sigma_as_if_log_variance, model, shape=SHAPE)
    assert found.sampler.unreached == ("idle", "lazy")
    assert found.advice == "Let the gradient through to idle, lazy."


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
    assert head(found) == "the model draws with it as σ"


@pytest.mark.parametrize(("levels", "binary"), [(2, True), (17, False)])
def test_grey_images_are_no_bernoulli_data(levels, binary):
    data = torch.randint(levels, (32, *SHAPE)) / (levels - 1)
    found = audit(losses.log_sigma_as_if_log_variance, Model(halved), data=data, latents=4)
    assert (found.binary, found.elbo, found.bound) == (binary, binary, binary)
    if not binary:
        assert found.advice.startswith("Make the pixels black and white")


def test_a_model_whose_outputs_are_otherwise_is_refused():
    with pytest.raises(ValueError, match="tell outputs="):
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
