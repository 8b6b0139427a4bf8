"""Losses of every kind that people ship, each with what is right; it knows nothing of the audit.

``python -m tests.audit.kinds [words…]`` tells how many of them the audit reads right.
"""

import math
import sys

import torch
from torch import distributions as D
from torch import nn
from torch.nn import functional as F

from tests.audit.judge import VERDICTS, Kind, main

IMAGES, PIXELS, LATENTS = 128, 784, 20
SILENT = ("Nothing to change",)  # never beside something that is wrong
KINDS: dict[str, Kind] = {}


def put(name, loss, right="", *, beta=None, sigma2=None, says=(), never=(), raises="", **given):
    """Keep a loss; what is right is one or more of yes (a bound), no and open."""
    assert name not in KINDS, name
    says = (says,) if isinstance(says, str) else says
    verdicts = tuple(VERDICTS[word] for word in right.split())
    KINDS[name] = Kind(loss, verdicts, given, beta, sigma2, says, never, raises)


# fmt: off
def bce(a, x): return F.binary_cross_entropy(a, x, reduction="none")
def from_logits(a, x, **kwargs):
    return F.binary_cross_entropy_with_logits(a, x, reduction="none", **kwargs)

def squares(a, x): return (a - x) ** 2
def absolute(a, x): return (a - x).abs()
def kl(mu, h): return 0.5 * (mu**2 + h.exp() - h - 1)

def two(m, h, prior_m, prior_h):
    return 0.5 * (prior_h - h - 1 + (h.exp() + (m - prior_m) ** 2) / prior_h.exp())

def gaussian(z, m, h): return -0.5 * (h + (z - m) ** 2 / h.exp() + math.log(2 * math.pi))
def each(t): return t.flatten(1).sum(1).mean()

def vae(f=bce, k=kl, over=each, kl_over=each, w=1.0, beta=1.0, end=lambda value: value):
    def loss(x_hat, x, mu, logvar):
        return end(w * over(f(x_hat, x)) + beta * kl_over(k(mu, logvar)))
    return loss

# Classic scripts: the reconstruction, its reduction, the KL's, its weight.
F_OF = {"BCE": (bce, 0), "logits": (from_logits, 0), "MSE": (squares, 2), "L1": (absolute, 1)}
OVER = {"sum": (torch.sum, 1, 1), "each": (each, 1 / IMAGES, 1 / IMAGES),
        "mean": (torch.mean, 1 / (IMAGES * PIXELS), 1 / (IMAGES * LATENTS))}
CLASSIC = """BCE each each 1, BCE sum sum 1, BCE mean each 1, BCE mean mean 1, BCE each mean 1,
    BCE sum each 1, BCE each sum 1, MSE each each 4, BCE each each 4, BCE each each 0.5,
    logits each each 1, logits mean mean 0.001, MSE sum sum 1, MSE mean each 1,
    MSE mean mean 1, MSE mean each 0.00025, MSE each mean 1, MSE sum each 5, L1 sum sum 1,
    L1 mean each 0.01"""
for row in CLASSIC.split(","):
    error, over, kl_over, weight = row.split()
    (f, c), (r, w, _), (kr, _, kw), b = F_OF[error], OVER[over], OVER[kl_over], float(weight)
    right = {"sigma2": b * kw / (c * w)} if c else {"beta": b * kw / w}
    put(row.strip(), vae(f, kl, r, kr, beta=b), "yes" if c or b * kw / w > 0.999 else "no", **right)

# Wrong, or right in another form.
put("KL's sign", vae(beta=-1), "no", says="sign")
put("both signs", vae(w=-1, beta=-1), "no", says="minus")
put("exchanged", vae(lambda a, x: bce(x, a)), "no", says="exchange")
put("no ½", vae(k=lambda m, h: 2 * kl(m, h)), "yes", beta=2)
put("no log", vae(k=lambda m, h: 0.5 * (m**2 + h.exp())), "no", says="log")
put("no μ²", vae(k=lambda m, h: kl(0 * m, h)), "no", says="μ")
put("no variance", vae(k=lambda m, h: 0.5 * (m**2 - h)), "no", says="KL")
put("e^2h but h", vae(k=lambda m, h: 0.5 * (m**2 + (2 * h).exp() - h)), "no open")
put("backward KL", vae(k=lambda m, h: 0.5 * ((1 + m**2) / h.exp() + h)), "no", says="way round")
put("no KL", vae(beta=0.0), "no", says="KL", never=SILENT)
put("penalty on μ", vae(k=lambda m, h: 0.5 * m**2), "no", never=SILENT)
put("sigmoid twice", vae(lambda a, x: from_logits(a.sigmoid(), x)), "no yes", says="sigmoid")
put("root of the mean", vae(squares, over=lambda t: t.mean().sqrt()), "no open")
put("norm of an image", vae(squares, over=lambda t: t.flatten(1).norm(dim=1).mean()), "yes open")
put("of shape (1,)", vae(end=lambda v: v[None]), "yes", beta=1)
put("vector", vae(over=lambda t: t.flatten(1).sum(1), kl_over=lambda k: k.sum(1)), "yes", beta=1)
put("clamped p", vae(lambda a, x: bce(a.clamp(1e-6, 1 - 1e-6), x)), "yes", beta=1)
put("product", lambda x_hat, x, mu, logvar: each(bce(x_hat, x)) * each(kl(mu, logvar)), "no")
put("-T/2 for -d/2", lambda x_hat, x, mu, sigma, steps=10: each(bce(x_hat, x)) + (
    each(0.5 * (mu**2 + sigma**2 - 2 * sigma.log())) - steps / 2), "yes", beta=1, says="nats")

