"""Samples from the latent plane, close to the posterior and blind to no part of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution
from torch.nn.functional import max_pool2d

from vaelib.exact import log_likelihoods

REACH, CELLS = 6.0, 240
CARE = 0.1


class Plane(Distribution):
    """A proposal for importance sampling in two latents that needs no encoder.

    ::

        q(z|x) = 0.1 p(z) + 0.9 h(z)
        h constant on each cell, ∝ max over neighbours of p(x, z)

    The plane from −6 to 6 is cut into 240 × 240 cells. An encoder's normal distribution stands on
    one mode of a posterior that may have several, and samples from it never see the others; here
    all are seen, and the share of the prior keeps every weight finite.

    Args:
        model: gives ``prior``, standard normal in two latents, and ``decode``, pixels of any kind.
        x: data, shape ``(batch, observed)``.

    Source:
        Hesterberg (1995) for the share of the prior.
    """

    has_rsample = True  # as objectives ask for it; no gradient passes through these samples
    arg_constraints: dict = {}  # noqa: RUF012

    def __init__(self, model, x: Tensor) -> None:
        super().__init__((len(x),), torch.Size([2]), validate_args=False)
        self.prior, self.width = model.prior, 2 * REACH / CELLS
        axis = (torch.arange(CELLS).to(x) + 0.5) * self.width - REACH
        z = torch.cartesian_prod(axis, axis)
        score = log_likelihoods(model.decode(z), x) + self.prior.log_prob(z)[:, None]
        score = max_pool2d(score.T.reshape(-1, 1, CELLS, CELLS), 3, 1, 1)
        self.cells = Categorical(logits=score.flatten(1), validate_args=False)

    def rsample(self, sample_shape=()) -> Tensor:
        cell = self.cells.sample(sample_shape)
        plain = self.prior.sample(cell.shape)
        corner = torch.stack([cell // CELLS, cell % CELLS], -1)
        inside = (corner + torch.rand_like(plain)) * self.width - REACH
        return torch.where(torch.rand_like(plain[..., :1]) < CARE, plain, inside)

    def log_prob(self, z: Tensor) -> Tensor:
        index = ((z + REACH) / self.width).floor().long()
        within = ((index >= 0) & (index < CELLS)).all(-1)
        cell = (index * torch.tensor([CELLS, 1])).sum(-1).where(within, 0)
        density = self.cells.log_prob(cell) - 2 * math.log(self.width)
        density = (density + math.log(1 - CARE)).where(within, -torch.inf)
        return density.logaddexp(self.prior.log_prob(z) + math.log(CARE))
