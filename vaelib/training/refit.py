"""The second stage: a prior learns from the codes of a trained model, which stays as it is."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaelib.training.evaluation import History
from vaelib.training.loop import fit
from vaelib.training.run import Validation
from vaelib.validation import check_event


class _OfCodes(nn.Module):
    """The prior as a model of codes, each of which is its own observation."""

    def __init__(self, prior: nn.Module) -> None:
        super().__init__()
        self.prior_module = prior

    @property
    def prior(self) -> Distribution:
        return self.prior_module()

    def decode(self, z: Tensor) -> Distribution:
        return self.prior

    encode = decode


def _log_prior(model, z: Tensor) -> Tensor:
    return model.prior.log_prob(z)


def refit(
    prior: nn.Module,
    codes: Tensor,
    *,
    validation: Tensor | Validation | None = None,
    seed: int = 0,
    **how,
) -> History:
    """Fit a prior to the codes of a trained model: the second stage.

    ::

        maximise 1/N Σ_n log p(z_n),    z_n ~ q(z|x_n)

    As long as encoder and decoder stay, the average bound rises by what KL(aggregate ‖ prior)
    loses. A prior that has ``cover`` begins on the codes; what it holds of the model, an encoder or
    an alphabet, stays as it is.

    Args:
        prior: module whose ``forward()`` returns p(z); its parameters change.
        codes: draws from q(z|x), several of each x where x are few, shape ``(N, *latent)``.
        validation: codes of other data, or a :class:`Validation` of them, with a patience.
        seed: decides the start, and what it decides in :func:`fit`.
        how: ``epochs``, and all else that :func:`fit` takes.

    Returns:
        History; its ``elbo`` is the average log p(z), in nats.

    Raises:
        ValueError: codes of another shape, or none; and as for :func:`fit`.

    Source:
        Ghosh et al. (2020); Dai and Wipf (2019), whose second stage is another VAE.

    >>> from vaelib.models import MixturePrior
    >>> prior, codes = MixturePrior(2, 10), torch.randn(50, 2)
    >>> history = refit(prior, codes, epochs=2, learning_rate=0.01)
    """
    judged = validation if isinstance(validation, Validation) else Validation(validation)
    check_event("codes", codes, prior().event_shape)
    if codes.ndim < 2 or not len(codes):
        raise ValueError(f"codes must have shape (N, *latent), got {tuple(codes.shape)}")
    parts = (getattr(prior, name, nn.Module()) for name in ("encoder", "alphabet"))
    held = [p for part in parts for p in part.parameters() if p.requires_grad]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        getattr(prior, "cover", lambda codes: None)(codes)
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        return fit(
            _OfCodes(prior),
            codes,
            objective=_log_prior,
            validation=replace(judged, objective=_log_prior),
            seed=seed,
            **how,
        )
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