# Sums, units and constants.
def rows_of_784(x_hat, x, mu, logvar):
    return vae()(x_hat.reshape(-1, 784), x.reshape(-1, 784), mu, logvar)

def over_pixels(x_hat, x, mu, logvar):
    return each(bce(x_hat, x)) + each(kl(mu, logvar)) / x[0].numel()

put("784 pixels alone", rows_of_784, "yes", beta=1, says="images of 784 pixels alone")
put("784 times a mean", vae(over=torch.mean, w=784), "yes", beta=1, says="these sizes alone")
put("d + 5", vae(kl_over=lambda k: each(k) / (k.shape[1] + 5)), "no open", says="no power")
put("D + 10", vae(over=lambda t: each(t) / (t[0].numel() + 10)), "yes open", never=SILENT)
put("KL over the pixels", over_pixels, "no", beta=1 / 784, says="divide the KL by the pixels")
put("MSE mean, other sizes", vae(squares, over=torch.mean), "yes", sigma2=15, shape=(30,), batch=7)
put("means of images", vae(over=torch.mean, kl_over=torch.mean), "yes", beta=3072 / 20,
    shape=(3, 32, 32))
put("error's sign", vae(w=-1), "no", says="sign of the reconstruction")
put("half of μ²", vae(k=lambda m, h: kl(m, h) - m**2 / 4), "no", says="0.25, 0.5, 0.5")
put("no −1", vae(k=lambda m, h: kl(m, h) + 0.5), "yes", beta=1, says="10 nats too high")
put("a nat too much", vae(end=lambda v: v + 1), "yes", beta=1, says="1 nats too high")
put("half of everything", vae(end=lambda v: v / 2), "yes", beta=1, says="divide by 0.5")
put("bits", vae(end=lambda v: v / math.log(2)), "yes", beta=1, says="bits per image")
put("square of everything", vae(end=lambda v: v**2), "no open", never=SILENT)
put("a number", vae(end=lambda v: v.item()), "no", says="gradient", never=SILENT)
put("only KL", vae(w=0.0), "no open", never=SILENT)

# Value and gradient.
def part(t, share):
    """All of t's value, a share of its gradient."""
    return (1 - share) * t.detach() + share * t

def dreamer(x_hat, x, mu, logvar, prior_mu, prior_logvar):
    q, p = (mu, logvar), (prior_mu, prior_logvar)
    to_p, to_q = two(mu.detach(), logvar.detach(), *p), two(*q, prior_mu.detach(), p[1].detach())
    return each(bce(x_hat, x)) + 0.8 * each(to_p) + 0.2 * each(to_q)

SEEN = {"says": "gradient", "never": SILENT}
put("balanced KL", vae(k=lambda m, h: part(kl(m, h), 0.2)), "no", beta=0.2, **SEEN)
put("balanced KL, MSE", vae(squares, lambda m, h: part(kl(m, h), 0.2)), "yes", sigma2=0.1, **SEEN)
put("balanced error", vae(lambda a, x: part(bce(a, x), 0.1)), "yes", beta=10, **SEEN)
put("value of 4 KL", vae(k=lambda m, h: part(4 * kl(m, h), 0.25)), "yes", beta=1, says="gradient")
put("KL as a number", vae(kl_over=lambda k: k.sum(1).mean().item()), "no", **SEEN)
put("no decoder", vae(lambda a, x: bce(a.detach(), x)), "no", **SEEN)
put("no gradient to μ", vae(k=lambda m, h: kl(m.detach(), h)), "no", **SEEN)
put("no gradient to h", vae(k=lambda m, h: kl(m, h.data)), "no", **SEEN)
put("half the KL", vae(kl_over=lambda k: each(k[:, :2]) + each(k[:, 2:].detach())), "no", **SEEN)
put("Dreamer's balance", dreamer, "no open", **SEEN)

# Samples.
def sampled(end, at=1):
    def loss(x_hat, x, mu, logvar, z):
        m, h, x = mu.unsqueeze(at), logvar.unsqueeze(at), x.unsqueeze(at).expand_as(x_hat)
        to_prior = gaussian(z, 0 * z, 0 * z) - gaussian(z, m, h)
        return end(to_prior.sum(-1) - bce(x_hat, x).sum(-1))
    return loss

def iwae(w, at=1, k=None): return -(w.logsumexp(at) - math.log(k or w.shape[at])).mean()

def with_z(term):
    return lambda x_hat, x, mu, logvar, z: each(bce(x_hat, x)) + each(term(mu, logvar, z))

