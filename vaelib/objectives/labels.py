"""A bound for data whose classes are known of some rows."""

import torch
from torch import Tensor

from vaelib.objectives.bounds import elbo


def semi_supervised(
    model, x: Tensor, alpha: float = 0.0, samples: int = 1, kl: str = "exact"
) -> Tensor:
    """The bound on log p(x, c) where the class c is known, on log p(x) where it is not.

    ::

        L(x, c) = log p(c) + E_q(z|x,c)[log p(x|z, c)]
                  − KL(q(z|x, c) ‖ p(z))
        U(x)    = Σ_c q(c|x) [L(x, c) − log q(c|x)]

    Known rows give ``L + alpha log q(c|x)``, the others U; the sum over the classes is exact. With
    ``alpha`` other than 0, by which known rows teach q(c|x), theirs is no bound.

    Args:
        model: a :class:`vaelib.models.M2` under its ``given(c)``: what is known of c are its
            ``labels``, shape ``(*batch, K)``, one-hot rows, or NaN.
        x: data, shape ``(*batch, *observed)``.
        alpha: weight of the classifier.
        samples: of z for each class, at least 1.
        kl: ``"exact"``, ``"sampled"`` or ``"either"``.

    Returns:
        Nats, shape ``(*batch)``, differentiable in the parameters of the model.

    Raises:
        ValueError: as for :func:`elbo`.

    Source:
        Kingma, Rezende, Mohamed and Welling (2014), equations 6, 7 and 9.
    """
    c, log_q = model.labels, model.classifier(x).logits
    classes = c.new_ones(c.shape[-1]).diag().reshape(-1, *[1] * (c.ndim - 1), c.shape[-1])
    model_of_each = model.vae.given(classes.expand(-1, *c.shape))
    bounds = elbo(model_of_each, x.expand(c.shape[-1], *x.shape), samples, kl)
    joint, known = bounds.movedim(0, -1) + model.probs.log(), ~c.isnan()
    labelled, unlabelled = joint + alpha * log_q, joint - log_q
    weight = torch.where(known, c, log_q.exp())
    term = weight * torch.where(known, labelled, unlabelled)
    return torch.where(weight > 0, term, 0.0).sum(-1)
