"""Losses in the manner of well-known projects, written afresh: some right, some not."""

import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.nn import functional as F


def right(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)
    return (bce + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def classic_example(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def mean_mse_and_little_kl(*args, **kwargs):
    recons, images, mu, log_var = args[:4]
    error = F.mse_loss(recons, images)
    kld = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
    return {
        "loss": error + kwargs["M_N"] * kld,
        "Reconstruction_Loss": error.detach(),
        "KLD": -kld.detach(),
    }


def mean_bce_times_784(y_true, y_pred, z_mean, z_log_var):
    reconstruction = 784 * F.binary_cross_entropy(y_pred, y_true, reduction="none").mean(-1)
    kl = -0.5 * (1 + z_log_var - z_mean.square() - z_log_var.exp()).sum(-1)
    return (reconstruction + kl).mean()


def mean_over_everything(x_hat, x, mu, logvar):
    return F.binary_cross_entropy(x_hat, x) - 0.5 * (1 + logvar - mu**2 - logvar.exp()).mean()


def log_sigma_as_if_log_variance(output, target, mean, log_sigma):
    bce = F.binary_cross_entropy(output, target, reduction="none").flatten(1).sum(1)
    return (bce + 0.5 * (mean**2 + log_sigma.exp() - log_sigma - 1).sum(1)).mean()


def without_the_half(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)
    return (bce + (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def wrong_sign(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy(x_hat, x, reduction="sum")
    kl = 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return (bce + kl) / len(x)


def scheduled(recon, inputs, mu, logvar, kl_weight):
    error = F.mse_loss(recon, inputs, reduction="sum") / len(inputs)
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
    return error + kl_weight * kl


def learned_variance(x_hat, x_logvar, x, mu, logvar):
    likelihood = Normal(x_hat, (x_logvar / 2).exp()).log_prob(x).flatten(1).sum(1)
    return (-likelihood + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)).mean()


def sampled_inside(logits, x, mu, sigma):
    q = Normal(mu, sigma)
    z = q.rsample()
    kl = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(1)
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return (bce + kl).mean()


def log_weights(recon, x, mu, logvar, z):
    """log w of each sample and image, samples first."""
    log_p = -F.binary_cross_entropy(recon, x.expand_as(recon), reduction="none").flatten(2).sum(2)
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(2)
    return log_p + log_prior - Normal(mu, (logvar / 2).exp()).log_prob(z).sum(2)


def importance_weighted(recon, x, mu, logvar, z):
    log_w = log_weights(recon, x, mu, logvar, z)
    return -(log_w.logsumexp(0) - torch.tensor(float(len(log_w))).log()).mean()


def averaged(recon, x, mu, logvar, z):
    return -log_weights(recon, x, mu, logvar, z).mean()


def sum_of_weights(recon, x, mu, logvar, z):
    return -log_weights(recon, x, mu, logvar, z).logsumexp(0).mean()


def own_weights(recon, x, mu, logvar, z):
    log_w = log_weights(recon, x, mu, logvar, z)
    return -(log_w.softmax(0) * log_w).sum(0).mean()


class AnotherLibrary(nn.Module):
    """A right one, by distributions, as a method that gives three values."""

    def forward(self, probabilities, batch, loc, scale):
        p = Independent(Bernoulli(probabilities, validate_args=False), probabilities.dim() - 1)
        q = Independent(Normal(loc, scale), 1)
        kl = kl_divergence(q, Independent(Normal(torch.zeros_like(loc), 1.0), 1))
        error = -p.log_prob(batch)
        return (error + kl).mean(), error.mean(), kl.mean()


class LearnedScale(nn.Module):
    """A right one whose σ is a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(-1.0))

    def forward(self, x_hat, x, mu, logvar):
        p = Normal(x_hat, self.log_sigma.exp().to(x_hat))
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
        return -p.log_prob(x).flatten(1).sum(1).mean() + kl.sum(1).mean()


def batch_variance(x_hat, x, mu, logvar):
    """σ² is the batch's mean squared error, at each call anew."""
    variance = (x - x_hat).square().mean()
    error = 0.5 * x.numel() * (torch.log(2 * torch.pi * variance) + 1) / len(x)
    return error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()


def free_bits(x_hat, x, mu, logvar):
    bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1)
    return (bce + kl.clamp(min=0.5).sum(1)).mean()


class WarmingUp:
    """The KL's weight grows from call to call."""

    def __init__(self):
        self.step = 0

    def __call__(self, x_hat, x, mu, logvar):
        self.step += 1
        bce = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)
        return (bce + min(1.0, self.step / 100) * kl).mean()


def maximum_mean_discrepancy(x_hat, x, mu, logvar):
    error = F.mse_loss(x_hat, x)
    kernel = torch.exp(-(mu[:, None] - mu[None]).square().mean(2))
    return error + kernel.mean() + 0 * logvar.sum()