def inside(x_hat, x, mu, logvar):
    z = mu + (logvar / 2).exp() * torch.randn_like(mu)
    return each(bce(x_hat, x)) + each(gaussian(z, mu, logvar) + 0.5 * z**2)

def own_five(x_hat, x, mu, logvar, z, samples=5):
    return sampled(lambda w: iwae(w, k=5))(x_hat.expand(len(x), 5, -1), x, mu, logvar, z)

IW = {"says": "importance"}
put("IWAE", sampled(iwae), "yes", **IW)
put("IWAE, K = 50", sampled(lambda w: iwae(w, k=50)), "yes", **IW)
put("IWAE, five of its own", own_five, "yes", **IW)
put("IWAE by weights", sampled(lambda w: -(w.softmax(1).detach() * w).sum(1).mean()), "yes", **IW)
put("weights with gradient", sampled(lambda w: -(w.softmax(1) * w).sum(1).mean()), "no open")
put("mean of the ELBOs", sampled(lambda w: -w.mean()), "yes", beta=1)
put("CIWAE", sampled(lambda w: 0.5 * iwae(w) - 0.5 * w.mean()), "yes")
put("log q − log p", with_z(lambda m, h, z: gaussian(z, m, h) + z**2 / 2), "yes", beta=1)
put("log p − log q", with_z(lambda m, h, z: -gaussian(z, m, h) - z**2 / 2), "no", says="sign")
put("STL", with_z(lambda m, h, z: gaussian(z, m.data, h.data) + z**2 / 2), "yes", beta=1)
put("entropy exact", with_z(lambda m, h, z: 0.5 * z**2 - 0.5 * h), "yes", beta=1)
put("prior exact", with_z(lambda m, h, z: gaussian(z, m, h) + (m**2 + h.exp()) / 2), "yes", beta=1)
put("IWAE without log K", sampled(lambda w: -w.logsumexp(1).mean()), "yes", says="log K")
put("log p twice", with_z(lambda m, h, z: gaussian(z, m, h) + z**2), "no open", says="0.5 I")
put("half of log q", with_z(lambda m, h, z: gaussian(z, m, h) / 2 + z**2 / 2), "no open")
put("z not used", with_z(lambda m, h, z: kl(m, h)), "yes", beta=1)
put("noise inside", inside, "yes", beta=1)

# Floors, turns, capacities.
FLOORS = {
    "image": lambda c: lambda k: k.sum(1).clamp(min=c).mean(),
    "batch": lambda c: lambda k: k.sum(1).mean().clamp(min=c),
    "coordinate": lambda c: lambda k: k.clamp(min=c).sum(1).mean(),
    "coordinate of the batch": lambda c: lambda k: k.mean(0).clamp(min=c).sum(),
    "image above": lambda c: lambda k: (k.sum(1) - c).relu().mean(),
}
for of, c in (("image", 16), ("image", 0.5), ("image above", 33), ("batch", 0.25), ("batch", 30),
              ("coordinate", 0.05), ("coordinate", 2), ("coordinate of the batch", 0.5)):
    put(f"floor {c} of {of}", vae(kl_over=FLOORS[of](c)), "yes", never=SILENT,
        says=("floor|free bits", f"{c} nats"))
put("floor, MSE", vae(squares, kl_over=FLOORS["image"](8)), "yes", says=("floor", "8 nats"))
put("floor λ d", vae(kl_over=lambda k: k.sum(1).clamp(min=0.5 * k.shape[1]).mean()), "yes",
    says=("floor", "10 nats|· d|0.5 d"), never=SILENT)
put("mask of λ", vae(kl_over=lambda k: each((k > 0.5) * k)), "yes open", says="0.5", never=SILENT)
put("ceiling", vae(kl_over=lambda k: k.sum(1).clamp(max=12).mean()), "no", says="12 nats")
put("dearer from 10 on", vae(kl_over=lambda k: (k.sum(1) + 3 * (k.sum(1) - 10).relu()).mean()),
    "yes open", says="10 nats", never=SILENT)
for c in (0.1, 0.5, 5, 25, 100):
    said = {"says": f"{c} nats", "never": (*SILENT, "this is an ELBO", "Turn the sign")}
    put(f"|KL − {c}|, batch", vae(kl_over=lambda k, c=c: (each(k) - c).abs()), "no", **said)
    put(f"|KL − {c}|, image", vae(kl_over=lambda k, c=c: (k.sum(1) - c).abs().mean()), "no", **said)
put("half from 30 on", vae(kl_over=lambda k: each(k).minimum(15 + each(k) / 2)), "no",
    says=("30 nats", "0.5 times"))
put("99 |KL − 5|", vae(squares, kl_over=lambda k: 99 * (each(k) - 5).abs()), "no", says="5 nats")

# Warm-ups and counters.
class WarmUp:
    def __init__(self, weight, step=0):
        self.weight, self.step = weight, step
    def __call__(self, x_hat, x, mu, logvar):
        beta, self.step = self.weight(self.step), self.step + 1
        return each(bce(x_hat, x)) + beta * each(kl(mu, logvar))

def linear(step): return min(1.0, step / 100)
def behind(loss): return lambda x_hat, x, mu, logvar: loss(x_hat, x, mu, logvar)

