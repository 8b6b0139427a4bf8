"""What does this loss really optimise? Told from what it does, never from its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from vaelib.audit import (
    gradients,
    learned,
    likelihood,
    near_prior,
    noise,
    sampler,
    samples,
    value,
    words,
)
from vaelib.audit.arguments import ROLES, bind
from vaelib.audit.probe import Probe, Unreadable, beginnings
from vaelib.audit.report import Audit
from vaelib.audit.shapes import AXES, Case

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
        named = tried.value is not None and tried.together != samples.UNKNOWN
        if found is None or named or (tried.value is not None and found.value is None):
            found, kept = tried, (probe, case)
        if "z" not in probe.roles or (found.value and found.together != samples.UNKNOWN):
            break
    elsewhere = _elsewhere(loss, binding, entry, shape, kept[1], found)
    seen = _module(module, data, shape, outputs, kept[0]) if module is not None else None
    return replace(
        found, sampler=seen, binary=_binary(data), sizes=sizes, elsewhere=elsewhere
    )  # fmt: skip


def _one(probe: Probe, case: Case) -> Audit:
    """All that the loss itself tells, with one layout."""
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    sampling = probe(inputs) != probe(inputs, 1)
    p = learned.learned(probe, case, likelihood.read(probe, case))
    d = noise.read(probe, case) if sampling else near_prior.read(probe, case)
    told = p.per_pixel is not None and (d.standard or d.other_prior is not None)
    v = value.read(probe, case, p, d) if told else None
    several = told and case.layout.samples is not None
    return Audit(
        p, d, v, gradients.read(probe, case, d), sampling, probe.fresh,
        samples.together(probe, case, p, d, v) if several else None, None, None,
        told and (sampling or value.consistent(probe, case, p, d)),
        tuple(probe.output(inputs).shape), "", case.layout,
    )  # fmt: skip


def _elsewhere(loss, binding, entry, shape, kept: Case, found: Audit) -> str:
    """How pixels are reduced in images of channels, height and width, if not as in rows."""
    if found.likelihood.per_pixel is None or kept.layout.axes != ("batch", "pixels", "latents"):
        return ""
    rows = words.over_pixels(found.likelihood.per_pixel, kept.layout)
    for probe, case in beginnings(loss, binding, entry, shape):
        if case.layout == replace(kept.layout, image=case.image) and len(case.image) == 3:
            p = likelihood.read(probe, case)
            images = p.per_pixel and words.over_pixels(p.per_pixel, case.layout)
            return f"for images of shape (C, H, W): {images}" if images not in (None, rows) else ""
    return ""


def _module(module: nn.Module, data, shape, outputs, probe: Probe) -> sampler.Sampler:
    if shape is None:
        raise ValueError("with a module, tell data=…, or the shape of an image: shape=(1, 28, 28)")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((IMAGES, *shape), generator=generator) if data is None else data[:IMAGES]
    return sampler.read(module, x, outputs, probe)


def _binary(data: Tensor | None) -> bool | None:
    return None if data is None else bool(((data == 0) | (data == 1)).all())


def _sizes(shape: tuple[int, ...] | None, batch: int, latents: int) -> dict[str, int]:
    shape = (1, 28, 28) if shape is None else shape
    if not shape or min(*shape, batch, latents) < 1:
        raise ValueError(f"sizes must be at least 1, got {shape}, {batch}, {latents}")
    image = dict(zip(AXES[3], shape, strict=True)) if len(shape) == 3 else {}
    return {"batch": batch, "pixels": prod(shape), **image, "latents": latents}
