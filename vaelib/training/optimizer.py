"""How the parameters move: the optimizer, and its step size as training goes on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from vaelib.training import shares

ADAM = partial(Adam, fused=True)
WIDE = 1024  # inputs of a layer from which on the steps of its weights are smaller


def by_width(parameters: Iterable[Tensor], lr: float, **settings) -> Optimizer:
    """Adam, its steps smaller for weights of layers with many inputs.

    ::

        step size = lr · min(1, 1024 / inputs)

    Each step of Adam moves all weights by as much, so a sum over many inputs moves by more.

    Source:
        Yang et al. (2022), table 8, for Adam's hidden and output layers.
    """
    groups: dict[float, list[Tensor]] = {}
    for p in parameters:
        groups.setdefault(min(1.0, WIDE / p[0].numel() if p.ndim > 1 else 1.0), []).append(p)
    shared = [{"params": each, "lr": lr * s, "share": s} for s, each in groups.items()]
    return Adam(shared, lr=lr, fused=True, **settings)


class Averaging(Adam):
    """Adam, but the codes of a codebook are averages of what they stood for: online k-means.

    ::

        N_k     ← decay N_k + n_k
        codes_k ← codes_k − g_k / N_k,    g_k = Σ_{h: k(h) = k} (codes_k − h)

    over the n_k vectors h of a minibatch whose nearest code is k. With ``decay=1`` each code is the
    mean of all that it stood for. The quantiser's penalty has the gradient 2 g, so the average is a
    gradient step of size 1 / (2 N_k) for each code.

    Args:
        parameters: all that learn, the codes among them.
        lr: step size of Adam for the others.
        codebook: a :class:`~vaelib.models.Codebook`; its ``counts`` are N.
        decay: above 0, up to 1.

    Raises:
        ValueError: another decay, or a codebook that is none of the model's.

    Source:
        van den Oord, Vinyals and Kavukcuoglu (2017), appendix A.1; Bottou and Bengio (1995).
    """

    def __init__(self, parameters, lr: float, codebook, decay: float = 1.0) -> None:
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, got {decay}")
        self.codebook, self.decay, parameters = codebook, decay, [*parameters]
        others = [p for p in parameters if p is not codebook.codes]
        if len(others) == len(parameters):
            raise ValueError("the codebook's codes are not among the parameters that learn")
        for taken in (codebook.uses, codebook.sums):
            taken.zero_()
        still = {"params": [codebook.codes], "lr": 0.0, "share": 0.0}
        how = {"fused": True, "capturable": codebook.codes.is_cuda}
        super().__init__([{"params": others}, still], lr=lr, **how)

    @torch.no_grad()
    def step(self, closure=None) -> None:
        super().step(closure)
        book, codes = self.codebook, self.codebook.codes
        uses, sums = shares.total(book.uses)[:, None], shares.total(book.sums)
        book.counts.mul_(self.decay).add_(uses.squeeze(1))
        moved = (sums - uses * codes) / book.counts[:, None]
        codes.add_(torch.where(uses > 0, moved, 0.0))
        for taken in (book.uses, book.sums):
            taken.zero_()


@dataclass(frozen=True)
class Steps:
    """How the parameters move, where more than a step size is to be said.

    Args:
        size: step size, or a function epoch ↦ step size.
        optimizer: ``parameters, lr=... ↦ Optimizer``; Adam in one fused kernel if not given.
        by_step: whether the function is one of the step instead, counted from 0 and over all
            epochs; on a GPU no step is then recorded.
        shuffle: whether each epoch takes the rows in another order.
    """

    size: float | Callable[[int], float] = 1e-3
    optimizer: Callable[..., Optimizer] = ADAM
    by_step: bool = False
    shuffle: bool = True

    def at(self, when: int) -> float:
        """The step size of an epoch or a step."""
        step_size = self.size(when) if callable(self.size) else self.size
        if not step_size > 0:
            raise ValueError(f"learning_rate must be positive, got {step_size}")
        return step_size

    def start(self, parameters: list[Tensor], device: torch.device) -> Optimizer:
        """The optimizer before its first step; ours can be recorded on a GPU."""
        ours = self.optimizer in (ADAM, by_width) and device.type == "cuda"
        return self.optimizer(parameters, lr=self.at(0), **{"capturable": True} if ours else {})