def counting(calls):
    def loss(x_hat, x, mu, logvar):
        calls.append(1)
        return each(bce(x_hat, x)) + min(1, len(calls) / 100) * each(kl(mu, logvar))
    return loss

LATER = {"says": "call|step", "never": (*SILENT, "Let the gradient through")}
put("warm-up at 0", WarmUp(linear), "no open", **LATER)
put("warm-up at 50", WarmUp(linear, 50), "no", beta=0.5, says="call|step")
put("warm-up done", WarmUp(linear, 900), "yes", beta=1)
put("cyclic", WarmUp(lambda s: (s % 100) / 50), "no open", **LATER)
put("behind a lambda", behind(WarmUp(linear, 50)), "no", beta=0.5, says="call|step")
put("done, behind a lambda", behind(WarmUp(linear, 900)), "yes", beta=1)
put("list of calls", counting([]), "no", beta=0.01, says="call|step")

# Likelihoods, of any scale and of one alone.
LEVEL = 1 / 510

def logistic(a, x, ends=False):
    up, low = ((10 * (x - a + half)).sigmoid() for half in (LEVEL, -LEVEL))
    if ends:
        up, low = torch.where(x > 1 - LEVEL, 1, up), torch.where(x < LEVEL, 0, low)
    return -(up - low).log()

def of(law, *args, **kwargs):
    return lambda x: -law(*args, validate_args=False, **kwargs).log_prob(x)

SCALED = {
    "Student": lambda a, x: 2 * (squares(a, x) / 3).log1p(),
    "Huber": lambda a, x: F.smooth_l1_loss(a, x, beta=0.1, reduction="none"),
    "log cosh": lambda a, x: ((a - x) * 10).cosh().log() / 10,
    "L1 + L2": lambda a, x: absolute(a, x) + squares(a, x),
    "pixels' own weights": lambda a, x: squares(a, x) * torch.linspace(0.5, 2, x.shape[-1]),
    "log-normal": lambda a, x: of(D.LogNormal, a, 1.0)(x),
    "Gamma": lambda a, x: of(D.Gamma, torch.full_like(a, 2.0), 2 / a)(x),
    "logistic, discretised": logistic,
}
ALONE = {
    "Poisson, log rate": lambda a, x: F.poisson_nll_loss(a, x, reduction="none"),
    "Poisson": lambda a, x: of(D.Poisson, a)(x),
    "Poisson that checks": lambda a, x: -D.Poisson(a, validate_args=True).log_prob(x),
    "NB": lambda a, x: of(D.NegativeBinomial, 2.0, logits=a)(x),
    "NB by its mean": lambda a, x: of(D.NegativeBinomial, 2.0, a / (2 + a))(x),
    "zero-inflated": lambda a, x: -(0.3 * (x == 0) + 0.7 * (-of(D.Poisson, a)(x)).exp()).log(),
    "Beta": lambda a, x: of(D.Beta, 10 * a, 10 - 10 * a)(x),
    "continuous Bernoulli": lambda a, x: of(D.ContinuousBernoulli, a)(x),
    "logistic, levels' ends": lambda a, x: logistic(a, x, ends=True),
}
for name, f in (SCALED | ALONE).items():
    put(name, vae(f), "yes", beta=1 if name in ALONE else None)
put("½ KL, Poisson", vae(ALONE["Poisson"], beta=0.5), "no", beta=0.5)
put("4 KL, NB", vae(ALONE["NB"], beta=4), "yes", beta=4)
put("positive weight", vae(lambda a, x: from_logits(a, x, pos_weight=torch.tensor(3.0))), "no open")
put("cosine", vae(lambda a, x: 1 - F.cosine_similarity(a, x, -1)[..., None]), "open")
put("Gaussian, complete", vae(lambda a, x: of(D.Normal, a, 0.1)(x)), "yes", beta=1, sigma2=0.01)
put("Gaussian, 2 KL", vae(lambda a, x: of(D.Normal, a, 0.1)(x), beta=2), "yes", beta=2, sigma2=0.01)
put("Gaussian without 2π", vae(lambda a, x: squares(a, x) / 0.02 + math.log(0.1)), "yes", beta=1,
    sigma2=0.01, says="½ log 2π a pixel")
put("Gaussian and 5", vae(lambda a, x: 5 + of(D.Normal, a, 0.1)(x)), "yes", sigma2=0.01)
put("Laplace, complete", vae(lambda a, x: of(D.Laplace, a, 0.1)(x)), "yes", beta=1, sigma2=0.1)
put("Bernoulli that checks",
    vae(lambda a, x: -D.Bernoulli(a, validate_args=True).log_prob(x)), "yes", beta=1,
    says="it refuses grey ones")
for log in (2, 1, 0):
    put(f"learned σ, {log} log", lambda x_hat, x, mu, logvar, x_logvar, w=log: each(kl(mu, logvar))
        + 0.5 * each(squares(x_hat, x) / x_logvar.exp() + w * x_logvar),
        "yes" if log == 1 else "no", says="σ²")
