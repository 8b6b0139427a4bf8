"""Two normals moved by hand, and the divergence between them in both directions."""

import traitlets

from vaelib.explorer.widget import Explorer

MEANS, WIDTHS, DRAWS = (-3.0, 3.0), (0.5, 2.5), (10, 100_000)


class GaussianExplorer(Explorer, module="averages.js gaussians.js"):
    """Two normal densities on a line, four handles, and the divergence in both directions.

    ::

        KL(q ‖ p) = log(sigma_p / sigma_q) − ½
                    + (sigma_q² + (mu_q − mu_p)²) / 2 sigma_p²
        KL(q ‖ p) ≈ 1/S Σ_s [log q(z_s) − log p(z_s)]
        z_s = mu_q + sigma_q ε_s

    The ε_s are the same numbers at every visit, so that the average follows the hand smoothly. Its
    error bar is ± 2 standard errors; the log ratio of two normals has a finite variance, so the bar
    can be believed.

    Args:
        mu_q: mean of q, from −3 to 3.
        sigma_q: deviation of q, from 0.5 to 2.5.
        mu_p: mean of p.
        sigma_p: deviation of p.
        draws: S, from 10 to 100,000.

    Attributes:
        mu_q: as the arguments, these follow the hand; setting one moves the figure. So do the
            other four.

    Raises:
        traitlets.TraitError: a value outside the range that the figure draws, by name.

    >>> explorer = GaussianExplorer(mu_q=1.0, sigma_q=0.6)
    >>> explorer.mu_p, explorer.sigma_p
    (0.0, 1.0)
    """

    mu_q = traitlets.CFloat().tag(sync=True)
    sigma_q = traitlets.CFloat(1.0).tag(sync=True)
    mu_p = traitlets.CFloat().tag(sync=True)
    sigma_p = traitlets.CFloat(1.0).tag(sync=True)
    draws = traitlets.Int(100).tag(sync=True)

    def __init__(
        self,
        mu_q: float = 0.0,
        sigma_q: float = 1.0,
        mu_p: float = 0.0,
        sigma_p: float = 1.0,
        draws: int = 100,
    ) -> None:
        values = {"mu_q": mu_q, "sigma_q": sigma_q, "mu_p": mu_p, "sigma_p": sigma_p}
        super().__init__({"means": MEANS, "widths": WIDTHS}, draws=draws, **values)

    @traitlets.validate("mu_q", "mu_p", "sigma_q", "sigma_p", "draws")
    def _drawable(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        low, high = {"mu": MEANS, "sigma": WIDTHS, "draws": DRAWS}[name.split("_")[0]]
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name} must lie between {low} and {high}, got {value}")
        return value
