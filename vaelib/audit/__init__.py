"""What does this loss really optimise? Told from what it does, never from its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from vaelib.audit import words
from vaelib.audit.binding import ROLES, bind
from vaelib.audit.divergence import find_noisy_divergence
from vaelib.audit.learned import find_learned_variance
from vaelib.audit.likelihood import find_likelihood
from vaelib.audit.near_prior import find_divergence
from vaelib.audit.probe import Probe, Unreadable, beginnings
from vaelib.audit.reach import find_gradients
from vaelib.audit.report import Audit
from vaelib.audit.sampler import Sampler, find_sampler
from vaelib.audit.shapes import AXES, Case
from vaelib.audit.value import UNKNOWN, consistent, find_together, find_value

IMAGES = 64  # that a model is shown

__all__ = ["Audit", "Unreadable", "audit"]


def audit(
    loss: Callable,
    module: nn.Module | None = None,
    *,
    data: Tensor | None = None,
    shape: tuple[int, ...] | None = None,
    batch: int = 128,
    latents: int = 20,
    entry: int | str | tuple | None = None,
    outputs: tuple[str, ...] = ("x_hat", "mu", "logvar"),
    **told,
) -> Audit:
    """Tell what a loss really optimises.

    The loss is called with inputs made for the purpose, of several sizes, and its values are
    explained as

    ::

        loss = s Σ_n [−log p(x_n|z_n) + β KL(q ‖ N(0, I))] + c

    Args:
        loss: any callable with arguments x̂, x, μ, the encoder's second head, and where it wants
            them z and the decoder's own scale; they are known by their names.
        module: the model whose loss it is, to judge by its draws what its second head means.
        data: images that it will see, shape ``(batch, *shape)``; tells whether they are binary.
        shape: of an image, for which β and σ² are given as numbers; 784 pixels without it.
        batch: images in a batch, for the same.
        latents: coordinates of z, for the same.
        entry: which entry of the result is the loss, where that is a tuple or a mapping; several
            are added.
        outputs: what ``module(x)`` returns, in its order.
        told: ``x_hat="recons"`` or ``x_hat=0`` tells an argument by its name or place, likewise
            ``x``, ``mu``, ``logvar``, ``z`` and ``scale``; every other keyword is passed on. A loss
            that takes them in another form is wrapped:
            ``audit(lambda x_hat, x, mu, logvar: loss((x_hat, mu, logvar), x))``.

    Returns:
        The findings, each with its evidence; in nats.

    Raises:
        TypeError: the loss cannot be called.
        ValueError: an argument whose role stays open, or wrong sizes.
        Unreadable: the loss ran on no inputs, or gives several values that could be meant; a
            ``ValueError``, too.

    >>> def loss(x_hat, x, mu, logvar):
    ...     kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
    ...     return torch.nn.functional.binary_cross_entropy(x_hat, x) + kl
    >>> found = audit(loss)
    >>> round(found.beta), found.bound, found.elbo
    (784, True, False)
    >>> found.advice[-23:]
    'as written β = D = 784.'
    """
    roles = {name: told.pop(name) for name in ROLES if name in told}
    binding = bind(loss, roles, told)
    if data is not None:
        shape = tuple(data.shape[1:])
    sizes = _sizes(shape, batch, latents)
    found = None
    for probe, case in beginnings(loss, binding, entry, shape):
        tried = _one(probe, case)
        named = tried.value is not None and tried.together != UNKNOWN
        if found is None or named or (tried.value is not None and found.value is None):
            found, kept = tried, probe
        if named or "z" not in probe.roles:
            break
    return replace(
        found, elsewhere=_elsewhere(beginnings(loss, binding, entry, shape), found), sizes=sizes,
        sampler=None if module is None else _module(module, data, shape, outputs, kept),
        binary=None if data is None else bool(((data == 0) | (data == 1)).all()),
    )  # fmt: skip


def _one(probe: Probe, case: Case) -> Audit:
    """All that the loss itself tells, with one layout."""
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    sampling = probe(inputs) != probe(inputs, 1)
    p = find_learned_variance(probe, case, find_likelihood(probe, case))
    d = (find_noisy_divergence if sampling else find_divergence)(probe, case)
    told = p.per_pixel is not None and (d.standard or d.other_prior is not None)
    v = find_value(probe, case, p, d) if told else None
    several = told and case.layout.samples is not None
    return Audit(
        likelihood=p, divergence=d, value=v, gradients=find_gradients(probe, case, d),
        sampling=sampling, stateful=probe.fresh,
        together=find_together(probe, case, p, d, v) if several else None,
        consistent=told and (sampling or consistent(probe, case, p, d)),
        unreduced=tuple(probe.output(inputs).shape), layout=case.layout,
    )  # fmt: skip


def _elsewhere(begun: Iterator[tuple[Probe, Case]], found: Audit) -> str:
    """How pixels are reduced in images of channels, height and width, if not as in rows."""
    rows, kept = found.likelihood.per_pixel, found.layout
    if rows is None or kept.axes != ("batch", "pixels", "latents"):
        return ""
    for probe, case in begun:
        if case.layout == replace(kept, image=case.image) and len(case.image) == 3:
            w = find_likelihood(probe, case).per_pixel
            images = w and words.over_pixels(w, case.layout)
            told = images not in (None, words.over_pixels(rows, kept))
            return f"for images of shape (C, H, W): {images}" if told else ""
    return ""


def _module(module: nn.Module, data, shape, outputs, probe: Probe) -> Sampler:
    if shape is None:
        raise ValueError("with a module, tell data=…, or the shape of an image: shape=(1, 28, 28)")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((IMAGES, *shape), generator=generator) if data is None else data[:IMAGES]
    return find_sampler(module, x, outputs, probe)


def _sizes(shape: tuple[int, ...] | None, batch: int, latents: int) -> dict[str, int]:
    shape = (1, 28, 28) if shape is None else shape
    if not shape or min(*shape, batch, latents) < 1:
        raise ValueError(f"sizes must be at least 1, got {shape}, {batch}, {latents}")
    image = dict(zip(AXES[3], shape, strict=True)) if len(shape) == 3 else {}
    return {"batch": batch, "pixels": prod(shape), **image, "latents": latents}
