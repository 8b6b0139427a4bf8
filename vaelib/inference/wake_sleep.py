"""The wake-sleep algorithm, as an objective like any other."""

import torch
from torch import Tensor

from vaelib.objectives import log_joint
from vaelib.objectives.joint import drawn


def wake_sleep(model, x: Tensor) -> Tensor:
    """What both phases of wake-sleep climb; its gradient is their step, its value no bound.

    ::

        wake:   z ~ q(z|x),        climb log p(x, z) in theta
        sleep:  (x', z') ~ p,      climb log q(z'|x') in phi
                which descends E_p(x)[KL(p(z|x) ‖ q(z|x))]
        value = log p(x, z) + log q(z'|x')

    The wake phase teaches the model theta what the encoder sees, as the bound does. The sleep phase
    teaches the encoder phi what the model dreams, where the bound has it learn from data, by the
    divergence the other way round. So the two phases climb no common function. Samples are held
    fixed, so discrete latents and pixels will do.

    Args:
        model: gives ``prior``, ``decode`` and ``encode``.
        x: data, shape ``(*batch, observed)``; as many dreams are drawn.

    Returns:
        The value in nats, shape ``(*batch)``. Maximise it with ``fit(..., objective=wake_sleep)``.

    Raises:
        ValueError: wrong shapes or bad data.

    Source:
        Hinton, Dayan, Frey and Neal (1995).

    >>> from vaelib.distributions import diagonal_normal
    >>> from vaelib.models import Model
    >>> prior = diagonal_normal(torch.zeros(2), 1.0)
    >>> decode = lambda z: diagonal_normal(z, 0.5)
    >>> encode = lambda x: diagonal_normal(0.8 * x, 0.4)
    >>> wake_sleep(Model(prior, decode, encode), torch.zeros(3, 2)).shape
    torch.Size([3])
    """
    with torch.no_grad():
        z = drawn(model.encode(x))
        z_dreamt = drawn(model.prior, x.shape[:-1])
        x_dreamt = drawn(model.decode(z_dreamt))
    return log_joint(model, x, z) + model.encode(x_dreamt).log_prob(z_dreamt)
