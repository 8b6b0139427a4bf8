"""Diffusion: a chain whose q is fixed, noise on x, so that only a denoiser is left to learn."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.nn.functional import logsigmoid

from vaelib.distributions import Chain, chain, diagonal_normal, unit_normal
from vaelib.validation import check_counts, check_event


def _cosine(t: Tensor, high: float, low: float) -> Tensor:
    """−2 log tan of an angle that grows evenly, so that alpha is its cosine."""
    start, end = (math.atan(math.exp(-v / 2)) for v in (high, low))
    return -2 * (start + (end - start) * t).tan().log()


#: log snr at times t in [0, 1], from high at 0 to low at 1, by name: (t, high, low) ↦ log snr.
SCHEDULES: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "linear": lambda t, high, low: high + (low - high) * t,
    "polynomial": lambda t, high, low: high + (low - high) * t**3,
    "cosine": _cosine,
}


def noised(x: Tensor, log_snr: Tensor) -> Independent:
    """A row x, scaled, plus noise: alpha² + sigma² = 1, and alpha² / sigma² = snr.

    ::

        q(z_t|x) = N(alpha x, sigma² I)
    """
    return diagonal_normal(log_snr.sigmoid().sqrt() * x, (-log_snr).sigmoid().sqrt())


class Diffusion(nn.Module):
    """The noise q(z|x) of T layers and the p(z) that takes it away: encoder and prior at once.

    ::

        q(z|x) = q(z_T|x) Π_{t>1} q(z_{t−1}|z_t, x)
        p(z)   = N(z_T; 0, I) Π_{t>1} q(z_{t−1}|z_t, x̂(z_t, log snr_t))
        KL_{t−1} = ½ (snr_{t−1} − snr_t) ‖x − x̂(z_t, log snr_t)‖²

    A model is ``VAE(noise, noise, Lowest(decoder, observed))``.

    Args:
        denoiser: z_t, log snr_t ↦ x̂, shape of z_t, where log snr_t is a scalar or goes with the
            rows of z_t; a module if it is to learn.
        observed: length of a row x, and of each layer.
        log_snr: those of the layers, falling, shape ``(T,)``.

    Raises:
        ValueError: ratios that are not finite, or do not fall.

    Source:
        Ho, Jain and Abbeel (2020); Kingma, Salimans, Poole and Ho (2021).

    >>> log_snr = SCHEDULES["linear"](torch.linspace(0, 1, 10), 5.0, -5.0)
    >>> noise = Diffusion(lambda z, log_snr: 0 * z, 2, log_snr)
    >>> noise(torch.ones(3, 2)).batch_shape, noise().event_shape
    (torch.Size([3]), torch.Size([20]))
    """

    def __init__(self, denoiser: Callable, observed: int, log_snr: Tensor) -> None:
        super().__init__()
        check_counts(observed=observed)
        row = log_snr.ndim == 1 and len(log_snr) > 0 and log_snr.is_floating_point()
        if not row or not (log_snr.isfinite().all() and (log_snr.diff() < 0).all()):
            raise ValueError(f"log_snr must be a row of finite numbers that fall, got {log_snr}")
        self.denoiser, self.observed = denoiser, observed
        self.register_buffer("log_snr", log_snr)

    def forward(self, x: Tensor | None = None) -> Chain:
        """q(z|x), or p(z) where no x is given."""
        *_, last = steps = self.log_snr.unbind()
        top = unit_normal(last.new_zeros(self.observed)) if x is None else noised(x, last)

        def layer(s: Tensor, t: Tensor):
            new, kept = -torch.expm1(t - s), (t - s + (logsigmoid(s) - logsigmoid(t)) / 2).exp()

            def given(z: Tensor, *_: Tensor) -> Independent:
                x_hat = self.denoiser(z, t) if x is None else x
                mean = kept * z + s.sigmoid().sqrt() * new * x_hat
                return diagonal_normal(mean, (new * (-s).sigmoid()).sqrt())

            return given

        others = map(layer, steps[-2::-1], steps[:0:-1])
        return chain([self.observed] * len(steps), top, *others)

    def errors(self, x: Tensor, z: Tensor) -> Tensor:
        """The KL of all layers but z_T as weighted errors, shape ``(T − 1, *sample, *batch)``."""
        check_event("x", x, torch.Size([self.observed]))
        check_event("z", z, torch.Size([self.observed * len(self.log_snr)]))
        layers = z.unflatten(-1, (-1, self.observed)).unbind(-2)
        if len(layers) == 1:
            return z.new_zeros(0, *torch.broadcast_shapes(z.shape[:-1], x.shape[:-1]))
        x_hat = torch.stack([*map(self.denoiser, layers[1:], self.log_snr[1:])], -2)
        squares = (x.unsqueeze(-2) - x_hat).square().sum(-1)
        return (self._weights() * squares).movedim(-1, 0)

    def error(self, x: Tensor) -> Tensor:
        """An estimate of the sum of :meth:`errors`, by one layer for each x, shape ``(*batch)``.

        ::

            (T − 1) KL_{t−1},    t even over 2, …, T

        The layers of a batch are spread evenly, each at a draw of its own: less noise, right on
        average.
        """
        rows = x.shape[:-1]
        turn = (torch.rand(()) + torch.arange(rows.numel()) / rows.numel()) % 1
        t = (turn * (T := len(self.log_snr) - 1)).long().reshape(rows).to(x.device)
        log_snr = self.log_snr[1:][t].unsqueeze(-1)
        x_hat = self.denoiser(noised(x, log_snr).sample(), log_snr)
        return T * self._weights()[t] * (x - x_hat).square().sum(-1)

    def _weights(self) -> Tensor:
        return -0.5 * self.log_snr.exp().diff()


def limit(error: Callable, schedule: Callable, nodes: int = 64) -> Tensor:
    """What the KL of all layers but z_T tends to with ever more layers.

    ::

        −½ ∫₀¹ snr'(t) error(log snr(t)) dt = ½ ∫ error d snr

    from the lowest to the highest ratio: nothing is left of the way in between.

    Args:
        error: log snr ↦ E‖x − x̂(z, log snr)‖², shape ``(*batch)``.
        schedule: t ↦ log snr, both in double precision, differentiable.
        nodes: of a Gauss–Legendre rule, at least 1.

    Returns:
        Nats, shape ``(*batch)``.

    Source:
        Kingma, Salimans, Poole and Ho (2021), equations 17 and 18.
    """
    check_counts(nodes=nodes)
    t, w = (torch.as_tensor(v / 2) for v in np.polynomial.legendre.leggauss(nodes))
    with torch.enable_grad():
        snr = (log_snr := schedule(t := (t + 0.5).requires_grad_())).exp()
        (slope,) = torch.autograd.grad(snr.sum(), t)
    return -0.5 * sum(v * error(each) for v, each in zip(w * slope, log_snr.detach(), strict=True))


def score(x_hat: Tensor, z: Tensor, log_snr: Tensor) -> Tensor:
    """The gradient of log p(z_t) in z_t, by the best denoiser, shape of z.

    ::

        x̂(z_t) = E[x|z_t],    ∇ log p(z_t) = (alpha x̂(z_t) − z_t) / sigma²

    Where x is one of finitely many points, which one is a discrete latent of z_t, and all is known.

    Source:
        Efron (2011).

    >>> from vaelib.exact import Discrete
    >>> x, log_snr = torch.tensor([[-1.0], [1.0]]), torch.tensor(0.0)
    >>> half = torch.tensor([0.5, 0.5])
    >>> p = Discrete(half, lambda one_hot: noised(one_hot @ x, log_snr))
    >>> x_hat = p.encode(z := torch.ones(1)).probs @ x  # tanh √2
    >>> p.log_evidence(z), score(x_hat, z, log_snr)
    (tensor(-1.2939), tensor([-0.7436]))
    """
    return (log_snr.sigmoid().sqrt() * x_hat - z) / (-log_snr).sigmoid()