class Scale(nn.Module):
    def __init__(self, log):
        super().__init__()
        self.log, self.log_sigma = log, nn.Parameter(torch.tensor(-1.0))
    def forward(self, x_hat, x, mu, logvar):
        error = squares(x_hat, x) / (2 * self.log_sigma).exp() / 2 + self.log * self.log_sigma
        return each(error) + each(kl(mu, logvar))

put("σ a parameter", Scale(1), "yes", beta=1, sigma2=math.exp(-2), says="log_sigma")
put("σ a parameter, 0 log", Scale(0), "no", says="Σ ½ log σ²")
put("optimal σ² of an image", vae(squares, over=lambda t: t.mean(1).log().mean() * t.shape[1] / 2),
    "yes", beta=1, shape=(20,))
put("optimal σ²", vae(squares, over=lambda t: t[0].numel() / 2 * t.mean().log()), "yes", beta=1)

# The decoder's last layer inside the loss.
put("sigmoid, MSE", vae(lambda a, x: squares(a.sigmoid(), x)), "yes", sigma2=0.5)
put("tanh, mean", vae(lambda a, x: squares(a.tanh(), x), over=torch.mean), "yes", sigma2=PIXELS / 2)
put("(x + 1)/2", vae(lambda a, x: bce((a + 1) / 2, (x + 1) / 2)), "yes", beta=1)
put("255 levels' squares", vae(lambda a, x: squares(255 * a, 255 * x)), "yes")

# Classes, columns, channels.
def classes(error, beta=1.0):
    return lambda logits, target, mu, logvar: error(logits, target) + beta * each(kl(mu, logvar))

def tokens(a, x, reduction="sum", **kwargs):
    error = F.cross_entropy(a.flatten(0, 1), x.flatten().long(), reduction=reduction, **kwargs)
    return error / (len(x) if reduction == "sum" else 1)

def columns(a, x):
    return each(squares(a[:, :2].tanh(), x[:, :2])) + each(from_logits(a[:, 2:], x[:, 2:]))

def column_classes(a, x):
    return each(squares(a[:, :2], x[:, :2])) + F.cross_entropy(a[:, 2:], x[:, 2:].argmax(1))

def mixture(a, x):  # three numbers a component
    shares, m, s = a.chunk(3, 1)
    up, low = (((x - m + half) / s.exp()).sigmoid() for half in (LEVEL, -LEVEL))
    return -each((shares.log_softmax(1) + (up - low).log()).logsumexp(1))

def one_hot(a, x): return -each(x * a.log_softmax(-1))
put("tokens", classes(tokens), "yes", beta=1)
put("tokens, ½ KL", classes(tokens, 0.5), "no", beta=0.5)
put("tokens, mean", classes(lambda a, x: tokens(a, x, "mean")), "yes")
put("tokens, padded", classes(lambda a, x: tokens(a, x, ignore_index=0)), "yes open")
put("tokens, law", classes(lambda a, x: -each(D.Categorical(logits=a).log_prob(x))), "yes", beta=1)
put("256 levels", classes(lambda a, x: F.cross_entropy(a, (255 * x).long())), "yes", beta=784)
put("one-hot", classes(one_hot), "yes", beta=1)
put("multinomial, 0.2 KL", classes(one_hot, 0.2), "no", beta=0.2)
put("mixed columns", classes(columns), "yes")
put("columns with classes", classes(column_classes), "yes")
put("mixture of logistics", classes(mixture), "yes open", shape=(1, 28, 28))
put("mean and variance", classes(lambda a, x: -each(gaussian(x, *a.chunk(2, 1)))), "yes open",
    shape=(1, 28, 28))

# Priors.
def fixed(net):
    """The same parameters at each run."""
    for p in net.parameters():
        p.data = 0.3 * torch.arange(1.0, p.numel() + 1).mul(2.4).sin().view_as(p)
    return net

