"""The catalogue: losses, right and wrong, of each of which ``pages.txt`` holds what is said."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import ContinuousBernoulli, Laplace, Normal
from torch.nn import functional as F

from tests.audit import losses
from tests.audit.losses import right

PROJECTS = {
    "summed over the batch": (losses.classic_example, {}),
    "mean MSE and 0.00025 KL": (
        losses.mean_mse_and_little_kl,
        {"x_hat": 0, "x": 1, "mu": 2, "logvar": 3, "M_N": 0.00025},
    ),
    "mean BCE × 784": (losses.mean_bce_times_784, {}),
    "mean over everything": (losses.mean_over_everything, {}),
    "log σ for log σ², without its model": (losses.log_sigma_as_if_log_variance, {}),
    "without the ½": (losses.without_the_half, {}),
    "the wrong sign": (losses.wrong_sign, {}),
    "a schedule's weight": (losses.scheduled, {"kl_weight": 2.5e-4}),
    "learned variance": (losses.learned_variance, {}),
    "a sampled KL": (losses.sampled_inside, {}),
    "importance-weighted": (losses.importance_weighted, {}),
    "another library": (losses.AnotherLibrary(), {}),
    "a learned scale": (losses.LearnedScale(), {}),
    "the batch's own variance": (losses.batch_variance, {}),
    "free bits": (losses.free_bits, {}),
    "warming up": (losses.WarmingUp(), {}),
    "no KL at all": (losses.maximum_mean_discrepancy, {}),
}


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


# a slip or two in the right loss
MUTANTS = {
    "the mean over pixels": Loss(pixels=mean_of_pixels),
    "the sum over the batch in the error": Loss(images=Tensor.sum),
    "the mean over latents": Loss(latents=mean_of_latents),
    "the sum over the batch in the KL": Loss(kl_images=Tensor.sum),
    "the sum over channels alone": Loss(pixels=lambda t: t.sum(1)),
    "a sum over pixels, divided by ten more than there are": Loss(
        pixels=lambda t: t.flatten(1).sum(1) / (t[0].numel() + 10)
    ),
    "a sum over pixels, divided by 784 whatever the size": Loss(
        pixels=lambda t: t.flatten(1).sum(1) / 784
    ),
    "the KL without ½": Loss(kl=no_half),
    "the KL's sign": Loss(kl_weight=-1.0),
    "the error's sign": Loss(weight=-1.0),
    "the KL without −1": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h)),
    "the KL with + 1": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h + 1)),
    "a head read as log σ": Loss(kl=lambda m, h: 0.5 * (m**2 + (2 * h).exp() - 2 * h - 1)),
    "a head read as σ": Loss(kl=lambda m, h: 0.5 * (m**2 + h**2 - 2 * h.log() - 1)),
    "a head read as σ²": Loss(kl=lambda m, h: 0.5 * (m**2 + h - h.log() - 1)),
    "a softplus before σ": Loss(kl=lambda m, h: closed_form(m, 2 * F.softplus(h).log())),
    "no log σ²": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - 1)),
    "no σ²": Loss(kl=lambda m, h: 0.5 * (m**2 - h - 1)),
    "no μ²": Loss(kl=lambda m, h: 0.5 * (h.exp() - h - 1) + 0 * m),
    "log σ² without its ½": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - 1) - h),
    "log σ for log σ² in one term": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h / 2 - 1)),
    "σ for σ²": Loss(kl=lambda m, h: 0.5 * (m**2 + (h / 2).exp() - h - 1)),
    "μ for μ²": Loss(kl=lambda m, h: 0.5 * (m + h.exp() - h - 1)),
    "half of μ²": Loss(kl=lambda m, h: 0.5 * (0.5 * m**2 + h.exp() - h - 1)),
    "plus log σ²": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() + h - 1)),
    "the KL the other way round": Loss(kl=lambda m, h: 0.5 * ((m**2 + 1) / h.exp() + h - 1)),
    "a prior of mean 1": Loss(kl=lambda m, h: closed_form(m - 1, h)),
    "x and x̂ exchanged": Loss(error=lambda a, b: cross_entropy(b, a)),
    "logits": Loss(error=lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none")),
    "a sigmoid twice": Loss(
        error=lambda a, b: F.binary_cross_entropy_with_logits(a.sigmoid(), b, reduction="none")
    ),
    "squared error": Loss(error=squares),
    "absolute error": Loss(error=lambda a, b: (a - b).abs()),
    "the root of the squared error": Loss(error=squares, images=lambda t: t.sum().sqrt()),
    "the norm of each image's error": Loss(
        error=squares, pixels=lambda t: t.flatten(1).sum(1).sqrt()
    ),
    "a Huber loss": Loss(error=lambda a, b: F.smooth_l1_loss(a, b, reduction="none")),
    "ink weighed five times": Loss(error=lambda a, b: -(5 * b * a.log() + (1 - b) * (1 - a).log())),
    "a continuous Bernoulli": Loss(
        error=lambda a, b: -ContinuousBernoulli(a, validate_args=False).log_prob(b)
    ),
    "a Gaussian with its normaliser": Loss(error=lambda a, b: -Normal(a, 0.1).log_prob(b)),
    "a Gaussian without 2π": Loss(
        error=lambda a, b: squares(a, b) / 0.02 + torch.tensor(0.1).log()
    ),
    "a Laplace with its normaliser": Loss(error=lambda a, b: -Laplace(a, 0.1).log_prob(b)),
    "a clamp": Loss(kl=clamped),
    "no gradient to μ": Loss(kl=lambda m, h: closed_form(m.detach(), h)),
    "no gradient to the second head": Loss(kl=lambda m, h: closed_form(m, h.detach())),
    "no gradient to x̂": Loss(error=lambda a, b: cross_entropy(a.detach(), b)),
    "a number without gradient": Loss(whole=lambda v: v.item()),
    "four times the KL": Loss(kl_weight=4.0),
    "the KL over 784": Loss(kl_weight=1 / 784),
    "free bits for a coordinate": Loss(kl=lambda m, h: closed_form(m, h).clamp(min=0.3)),
    "free bits for an image": Loss(kl_images=lambda t: t.clamp(min=3.0).mean()),
    "free bits for a batch": Loss(kl_images=lambda t: t.mean().clamp(min=3.0)),
    "a KL driven to 25 nats": Loss(kl_images=lambda t: (t.mean() - 25).abs(), kl_weight=10.0),
    "a KL that counts half beyond 30 nats": Loss(
        kl_images=lambda t: torch.minimum(t.mean(), 15 + t.mean() / 2)
    ),
    "half of everything": Loss(whole=lambda v: v / 2),
    "bits": Loss(whole=lambda v: v / 0.6931471805599453),
    "a product of both": Loss(whole=lambda v: v**2),
    "both means over 784": Loss(pixels=mean_of_pixels, kl_weight=1 / 784),
    "both sums over the batch": Loss(images=Tensor.sum, kl_images=Tensor.sum),
    "twice both": Loss(weight=2.0, kl=no_half),
    "both signs": Loss(weight=-1.0, kl_weight=-1.0),
    "the KL's sign twice": Loss(kl_weight=-1.0, kl=lambda m, h: -closed_form(m, h)),
    "means over pixels and latents": Loss(pixels=mean_of_pixels, latents=mean_of_latents),
    "no ½ and a sum over the batch": Loss(kl=no_half, kl_images=Tensor.sum),
    "a mean over pixels and no ½": Loss(pixels=mean_of_pixels, kl=no_half),
    "squared error and no ½": Loss(error=squares, kl=no_half),
    "log σ and no ½": Loss(kl=lambda m, h: m**2 + (2 * h).exp() - 2 * h - 1),
    "no −1 and twice the KL": Loss(kl=lambda m, h: 0.5 * (m**2 + h.exp() - h), kl_weight=2.0),
    "a normaliser and twice the KL": Loss(
        error=lambda a, b: -Normal(a, 0.1).log_prob(b), kl_weight=2.0
    ),
    "a mean over pixels of squares, the KL over 784": Loss(
        error=squares, pixels=mean_of_pixels, kl_weight=1 / 784
    ),
}


# with a model

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


class Apart(Model):
    """Returns heads that x̂ does not come from, though they are the right ones."""

    def forward(self, x):
        x_hat, mu, logvar = super().forward(x)
        return x_hat, mu.clone(), logvar.clone()


def of_logits(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(x_hat, x, reduction="none").flatten(1).sum(1)
    return (bce + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


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
        Loss(kl=lambda m, h: 0.5 * (m**2 + h.clamp(min=-3).exp() - h.clamp(min=-3) - 1)),
        {},
    ),
    "a KL alone": (
        lambda x_hat, x, mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean(),
        {},
    ),
    "other sizes": (losses.mean_over_everything, {"shape": (3, 32, 32), "latents": 64}),
    "rows of other sizes": (losses.mean_over_everything, {"shape": (50,), "batch": 7}),
    "squares and the wrong sign": (Loss(error=squares, kl_weight=-1.0), {}),
    "half of squares": (Loss(error=lambda a, b: squares(a, b) / 2), {}),
    "squares summed over the batch": (Loss(error=squares, images=Tensor.sum), {"batch": 100}),
    "a Gaussian and a KL summed over the batch": (
        Loss(error=lambda a, b: -Normal(a, 0.1).log_prob(b), kl_images=Tensor.sum),
        {},
    ),
    "a Gaussian and another constant": (
        Loss(error=lambda a, b: 5 - Normal(a, 0.1).log_prob(b)),
        {},
    ),
    "a KL to another prior": (
        Loss(kl=lambda m, h: 0.5 * ((m - 1) ** 2 / 4 + h.exp() / 4 - h - 1)),
        {},
    ),
    "the KL the other way round and its sign": (
        Loss(kl=lambda m, h: -0.5 * ((m**2 + 1) / h.exp() + h - 1)),
        {},
    ),
    "a KL over the pixels": (
        lambda x_hat, x, mu, logvar: (
            right(x_hat, x, mu, logvar)
            + (1 / x[0].numel() - 1) * 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
        ),
        {},
    ),
    "a mean over pixels, a KL of no power": (
        Loss(latents=lambda t: t.sum(1) / (t.shape[1] + 5)),
        {},
    ),
}
CATALOGUE = PROJECTS | {name: (loss, {}) for name, loss in MUTANTS.items()} | OTHERS
