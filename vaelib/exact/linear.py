"""The linear-Gaussian model: everything in closed form."""

import torch
from torch import Tensor
from torch.distributions import Independent, LowRankMultivariateNormal, MultivariateNormal

from vaelib.distributions import diagonal_normal


class LinearGaussian:
    """Probabilistic PCA: a normal latent, mapped linearly, plus noise.

    ::

        p(z) = N(0, I),    p(x|z) = N(Wz + b, sigma² I)
        p(x) = N(b, W Wᵀ + sigma² I)
        p(z|x) = N(Λ⁻¹ Wᵀ (x − b) / sigma², Λ⁻¹),    Λ = I + Wᵀ W / sigma²

    Args:
        W: shape ``(observed, latent)``.
        b: shape ``(observed,)``.
        sigma: standard deviation of the noise, a positive number or scalar tensor.

    Raises:
        ValueError: shapes that do not fit, or a ``sigma`` that is not positive.

    Source:
        Tipping and Bishop (1999).

    >>> model = LinearGaussian(torch.ones(1, 1), torch.zeros(1), 1.0)
    >>> model.encode(torch.ones(1)).mean  # halfway from 0 to x
    tensor([0.5000])
    """

    def __init__(self, W: Tensor, b: Tensor, sigma: Tensor | float) -> None:
        if W.ndim != 2 or b.shape != W.shape[:1]:
            raise ValueError(
                "W must be (observed, latent) and b (observed,), "
                f"got {tuple(W.shape)} and {tuple(b.shape)}"
            )
        sigma = torch.as_tensor(sigma, dtype=W.dtype, device=W.device)
        if sigma.ndim or not sigma > 0:
            raise ValueError(f"sigma must be one positive number, got {sigma}")
        self.W, self.b, self.sigma = W, b, sigma
        self.prior = diagonal_normal(W.new_zeros(W.shape[1]), 1.0)
        self.precision = W.new_ones(W.shape[1]).diag() + W.T @ W / sigma**2

    def decode(self, z: Tensor) -> Independent:
        """p(x|z), batch ``z.shape[:-1]``, event ``(observed,)``."""
        return diagonal_normal(z @ self.W.T + self.b, self.sigma)

    def encode(self, x: Tensor) -> MultivariateNormal:
        """The exact posterior p(z|x), batch ``x.shape[:-1]``, event ``(latent,)``."""
        pull = (x - self.b) @ self.W / self.sigma**2
        mu = torch.linalg.solve(self.precision, pull.unsqueeze(-1)).squeeze(-1)
        return MultivariateNormal(mu, precision_matrix=self.precision)

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape ``(*batch)``, for x of shape ``(*batch, observed)``."""
        noise = self.sigma.square().expand_as(self.b)
        return LowRankMultivariateNormal(self.b, self.W, noise).log_prob(x)