class Prior(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.m, self.h = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
    def forward(self, x_hat, x, mu, logvar):
        return each(bce(x_hat, x)) + each(two(mu, logvar, self.m, self.h))

class Mixture(Prior):
    def forward(self, x_hat, x, mu, logvar, z):
        prior = gaussian(z[:, None], self.m, self.h).sum(-1).logsumexp(1) - math.log(len(self.m))
        return each(bce(x_hat, x)) + each(gaussian(z, mu, logvar)) - prior.mean()

PRIOR = {"says": "prior"}
put("learned prior", fixed(Prior(16)), "yes", beta=1, latents=16, **PRIOR)
put("learned prior, 4", fixed(Prior(4)), "yes", beta=1, latents=4, **PRIOR)
put("mixture as prior", fixed(Mixture(5, 16)), "yes open", latents=16, **PRIOR)
put("N(0, 2I)", vae(k=lambda m, h: two(m, h, 0, 0 * h + math.log(2))), "open yes", says="N(0, 2")
put("N(1, I)", vae(k=lambda m, h: kl(m - 1, h)), "open yes", says="N(1, ")
put("N(m)", vae(k=lambda m, h: kl(m - torch.linspace(-1, 1, m.shape[1]), h)), "open yes", **PRIOR)
put("conditional prior", lambda x_hat, x, mu, logvar, prior_mu, prior_logvar: each(bce(x_hat, x))
    + each(two(mu, logvar, prior_mu, prior_logvar)), "yes", beta=1, **PRIOR)
put("two laws", lambda x_hat, x, q, p: each(bce(x_hat, x)) + each(D.kl_divergence(q, p)), "yes")
put("a law and N(0, I)", vae(k=lambda m, h: D.kl_divergence(
    D.Normal(m, (h / 2).exp()), D.Normal(0.0, 1.0))), "yes", beta=1)

# Latents with axes.
put("(B, C, h, w)", vae(kl_over=lambda k: k.sum((1, 2, 3)).mean()), "yes", beta=1)
put("(B, T, d)", vae(kl_over=lambda k: k.sum(2).sum(1).mean()), "yes", beta=1)
put("(B, T, d), mean", vae(squares, kl_over=lambda k: k.sum(2).mean()), "yes")
put("(B, T, d) of 7, mean", vae(kl_over=lambda k: k.sum(2).mean()), "no", beta=1 / 7,
    says="over the positions; as written β = 1 / T = 0.143", latents=(7, 4))
put("(B, d, T)", vae(squares, kl_over=lambda k: k.sum(1).mean()), "yes")

# Networks and further terms.
class Perceptual(nn.Module):
    def __init__(self, weight=1.0, gradient=True):
        super().__init__()
        self.net, self.weight, self.gradient = nn.Conv2d(3, 4, 3), weight, gradient

    def term(self, a, x): return squares(self.net(a).relu(), self.net(x).relu()).mean()
    def forward(self, x_hat, x, mu, logvar):
        with torch.set_grad_enabled(self.gradient):
            term = self.weight * self.term(x_hat, x)
        return each(squares(x_hat, x)) + term + 1e-3 * each(kl(mu, logvar))

class Adversarial(Perceptual):
    def term(self, a, x): return F.softplus(-self.net(a)).mean()
def discrepancy(mu):
    z = torch.randn(mu.shape, dtype=mu.dtype, generator=torch.Generator().manual_seed(0))
    same, other, cross = (torch.cdist(a, b).square().div(-10).exp().mean()
                          for a, b in ((mu, mu), (z, z), (mu, z)))
    return same + other - 2 * cross

def correlation(mu, h):
    inside = gaussian(mu[:, None], mu[None], h[None])
    return (inside.sum(-1).logsumexp(1) - inside.logsumexp(1).sum(-1)).mean()

def beside(term):
    return lambda x_hat, x, mu, logvar: vae()(x_hat, x, mu, logvar) + term(mu, logvar)

NET = {"shape": (3, 32, 32)}
put("perceptual", fixed(Perceptual()), "open", never=SILENT, **NET)
put("perceptual, no gradient", fixed(Perceptual(1.0, False)), "yes", sigma2=5e-4, **NET)
put("adversarial", fixed(Adversarial()), "open", never=SILENT, **NET)
put(".float(), 1e-6", vae(lambda a, x: squares(a, x).float(), lambda m, h: kl(m, h).float(),
    beta=1e-6), "yes", sigma2=5e-7)
put("constant in float32", vae(end=lambda v: v - torch.tensor([0.25])), "yes", beta=1)
put("total correlation beside", beside(lambda m, h: 5 * correlation(m, h)), "open", never=SILENT)
put("MMD beside", beside(lambda m, h: 10 * discrepancy(m)), "open", never=SILENT)
put("nearest of the batch", vae(lambda a, x: squares(a, x[:, None]).amin(1)), "open",
    says="over the whole batch", never=SILENT)

# No Gaussian q.
def uniform(logits):
    q = logits.softmax(-1)
    return q * (q * q.shape[-1] + 1e-20).log()

def vq(x_hat, x, z_e, z_q):
    book, commitment = squares(z_q, z_e.detach()), squares(z_e, z_q.detach())
    return squares(x_hat, x).mean() + book.mean() + 0.25 * commitment.mean()

GUMBEL = {"says": "categorical|uniform"}
NO_KL = {"says": "codebook|commitment|no KL|deterministic|only Gaussian", "never": SILENT}
put("categorical q", lambda x_hat, x, logits: each(bce(x_hat, x)) + each(uniform(logits)), "yes",
    beta=1, **GUMBEL)
put("categorical q as μ", vae(k=lambda m, h: uniform(m)), "yes", beta=1, **GUMBEL)
put("VQ", vq, "no", **NO_KL)
put("VQ, told", vq, "no", mu="z_e", logvar="z_q", **NO_KL)
put("RAE", lambda x_hat, x, z: each(squares(x_hat, x)) + 0.5 * each(z**2), "no open", **NO_KL)
put("WAE", lambda x_hat, x, z: each(squares(x_hat, x)) + discrepancy(z), "no open", **NO_KL)

# Latent diffusion's autoencoder, and codes that are discrete.
class Rombach(nn.Module):
    def __init__(self, nets=1.0, learned=False):
        super().__init__()
        self.nets, self.logvar = nets, nn.Parameter(torch.zeros(()), learned)
        self.lpips, self.critic = fixed(nn.Conv2d(3, 4, 3)), fixed(nn.Conv2d(3, 1, 3))
    def reconstruction(self, a, x):
        lpips = squares(self.lpips(a).relu(), self.lpips(x).relu()).mean((1, 2, 3), keepdim=True)
        nll = (absolute(a, x) + self.nets * lpips) / self.logvar.exp() + self.logvar
        return nll.sum() / len(x) - 0.5 * self.nets * self.critic(a).mean()
    def forward(self, x_hat, x, mu, logvar):
        return self.reconstruction(x_hat, x) + 1e-6 * kl(mu, logvar).sum() / len(x)

def quantised(error, book, commitment):
    return lambda x_hat, x, z_e, z_q: (error(x_hat, x) + book * squares(z_q, z_e.detach()).mean()
        + commitment * squares(z_e, z_q.detach()).mean())
def logit_laplace(a, x, b): return (x.logit() - a).abs() / b + (2 * b * x * (1 - x)).log()
def scaled(f, w=1.0, k=kl):
    return lambda x_hat, x, mu, logvar, x_logscale: (
        each(f(x_hat, x, x_logscale.exp())) + w * each(k(mu, logvar)))
def laplace(a, x, b): return absolute(a, x) / b + b.log()
def on_second(logits, _): return uniform(logits.movedim(1, -1)).sum((1, 2, 3))[:, None]
LDM = {"never": SILENT, "latents": (4, 8, 8), **NET}
put("LDM, L1 and KL", Rombach(0), "yes", sigma2=1e-6, **LDM, says=("Laplace", "b = 10⁻⁶ at β = 1",
    "a noise of 1.41·10⁻⁶ on pixels in [0, 1], finer than their 256 levels"))
put("LDM, L1 and KL, b learned", Rombach(0, True), "no", beta=1e-6, says="log 2 a pixel", **LDM)
put("LDM", Rombach(), "open", sigma2=1e-6, says=("Laplace beside a term over all pixels",
    "b = 10⁻⁶; a perceptual or adversarial term is no log density"), **LDM)
put("MSE, 1e-7", vae(squares, beta=1e-7), "yes", sigma2=5e-8, never=("differ",))
for book, commitment in ((1, 0.25), (0.25, 1)):
    says = f"codebook term of weight {book} and a commitment term of weight {commitment}"
    put(f"VQ-GAN, {book} and {commitment}", quantised(Rombach().reconstruction, book, commitment),
        "no", never=SILENT, says=("Laplace beside", says, "log K"), **NET)
put("VQ-VAE-2", quantised(F.mse_loss, 0, 0.25), "no", never=SILENT, says="no codebook term and a")
put("FSQ", lambda x_hat, x: squares(x_hat, x).mean(), "no", says=("Gaussian", "log K"))
put("dVAE", scaled(logit_laplace, 6.6, on_second), "yes", beta=6.6, latents=(5, 4, 4),
    says=("Laplace of logit x, b from an argument, read as log b", "uniform"))
put("logit-Laplace", vae(lambda a, x: logit_laplace(a, x, torch.tensor(0.3))), "yes",
    says="β = 1 at the scale of the noise that the loss has")
put("Laplace, own b", scaled(laplace), "yes", beta=1, says="log 2 a pixel")
put("Laplace, own b, no log", scaled(lambda a, x, b: absolute(a, x) / b), "no", says="Add Σ log b")
put("Laplace, own b, 2 log", scaled(lambda a, x, b: laplace(a, x, b) + b.log()), "no",
    says="Give Σ log b over the pixels the weight that the error has: as written it has 2 times")

# The second head.
def head(variance): return vae(k=lambda m, h: kl(m, variance(h).log()))
def floored(h): return (F.softplus(h) + 1e-4) ** 2
put("log σ", head(lambda h: (2 * h).exp()), "yes", beta=1)
put("σ", head(lambda h: h**2), "yes", beta=1)
put("σ²", head(lambda h: h), "yes", beta=1)
put("σ = softplus", head(lambda h: F.softplus(h) ** 2), "yes", beta=1)
put("σ² = softplus", head(F.softplus), "yes open")
put("σ = softplus + 1e-4", head(floored), "yes open")
put("σ = elu + 1", head(lambda h: (F.elu(h) + 1) ** 2), "yes open", never=("no KL",))
put("clamp to ±10", head(lambda h: h.clamp(-10, 10).exp()), "yes", beta=1, says="10")
put("clamp from -0.5 on", head(lambda h: h.clamp(min=-0.5).exp()), "yes open", says="0.5")
put("σ² = e^h + 1e-6", head(lambda h: h.exp() + 1e-6), "yes open")

# Arguments.
def named(arguments, right=vae()):  # noqa: B008
    first = [a.split("=")[0].strip() for a in arguments.split(",")][:4]
    return eval(f"lambda {arguments}: right({', '.join(first)})", {"right": right})

for text in ("recon_x, x, mu, logvar", "x_decoded_mean, x, z_mean, z_log_var",
             "recon_img, img, mu, logvar", "x_bar, x, mu, logvar", "output, target, mean, log_var",
             "data_reconstructed, data, mu, logvar", "recon_x, x, mu, logvar=0",
             "x_hat, x, mu, logvar, step=10", "p_x, x, mu_z, logvar_z"):
    put(f"({text})", named(text), "yes", beta=1)
put("x first", named("x, z_decoded, mu, logvar", lambda x, a, *q: vae()(a, x, *q)), "yes", beta=1)
for open_one in ("beta", "kl_weight", "mask"):
    put(f"({open_one})", named(f"recon_x, x, mu, logvar, {open_one}"), raises=f"{open_one}=")
put("kl_weight given", named("recon_x, x, mu, logvar, kl_weight"), "yes", beta=1, kl_weight=1.0)
put("no μ", named("recon_x, x, logvar, w"), raises="no mu|no μ|a KL")
put("several entries", lambda x_hat, x, mu, logvar: {
    "a": each(bce(x_hat, x)), "b": each(kl(mu, logvar)), "c": 1.0}, "yes", beta=1, entry=("a", "b"))

# Models.
class Net(nn.Module):
    def __init__(self, sigma=lambda h: (h / 2).exp(), draw=True, end=torch.sigmoid):
        super().__init__()
        self.e, self.d, self.sigma, self.draw = nn.Linear(20, 8), nn.Linear(4, 20), sigma, draw
        self.end = end
    def forward(self, x):
        mu, h = self.e(x).chunk(2, -1)
        return self.end(self.d(mu + self.sigma(h) * torch.randn_like(mu) * self.draw)), mu, h
    def loss_function(self, recon, x, mu, logvar): return vae()(recon, x, mu, logvar)

class Apart(Net):
    def forward(self, x): return tuple(t.clone() for t in super().forward(x))

class Mapping(Net):
    def forward(self, x):
        recon, mu, h = super().forward(x["data"] if isinstance(self, TakesMapping) else x)
        return {"mu": mu, "logvar": h, "recon": recon}

class TakesMapping(Mapping):
    """Of a batch."""

class Conv(Net):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 4, 4),
                               nn.Flatten(), nn.ReLU(), nn.Linear(128, 8))
        self.d = nn.Sequential(nn.Linear(4, 128), nn.Unflatten(1, (8, 4, 4)), nn.ReLU(),
                               nn.ConvTranspose2d(8, 8, 4, 4), nn.ConvTranspose2d(8, 3, 4, 4))

