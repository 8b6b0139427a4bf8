"""What any two distributions must have in common, and how errors name them."""

from __future__ import annotations

from torch.distributions import Distribution, Independent


def same_event(q: Distribution, p: Distribution) -> None:
    if q.event_shape != p.event_shape:
        raise ValueError(
            "q and p must have one event shape, "
            f"got {tuple(q.event_shape)} and {tuple(p.event_shape)}"
        )


def name(q: Distribution) -> str:
    if isinstance(q, Independent):
        return f"Independent({name(q.base_dist)})"
    return type(q).__name__
