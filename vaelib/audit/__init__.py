"""What does this loss really optimise? Told from what it does, never from its source."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from vaelib.audit.bends import find_divergence, find_gradients, find_learned_prior
from vaelib.audit.binding import ROLES, bind
from vaelib.audit.probe import Probe, Unreadable
from vaelib.audit.reconstruction import find_learned_variance, find_likelihood
from vaelib.audit.report import Audit
from vaelib.audit.sampler import UNKNOWN, find_sampler, find_together
from vaelib.audit.shapes import CODE_AXES, Case, Layout, Weight
from vaelib.audit.terms import SAMPLED
from vaelib.audit.trials import beginnings
from vaelib.audit.value import Parts, find_value
from vaelib.audit.words import reduced

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
    explained as those of ``s Σ_n [−log p(x_n|z_n) + β KL(q ‖ N(0, I))] + c``; values tell c alone.

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
    binding = bind(loss, {name: told.pop(name) for name in ROLES if name in told}, told)
    shape = shape if data is None else tuple(data.shape[1:])
    code = latents if isinstance(latents, tuple) else (latents,)
    sizes, sampler = _sizes(shape, batch, code), None
    if module is not None and shape is None:
        raise ValueError("with a module, tell data=…, or the shape of an image: shape=(784,)")
    probe, found = _best(beginnings(loss, binding, entry, shape, after, code))
    if module is not None:
        x = torch.rand((IMAGES, *shape), generator=torch.Generator().manual_seed(0))
        x = x if data is None else data[:IMAGES]
        sampler = find_sampler(module, x, outputs, probe, found.divergence.head)
    binary = None if data is None else bool(((data == 0) | (data == 1)).all())
    return replace(found, sizes=sizes, sampler=sampler, binary=binary)


def _best(tries: Iterator[tuple[Probe, Case]]) -> tuple[Probe, Audit]:
    """What is told with the first layout that leaves nothing unnamed, or else gives a value.

    What runs without an axis of samples, and takes nothing of them, has none.
    """
    best = None
    for probe, case in tries:
        found = _one(probe, case)
        named = bool(found.divergence.form) and found.together != UNKNOWN
        sampled = case.layout.several > 1 and found.divergence.form == SAMPLED
        better = best and (named or (found.value and not best[1].value))
        if not best or (better and (sampled or case.layout.samples is None)):
            best = probe, found
            if named or "z" not in probe.roles:
                break
    return best


def _one(probe: Probe, case: Case) -> Audit:
    inputs = case.draw(probe.roles)
    probe.draws, value = probe(inputs) != probe(inputs, 1), probe.output(inputs)
    p = find_learned_variance(probe, case, find_likelihood(probe, case))
    d = find_learned_prior(probe, case, find_divergence(probe, case))
    told = p.per_pixel is not None and d.prior is not None
    parts = Parts(probe, case, p, d)
    v, of = find_value(parts) if told else None, case.layout
    several = told and p.terms and of.several > 1 and of.samples is not None
    return Audit(
        likelihood=p, divergence=d, value=v, gradients=find_gradients(parts),
        sampling=probe.draws, stateful=probe.fresh,
        together=find_together(parts, v) if several else None,
        consistent=told and (probe.draws or parts.consistent()),
        unreduced=tuple(value.shape) if value.numel() > 1 else (), layout=of,
        elsewhere=_elsewhere(probe, case, p.per_pixel),
    )  # fmt: skip


def _elsewhere(probe: Probe, case: Case, w: Weight | None) -> str:
    """How pixels are reduced in images of channels, height and width, if not as in rows."""
    rows, of_images = case.layout, replace(case, layout=replace(case.layout, image=(2, 3, 5)))
    if w and rows.image_axes == ("pixels",):
        with suppress(Exception):  # it takes rows alone
            told = find_likelihood(probe, of_images).per_pixel
            images = told and reduced(told, of_images.layout.image_axes, "pixels")
            if images not in (None, reduced(w, rows.image_axes, "pixels")):
                return f"for images of shape (C, H, W): {images}"
    return ""


def _sizes(shape: tuple[int, ...] | None, batch: int, code: tuple[int, ...]) -> dict[str, int]:
    shape = (1, 28, 28) if shape is None else shape
    if not shape or len(code) not in CODE_AXES or min(*shape, batch, *code) < 1:
        told = ", ".join(map(str, code))
        raise ValueError(f"sizes must be at least 1, got {shape}, {batch}, {told}")
    counts = {"batch": batch, "pixels": prod(shape), "coordinates": prod(code)}
    return counts | Layout(shape, code=code).sizes
