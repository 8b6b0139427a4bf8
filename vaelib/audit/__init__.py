"""What does this loss really optimise? Told from what it does, never from its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from vaelib.audit import words
from vaelib.audit.bends import find_divergence
from vaelib.audit.binding import ROLES, bind
from vaelib.audit.learned import find_learned_prior, find_learned_variance
from vaelib.audit.noisy import find_noisy_divergence
from vaelib.audit.probe import Probe, Unreadable
from vaelib.audit.reach import find_gradients
from vaelib.audit.reconstruction import find_likelihood
from vaelib.audit.report import Audit
from vaelib.audit.sampler import find_sampler
from vaelib.audit.shapes import AXES, CODE_AXES, Case
from vaelib.audit.terms import SAMPLED
from vaelib.audit.together import UNKNOWN, find_together
from vaelib.audit.trials import beginnings
from vaelib.audit.value import find_value
from vaelib.audit.whole import consistent

IMAGES = 64  # that a model is shown

__all__ = ["Audit", "Unreadable", "audit"]


def audit(
    loss: Callable,
    module: nn.Module | None = None,
    *,
    data: Tensor | None = None,
    shape: tuple[int, ...] | None = None,
    batch: int = 128,
    latents: int | tuple[int, ...] = 20,
    entry: int | str | tuple | None = None,
    outputs: tuple[str, ...] | None = None,
    after: int = 0,
    **told,
) -> Audit:
    """Tell what a loss really optimises.

    The loss is called with inputs made for the purpose, of several sizes, and its gradients are
    explained as those of

    ::

        loss = s Σ_n [−log p(x_n|z_n) + β KL(q ‖ N(0, I))] + c

    The values tell c alone.

    Args:
        loss: any callable with arguments x̂, x, μ, the encoder's second head, and where it wants
            them z and the decoder's own scale; they are known by their names.
        module: the model whose loss it is, to judge by its draws what its second head means; it is
            called with images, or with a mapping that holds them.
        data: images that it will see, shape ``(batch, *shape)``; tells whether they are binary.
        shape: of an image, for which β and σ² are given as numbers; 784 pixels without it.
        batch: images in a batch, for the same.
        latents: coordinates of z, for the same, and tried where the loss takes this many alone;
            a tuple where z has axes: ``(T, d)`` or ``(d, h, w)``.
        entry: which entry of the result is the loss; several are added.
        outputs: what ``module(x)`` returns, in its order; x̂, μ and the second head, or by names.
        after: calls to make before a loss that changes from call to call is read.
        told: ``x_hat="recons"`` or ``x_hat=0`` tells an argument by its name or place, likewise
            ``x``, ``mu``, ``logvar``, ``z`` and ``scale``; every other keyword is passed on. A loss
            that takes them in another form is wrapped:
            ``audit(lambda x_hat, x, mu, logvar: loss((x_hat, mu, logvar), x))``.

    Returns:
        The findings, each with its evidence, in nats; ``verdict`` is ``"bound"``, ``"no bound"``
        or, where a part has no name or depends on what was not told, ``"cannot tell"``.

    Raises:
        TypeError: the loss cannot be called.
        ValueError: an argument whose role stays open, or wrong sizes.
        Unreadable: the loss ran on no inputs, or gives several values that could be meant; a
            ``ValueError``, too.

    >>> def loss(x_hat, x, mu, logvar):
    ...     kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
    ...     return torch.nn.functional.binary_cross_entropy(x_hat, x) + kl
    >>> found = audit(loss)
    >>> found.verdict, found.elbo, round(found.beta)
    ('bound', False, 784)
    >>> found.advice[-23:]
    'as written β = D = 784.'
    """
    roles = {name: told.pop(name) for name in ROLES if name in told}
    binding = bind(loss, roles, told)
    shape = shape if data is None else tuple(data.shape[1:])
    code = latents if isinstance(latents, tuple) else (latents,)
    sizes = _sizes(shape, batch, code)
    found = None
    for probe, case in beginnings(loss, binding, entry, shape, after, code):
        tried = _one(probe, case)
        named = bool(tried.divergence.form) and tried.together != UNKNOWN
        samples = case.layout.several > 1 and tried.divergence.form == SAMPLED
        if found is not None and case.layout.samples is not None and not samples:
            continue  # what runs without an axis of samples, and takes nothing of them, has none
        if found is None or named or (tried.value is not None and found.value is None):
            found, kept = tried, probe
        if named or "z" not in probe.roles:
            break
    begun, sampler = beginnings(loss, binding, entry, shape, after, code), None
    if module is not None:
        if shape is None:
            raise ValueError("with a module, tell data=…, or the shape of an image: shape=(784,)")
        x = torch.rand((IMAGES, *shape), generator=torch.Generator().manual_seed(0))
        x = x if data is None else data[:IMAGES]
        sampler = find_sampler(module, x, outputs, kept, found.divergence.head)
    return replace(
        found, elsewhere=_elsewhere(begun, found), sizes=sizes, sampler=sampler,
        binary=None if data is None else bool(((data == 0) | (data == 1)).all()),
    )  # fmt: skip


def _one(probe: Probe, case: Case) -> Audit:
    """All that the loss itself tells, with one layout."""
    inputs = case.draw(probe.roles, torch.Generator().manual_seed(0))
    sampling, value = probe(inputs) != probe(inputs, 1), probe.output(inputs)
    p = find_learned_variance(probe, case, find_likelihood(probe, case))
    d = (find_noisy_divergence if sampling else find_divergence)(probe, case)
    d = find_learned_prior(probe, case, d)
    told = p.per_pixel is not None and d.prior is not None
    v = find_value(probe, case, p, d) if told else None
    several = told and case.layout.samples is not None and case.layout.several > 1
    return Audit(
        likelihood=p, divergence=d, value=v, gradients=find_gradients(probe, case, d),
        sampling=sampling, stateful=probe.fresh,
        together=find_together(probe, case, p, d, v) if several and not p.unnamed else None,
        consistent=told and (sampling or consistent(probe, case, d)),
        unreduced=tuple(value.shape) if value.numel() > 1 else (), layout=case.layout,
    )  # fmt: skip


def _elsewhere(begun: Iterator[tuple[Probe, Case]], found: Audit) -> str:
    """How pixels are reduced in images of channels, height and width, if not as in rows."""
    rows, kept = found.likelihood.per_pixel, found.layout
    if rows is None or kept.image_axes != ("pixels",):
        return ""
    for probe, case in begun:
        if case.layout == replace(kept, image=case.image) and len(case.image) == 3:
            w = find_likelihood(probe, case).per_pixel
            images = w and words.over_pixels(w, case.layout)
            told = images not in (None, words.over_pixels(rows, kept))
            return f"for images of shape (C, H, W): {images}" if told else ""
    return ""


def _sizes(shape: tuple[int, ...] | None, batch: int, code: tuple[int, ...]) -> dict[str, int]:
    shape = (1, 28, 28) if shape is None else shape
    told = ", ".join(map(str, code))
    if not shape or len(code) not in CODE_AXES or min(*shape, batch, *code) < 1:
        raise ValueError(f"sizes must be at least 1, got {shape}, {batch}, {told}")
    image = dict(zip(AXES[3], shape, strict=True)) if len(shape) == 3 else {}
    axes = dict(zip(CODE_AXES[len(code)], code, strict=True))
    return {"batch": batch, "pixels": prod(shape), **image, **axes}
