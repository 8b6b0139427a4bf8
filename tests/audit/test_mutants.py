"""Mutants of a right loss, single and in pairs: each is named, or found equal to the right one."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Laplace, Normal
from torch.nn import functional as F

from tests.audit.pages import pages, section
from vaelib.audit import audit

BATCH, PIXELS, LATENTS = 128, 784, 20


def cross_entropy(x_hat, x):
    return F.binary_cross_entropy(x_hat, x, reduction="none")


def closed_form(mu, h):
    return 0.5 * (mu**2 + h.exp() - h - 1)


@dataclass(frozen=True)
class Loss:
    """The right loss, and what may be changed in it."""

    error: callable = cross_entropy
    kl: callable = closed_form
    pixels: callable = lambda t: t.flatten(1).sum(1)
    images: callable = Tensor.mean
    latents: callable = lambda t: t.sum(1)
    kl_images: callable = Tensor.mean
    weight: float = 1.0
    kl_weight: float = 1.0
    whole: callable = lambda value: value

    def __call__(self, x_hat, x, mu, logvar):
        error = self.images(self.pixels(self.error(x_hat, x)))
        kl = self.kl_images(self.latents(self.kl(mu, logvar)))
        return self.whole(self.weight * error + self.kl_weight * kl)


def mean_of_pixels(t):
    return t.flatten(1).mean(1)


def mean_of_latents(t):
    return t.mean(1)


def squares(x_hat, x):
    return (x - x_hat) ** 2


def no_half(mu, h):
    return mu**2 + h.exp() - h - 1


def clamped(mu, h):
    return closed_form(mu, h.clamp(-4, 10))


# value: "elbo", "below" (a bound below the ELBO), "none"; β where it is told; a piece of the page
MUTANTS = {
    "the mean over pixels": (
        Loss(pixels=mean_of_pixels), "below", PIXELS,
        "Divide the reconstruction by the batch size, not by batch × pixels",
    ),
    "the sum over the batch in the error": (
        Loss(images=Tensor.sum), "none", 1 / BATCH,
        "Average both terms over the batch, or sum both; as written β = 1 / M",
    ),
    "the mean over latents": (
        Loss(latents=mean_of_latents), "none", 1 / LATENTS,
        "Sum the KL over the coordinates; as written β = 1 / d",
    ),
    "the sum over the batch in the KL": (
        Loss(kl_images=Tensor.sum), "below", BATCH,
        "Average both terms over the batch, or sum both; as written β = M",
    ),
    "the sum over channels alone": (
        Loss(pixels=lambda t: t.sum(1)), "elbo", 1,
        "for images of shape (C, H, W): sum over channels, mean over height and width",
    ),
    "a sum over pixels, divided by ten more than there are": (
        Loss(pixels=lambda t: t.flatten(1).sum(1) / (t[0].numel() + 10)), "none", float("nan"),
        "Sum over pixels and over coordinates",
    ),
    "a sum over pixels, divided by 784 whatever the size": (
        Loss(pixels=lambda t: t.flatten(1).sum(1) / 784), "below", 784, "sum over pixels",
    ),
    "the KL without ½": (Loss(kl=no_half), "below", 2, "Give the KL its ½"),
    "the KL's sign": (Loss(kl_weight=-1.0), "none", -1, "Turn the sign of the KL"),
    "the error's sign": (Loss(weight=-1.0), "none", -1, "Turn the sign of the reconstruction"),
    "the KL without −1": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h)), "elbo", 1,
        "the value lies 10 nats too high",
    ),
    "the KL with + 1": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h + 1)), "elbo", 1, "Look at the constants",
    ),
    "a head read as log σ": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + (2 * h).exp() - 2 * h - 1)), "elbo", 1,
        "a KL if it is log σ\n",
    ),
    "a head read as σ": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h**2 - 2 * h.log() - 1)), "elbo", 1,
        "a KL if it is σ\n",
    ),
    "a head read as σ²": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h - h.log() - 1)), "elbo", 1, "a KL if it is σ²\n",
    ),
    "a softplus before σ": (
        Loss(kl=lambda m, h: closed_form(m, 2 * F.softplus(h).log())), "elbo", 1,
        "a KL if it is softplus⁻¹ σ\n",
    ),
    "no log σ²": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - 1)), "none", None, "no KL: without log σ²",
    ),
    "no σ²": (Loss(kl=lambda m, h: 0.5 * (m**2 - h - 1)), "none", None, "no KL: without σ²"),
    "no μ²": (
        Loss(kl=lambda m, h: 0.5 * (h.exp() - h - 1) + 0 * m), "none", None, "no KL: without μ²",
    ),
    "log σ² without its ½": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - 1) - h), "none", 2, "KL to N(0, 2 I)",
    ),
    "log σ for log σ² in one term": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h / 2 - 1)), "none", 0.5, "KL to N(0, 0.5 I)",
    ),
    "σ for σ²": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + (h / 2).exp() - h - 1)), "none", None,
        "no divergence that has a name",
    ),
    "μ for μ²": (
        Loss(kl=lambda m, h: 0.5 * (m + h.exp() - h - 1)), "none", None, "no KL: without μ²",
    ),
    "half of μ²": (
        Loss(kl=lambda m, h: 0.5 * (0.5 * m**2 + h.exp() - h - 1)), "none", None,
        "are 0.25, 0.5, 0.5, and must be equal",
    ),
    "plus log σ²": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() + h - 1)), "none", None,
        "are 0.5, 0.5, −0.5, and must be equal",
    ),
    "the KL the other way round": (
        Loss(kl=lambda m, h: 0.5 * ((m**2 + 1) / h.exp() + h - 1)), "none", None,
        "as written it is KL(p ‖ q)",
    ),
    "a prior of mean 1": (
        Loss(kl=lambda m, h: closed_form(m - 1, h)), "none", 1, "KL to N(1, I)",
    ),
    "x and x̂ exchanged": (
        Loss(error=lambda a, b: cross_entropy(b, a)), "none", None, "Exchange the two arguments",
    ),
    "logits": (
        Loss(error=lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none")),
        "elbo", 1, "Bernoulli on logits",
    ),
    "a sigmoid twice": (
        Loss(
            error=lambda a, b: F.binary_cross_entropy_with_logits(a.sigmoid(), b, reduction="none")
        ),
        "none", None, "Leave one sigmoid out",
    ),
    "squared error": (Loss(error=squares), "elbo", None, "σ² = 0.5 at β = 1"),
    "absolute error": (Loss(error=lambda a, b: (a - b).abs()), "elbo", None, "b = 1 at β = 1"),
    "the root of the squared error": (
        Loss(error=squares, images=lambda t: t.sum().sqrt()), "none", None,
        "the root of the batch's squared error",
    ),
    "the norm of each image's error": (
        Loss(error=squares, pixels=lambda t: t.flatten(1).sum(1).sqrt()), "none", None,
        "the root of each image's squared error",
    ),
    "a Huber loss": (
        Loss(error=lambda a, b: F.smooth_l1_loss(a, b, reduction="none")), "none", None,
        "Keep x̂ in [0, 1]",
    ),
    "ink weighed five times": (
        Loss(error=lambda a, b: -(5 * b * a.log() + (1 - b) * (1 - a).log())), "none", None,
        "a cross-entropy that weighs its two terms differently",
    ),
    "a continuous Bernoulli": (
        Loss(error=lambda a, b: -ContinuousBernoulli(a, validate_args=False).log_prob(b)),
        "elbo", 1, "continuous Bernoulli",
    ),
    "a Gaussian with its normaliser": (
        Loss(error=lambda a, b: -Normal(a, 0.1).log_prob(b)), "elbo", 1, "β = 1, σ² = 0.01",
    ),
    "a Gaussian without 2π": (
        Loss(error=lambda a, b: squares(a, b) / 0.02 + torch.tensor(0.1).log()), "elbo", 1,
        "there but for ½ log 2π",
    ),
    "a Laplace with its normaliser": (
        Loss(error=lambda a, b: -Laplace(a, 0.1).log_prob(b)), "elbo", 1, "β = 1, b = 0.1",
    ),
    "a clamp": (Loss(kl=clamped), "elbo", 1, "log σ² clamped to [−4, 10]"),
    "no gradient to μ": (
        Loss(kl=lambda m, h: closed_form(m.detach(), h)), "elbo", 1, "none reaches μ",
    ),
    "no gradient to the second head": (
        Loss(kl=lambda m, h: closed_form(m, h.detach())), "elbo", 1, "none reaches the second head",
    ),
    "no gradient to x̂": (
        Loss(error=lambda a, b: cross_entropy(a.detach(), b)), "elbo", 1, "none reaches x̂",
    ),
    "a number without gradient": (
        Loss(whole=lambda v: v.item()), "elbo", 1, "none reaches x̂ and μ and the second head",
    ),
    "four times the KL": (Loss(kl_weight=4.0), "below", 4, "as written β = 4"),
    "the KL over 784": (Loss(kl_weight=1 / 784), "none", 1 / 784, "as written β = 0.00128"),
    "free bits for a coordinate": (
        Loss(kl=lambda m, h: closed_form(m, h).clamp(min=0.3)), "below", 1,
        "a floor of 0.3 nats under each coordinate's KL",
    ),
    "free bits for an image": (
        Loss(kl_images=lambda t: t.clamp(min=3.0).mean()), "below", 1,
        "a floor of 3 nats under an image's KL",
    ),
    "free bits for a batch": (
        Loss(kl_images=lambda t: t.mean().clamp(min=3.0)), "below", 1,
        "a floor of 3 nats under the batch's mean KL",
    ),
    "a KL driven to 25 nats": (
        Loss(kl_images=lambda t: (t.mean() - 25).abs(), kl_weight=10.0), "none", -10,
        "is driven to 25 nats",
    ),
    "a KL that counts half beyond 30 nats": (
        Loss(kl_images=lambda t: torch.minimum(t.mean(), 15 + t.mean() / 2)), "none", 1,
        "from a KL of 30 nats on, 0.5 times that",
    ),
    "half of everything": (Loss(whole=lambda v: v / 2), "elbo", 1, "divide by 0.5"),
    "bits": (Loss(whole=lambda v: v / 0.6931471805599453), "elbo", 1, "bits per image"),
    "a product of both": (
        Loss(whole=lambda v: v**2), "none", None, "a function that has no name here",
    ),
}  # fmt: skip

PAIRS = {
    "both means over 784": (
        Loss(pixels=mean_of_pixels, kl_weight=1 / 784), "elbo", 1, "Right for these sizes alone",
    ),
    "both sums over the batch": (
        Loss(images=Tensor.sum, kl_images=Tensor.sum), "elbo", 1, "Nothing to change",
    ),
    "twice both": (Loss(weight=2.0, kl=no_half), "elbo", 1, "divide by 2"),
    "both signs": (Loss(weight=-1.0, kl_weight=-1.0), "none", 1, "Minimise minus this value"),
    "the KL's sign twice": (
        Loss(kl_weight=-1.0, kl=lambda m, h: -closed_form(m, h)), "elbo", 1, "Nothing to change",
    ),
    "means over pixels and latents": (
        Loss(pixels=mean_of_pixels, latents=mean_of_latents), "below", PIXELS / LATENTS,
        "and sum the KL over the coordinates; as written β = D / d = 39.2",
    ),
    "no ½ and a sum over the batch": (
        Loss(kl=no_half, kl_images=Tensor.sum), "below", 2 * BATCH, "as written β = 2 · M = 256",
    ),
    "a mean over pixels and no ½": (
        Loss(pixels=mean_of_pixels, kl=no_half), "below", 2 * PIXELS, "β = 2 · D = 1,568",
    ),
    "squared error and no ½": (
        Loss(error=squares, kl=no_half), "elbo", None, "an ELBO with σ² = 1,",
    ),
    "log σ and no ½": (
        Loss(kl=lambda m, h: m**2 + (2 * h).exp() - 2 * h - 1), "below", 2, "a KL if it is log σ\n",
    ),
    "no −1 and twice the KL": (
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h), kl_weight=2.0), "below", 2,
        "½ a coordinate of z: 10 nats an image too high",
    ),
    "a normaliser and twice the KL": (
        Loss(error=lambda a, b: -Normal(a, 0.1).log_prob(b), kl_weight=2.0), "below", 2,
        "β = 2, σ² = 0.01",
    ),
    "a mean over pixels of squares, the KL over 784": (
        Loss(error=squares, pixels=mean_of_pixels, kl_weight=1 / 784), "elbo", None,
        "σ² = D / 1,568 = 0.5 at β = 1",
    ),
}  # fmt: skip


def test_the_right_loss_is_found_right():
    found = audit(Loss())
    assert found.elbo
    assert found.bound
    assert found.beta == pytest.approx(1)
    assert found.advice == "Nothing to change: this is minus an ELBO."


@pytest.mark.parametrize("name", [*MUTANTS, *PAIRS])
def test_each_mutant_is_named_or_found_equal_to_the_right_one(name):
    loss, value, beta, piece = (MUTANTS | PAIRS)[name]
    found = audit(loss)
    assert (found.elbo, found.bound) == {
        "elbo": (True, True), "below": (False, True), "none": (False, False),
    }[value]  # fmt: skip
    assert found.beta == (None if beta is None else pytest.approx(beta, rel=1e-4, nan_ok=True))
    assert piece in str(found)
    assert section(found) == pages()[name]


SAME = (
    "the KL without −1", "the KL with + 1", "half of everything", "bits", "both means over 784",
    "both sums over the batch", "twice both", "the KL's sign twice",
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_what_is_found_equal_has_the_right_gradient_but_for_its_length(name):
    generator = torch.Generator().manual_seed(1)
    x_hat, x = (torch.rand(BATCH, PIXELS, generator=generator).double() for _ in range(2))
    mu, h = (torch.randn(BATCH, LATENTS, generator=generator).double() for _ in range(2))
    leaves = [t.requires_grad_() for t in (0.01 + 0.98 * x_hat, mu, h)]
    mine, right = (
        torch.cat([g.flatten() for g in torch.autograd.grad(f(leaves[0], x, *leaves[1:]), leaves)])
        for f in ((MUTANTS | PAIRS)[name][0], Loss())
    )
    torch.testing.assert_close(mine / mine.norm(), right / right.norm())