ROWS = {"shape": (20,)}
put("model", vae(), "yes", beta=1, module=fixed(Net()), **ROWS)
put("model's own method", Net().loss_function, "yes", beta=1)
put("model gives a mapping", vae(), "yes", beta=1, module=fixed(Mapping()), **ROWS)
put("model takes a mapping", vae(), "yes", beta=1, module=fixed(TakesMapping()), **ROWS)
put("model of e^h", vae(), "no", says="agree", module=fixed(Net(torch.exp)), **ROWS)
far = fixed(Net(torch.exp))
far.e.bias.data[4:] -= 4
put("model of e^h, far below 0", vae(), "no", says="draws with it as log σ.", module=far, **ROWS)
put("model of e^h, log σ", head(lambda h: (2 * h).exp()), "yes", beta=1, never=("agree",),
    module=fixed(Net(torch.exp)), **ROWS)
put("model that draws nothing", vae(), "no", says="draw", module=fixed(Net(draw=False)), **ROWS)
put("model of e^(h/3)", vae(), "no", says="something else",
    module=fixed(Net(lambda h: (h / 3).exp())), **ROWS)
put("model's heads apart", vae(), "yes", says="how it draws is open", module=fixed(Apart()), **ROWS)
idle = fixed(Net())
idle.idle = nn.Parameter(torch.ones(2))
put("model, idle parameter", vae(), "yes", beta=1, says="through to idle", module=idle, **ROWS)
put("model without sigmoid", vae(), "no", says="with a sigmoid", module=fixed(Net(end=abs)), **ROWS)
put("model's sigmoid too many", vae(from_logits), "yes", says="last sigmoid", module=fixed(Net()),
    **ROWS)
for levels, right in ((2, "yes"), (17, "no")):
    pixels = torch.arange(640).view(32, 20) % levels / (levels - 1)
    put(f"model, {levels} levels", vae(), right, module=fixed(Net()), data=pixels)
put("model of softplus + 1e-4", head(floored), "yes", beta=1,
    module=fixed(Net(lambda h: F.softplus(h) + 1e-4)), **ROWS)
put("convolutions", vae(), "yes", beta=1, module=fixed(Conv()), shape=(3, 64, 64))

# Rows and images.
put("sum(-1), rows", vae(over=lambda t: t.sum(-1).mean()), "yes", beta=1)
put("sum(1), rows or images", vae(over=lambda t: t.sum(1).mean()), "yes", beta=1,
    says="rows of pixels alone")
for axis, beta in ((-1, 28), (1, 784)):
    put(f"sum({axis}), images", vae(over=lambda t, axis=axis: t.sum(axis).mean()), "yes", beta=beta,
        never=SILENT, shape=(1, 28, 28))
# fmt: on

if __name__ == "__main__":
    main(KINDS, sys.argv[1:])
