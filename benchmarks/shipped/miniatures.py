"""Each shipped loss written anew, in a few lines; the tests hold the audit to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import NegativeBinomial, Normal
from torch.nn import functional as F


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Of each coordinate, to N(0, 1)."""
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1)


def kl_to(mu: Tensor, logvar: Tensor, prior_mu: Tensor, prior_logvar: Tensor) -> Tensor:
    """Of each coordinate, to another normal."""
    return kl((mu - prior_mu) / (prior_logvar / 2).exp(), logvar - prior_logvar)


def each(t: Tensor) -> Tensor:
    """The sum of each image, averaged."""
    return t.flatten(1).sum(1).mean()


def squares(x_hat: Tensor, x: Tensor) -> Tensor:
    return 0.5 * (x_hat - x) ** 2


def gaussian(x_hat, x, mu, logvar):
    return each(-Normal(x_hat, 1.0).log_prob(x)) + each(kl(mu, logvar))


def half_squares(x_hat, x, mu, logvar):
    return each(squares(x_hat, x)) + each(kl(mu, logvar))


def cross_entropy(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    return bce + kl(mu, logvar).sum()


def words(logits: Tensor, x: Tensor) -> Tensor:
    """Of a document, or of what a user likes, under a multinomial."""
    return -(x * logits.log_softmax(1)).sum(1)


def multinomial(logits, x, mu, logvar):
    return (words(logits, x) + kl(mu, logvar).sum(1)).mean()


def capped_multinomial(logits, x, mu, logvar):
    return (words(logits, x) + 0.2 * kl(mu, logvar).sum(1)).mean()


class LearnedPrior(nn.Module):
    """Words of a document, and a prior that is trained, too."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(0.0))
        self.variance = nn.Parameter(torch.tensor(0.9))

    def forward(self, logits, x, mu, logvar):
        prior = self.mean.to(mu), self.variance.to(mu).log()
        return (words(logits, x) + kl_to(mu, logvar, *prior).sum(1)).sum()


def log_weights(x_hat, x, mu, logvar, z):
    """log w of each of ten samples, whose axis is the second."""
    error = squares(x_hat, x.unsqueeze(1).repeat(1, 10, 1)).sum(2)
    mu, logvar = mu.unsqueeze(1), logvar.unsqueeze(1)
    return (0.5 * (logvar + (z - mu) ** 2 / logvar.exp()) - 0.5 * z**2).sum(2) - error


def own_weights(x_hat, x, mu, logvar, z):
    w = log_weights(x_hat, x, mu, logvar, z)
    return -(w.softmax(1).detach() * w).sum(1).mean()


def half_own_weights(x_hat, x, mu, logvar, z):
    w = log_weights(x_hat, x, mu, logvar, z)
    return 0.5 * own_weights(x_hat, x, mu, logvar, z) - 0.5 * w.mean()


def floor_of_a_coordinate(x_hat, scale, x, mu, logvar):
    error = -Normal(x_hat, (scale / 2).exp()).log_prob(x)
    return each(error) + each(kl(mu, logvar).clamp(min=0.1 * torch.log(torch.tensor(2.0))))


def floor_of_the_batch(x_hat, x, mu, logvar, prior_mu, prior_logvar):
    error = each(-Normal(x_hat, 1.0).log_prob(x))
    return error + each(kl_to(mu, logvar, prior_mu, prior_logvar)).clamp(min=3.0)


def many_squares(x_hat, x, mu, logvar):
    return each(100 * (x_hat - x) ** 2) + each(kl(mu, logvar))


def mean_and_mean(x_hat, x, mu, logvar):
    return F.mse_loss(x_hat, x) + 0.1 * kl(mu, logvar).mean()


def mean_and_little(x_hat, x, mu, logvar):
    return F.mse_loss(x_hat, x) + 0.00025 * each(kl(mu, logvar))


def absolute_and_least(x_hat, x, mu, logvar):
    return each((x_hat - x).abs()) + 1e-6 * each(kl(mu, logvar))


def counts(x_hat, x, mu, logvar):
    """A negative binomial of mean exp(x̂) and inverse dispersion 2, read between counts as well."""
    logits = x_hat - torch.log(torch.tensor(2.0))
    p = NegativeBinomial(2.0, logits=logits, validate_args=False)
    return each(-p.log_prob(x)) + each(kl(mu, logvar))


class TwiceTheError(nn.Module):
    """The complete Gaussian of a σ that is trained, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor(0.1))

    def forward(self, x_hat, x, mu, logvar):
        sigma = self.sigma.to(x_hat)
        error = squares(x_hat.tanh(), x) / sigma**2 + sigma.log()
        return 2 * each(error) + each(kl(mu, logvar))


def capacity_of_nothing(x_hat, x, mu, logvar):
    return F.mse_loss(x_hat, x) + each(kl(mu, logvar)).clamp(min=0, max=0)


def away_from_fifty(x_hat, x, mu, logvar):
    return each(squares(x_hat, x)) + (10 * (kl(mu, logvar).sum(1) - 50).abs()).mean()


def balanced(x_hat, x, mu, logvar, prior_mu, prior_logvar):
    """The KL in two halves: a share of 0.8 trains the prior alone, the rest q alone."""
    q, p = (mu, logvar), (prior_mu, prior_logvar)
    still_q, still_p = ([t.detach() for t in pair] for pair in (q, p))
    shares = 0.8 * each(kl_to(*still_q, *p)) + 0.2 * each(kl_to(*q, *still_p))
    return each(squares(x_hat, x)) + shares
