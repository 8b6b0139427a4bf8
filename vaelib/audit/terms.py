"""The terms that a loss may take of q, and the weights of any terms, told from gradients."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vaelib.audit.heads import Reading
from vaelib.audit.probe import Probe, gradients_to
from vaelib.audit.shapes import Case

FORWARD, BACKWARD, SAMPLED, GIVEN = "forward", "backward", "sampled", "given"
CATEGORICAL, SECOND, CODEBOOK = "categorical", "categorical, the second axis", "codebook"
SQUARE = "square of μ"  # that the forward form is read by
BOTH, PRIOR = ("mu", "logvar"), ("prior_mu", "prior_logvar")
HEADS = (*BOTH, "z", *PRIOR)
STEP = 0.3  # that a parameter of the loss is moved by
WHOLE, NONE = (0.5, 0.0, 0.5, -0.5), (0.0, 0.0, 0.0, 0.0)  # a KL, and no part of it


class Term(NamedTuple):
    """A term of a coordinate."""

    of: Callable[[SimpleNamespace], Tensor]  # its value, from ``symbols``
    roles: tuple[str, ...]  # the inputs to which its gradient counts
    mean: tuple[float, ...]  # a, m, v, g of that gradient in the mean over ε, where z = μ + σε
    seen: bool = True  # whether the value holds it as it is told


def _noise(q: SimpleNamespace) -> Tensor:
    return ((q.z - q.mu) / q.sigma) ** 2


def _kl(q: SimpleNamespace) -> Tensor:
    ratio = (q.sigma / q.prior_sigma) ** 2
    return (ratio + ((q.mu - q.prior_mu) / q.prior_sigma) ** 2 - 1 - ratio.log()) / 2


def _negentropy(q: SimpleNamespace, axis: int) -> Tensor:
    return q.mu.softmax(axis) * q.mu.log_softmax(axis)


FORMS: dict[str, dict[str, Term]] = {
    FORWARD: {
        "μ²": Term(lambda q: q.mu**2, ("mu",), (1, 0, 0, 0)),
        "μ": Term(lambda q: q.mu, ("mu",), (0, 1, 0, 0)),
        "σ²": Term(lambda q: q.sigma**2, ("logvar",), (0, 0, 1, 0)),
        "log σ²": Term(lambda q: 2 * q.sigma.log(), ("logvar",), (0, 0, 0, 1)),
    },
    BACKWARD: {
        "μ²/σ²": Term(lambda q: (q.mu / q.sigma) ** 2, BOTH, (1, 0, 0, 0)),
        "1/σ²": Term(lambda q: q.sigma**-2, BOTH, (0, 0, 1, 0)),
        "log σ²": Term(lambda q: 2 * q.sigma.log(), BOTH, (0, 0, 0, -1)),
    },
    GIVEN: {
        "KL": Term(_kl, BOTH, WHOLE),
        "KL to the prior": Term(_kl, PRIOR, NONE, False),
    },
    CATEGORICAL: {"Σ q log q": Term(partial(_negentropy, axis=-1), ("mu",), WHOLE)},
    SECOND: {"Σ q log q": Term(partial(_negentropy, axis=1), ("mu",), WHOLE)},
    CODEBOOK: {
        "codebook": Term(lambda q: (q.z - q.mu) ** 2, ("z",), NONE),
        "commitment": Term(lambda q: (q.z - q.mu) ** 2, ("mu",), (1, 0, 0, 0)),
    },
}
FORMS[SQUARE] = {"μ²": FORMS[FORWARD]["μ²"]}
FORMS[SAMPLED] = {
    "z²": Term(lambda q: q.z**2, ("z",), (1, 0, 1, 0)),
    "z": Term(lambda q: q.z, ("z",), (0, 1, 0, 0)),
    "(z − μ)²/σ²": Term(_noise, ("z",), (0, 0, 0, 1)),
    "(z − μ)²/σ² to μ": Term(_noise, ("mu",), NONE, False),
    "(z − μ)²/σ² to h": Term(_noise, ("logvar",), (0, 0, 0, -1), False),
    **FORMS[FORWARD],
}

# those to try, by what a loss takes
FORMS_OF = {
    "prior": (GIVEN,), "z": (CODEBOOK, SAMPLED), "heads": (FORWARD, BACKWARD, CATEGORICAL, SECOND),
}  # fmt: skip


def symbols(inputs: dict[str, Tensor], head: Reading) -> SimpleNamespace:
    """What terms are made of: μ, σ, z and the prior's mean and σ, where they are there."""
    found = SimpleNamespace(mu=inputs["mu"], sigma=head.sigma(inputs["logvar"]))
    if "z" in inputs:
        found.z = inputs["z"].reshape(found.mu.shape)
    if "prior_mu" in inputs:
        found.prior_mu, found.prior_sigma = inputs["prior_mu"], head.sigma(inputs["prior_logvar"])
    return found


@dataclass(frozen=True)
class Fit:
    """Coefficients at each place, shape ``(places, columns)``, and the largest residual of each.

    A residual is a share of the largest gradient.
    """

    coefficients: Tensor
    residuals: Tensor

    @property
    def residual(self) -> float:
        return float(self.residuals.max())

    @property
    def alike(self) -> bool:
        """Whether the coefficients are the same at every place."""
        spread = (self.coefficients - self.mean).abs().max()
        return bool(spread <= 1e-4 * self.coefficients.abs().max())

    @property
    def mean(self) -> Tensor:
        return self.coefficients.mean(0)


def fit(probe: Probe, inputs: list[dict], formulas: list[tuple], one: bool = False) -> Fit:
    """The weights with which the gradients of formulas add up to that of the loss.

    Each formula comes with the inputs to which its gradient counts, so that what a loss detaches
    from one of them is seen. Every entry of an input is a place with weights of its own, or all
    have ``one`` weight.
    """
    roles = [r for r in probe.roles if any(r in of for _, of in formulas)]
    blocks = []
    for given in inputs:
        leaves = {r: given[r].detach().clone().requires_grad_() for r in roles}
        grads = [probe.gradients(given, roles)]
        for formula, of in formulas:
            felt = gradients_to(formula(given | leaves), leaves)
            grads.append({r: g for r, g in felt.items() if r in of and g is not None})
        for r in roles:
            shape = (-1, 1) if one else (len(given["x"]), -1)
            columns = [each.get(r, torch.zeros_like(given[r])).reshape(shape) for each in grads]
            blocks.append(torch.stack(columns, -1))
    return solve(torch.cat(blocks).transpose(0, 1))


def means(form: str) -> Tensor:
    """a, m, v, g of each term in the mean over ε, shape ``(terms, 4)``."""
    return torch.tensor([t.mean for t in FORMS[form].values()], dtype=torch.float64)


def fit_form(probe: Probe, inputs: list[dict], form: str, head: Reading) -> Fit:
    """The weights of the terms of a form, at every coordinate."""
    terms = FORMS[form].values()
    formulas = [(lambda i, t=t: t.of(symbols(i, head)).sum(), t.roles) for t in terms]
    return fit(probe, inputs, formulas)


def solve(table: Tensor) -> Fit:
    """Least squares of the first column by the others: ``table`` is ``(places, rows, columns)``."""
    y, a = table[..., :1], table[..., 1:]
    scale, most = a.abs().amax((0, 1)).clamp(min=1e-300), y.abs().max().clamp(min=1e-300)
    if not table.isfinite().all():
        return Fit(torch.nan * a[:, 0], torch.full((len(a),), torch.inf))
    solved = torch.linalg.lstsq(a / scale, y, driver="gelsd").solution
    rest = (a / scale @ solved - y).abs().amax((1, 2))
    return Fit(solved.squeeze(-1) / scale, rest / most)


def drawn(probe: Probe, case: Case, roles, count: int) -> list[dict]:
    """Inputs that differ in these roles alone.

    An x̂ that is held makes a small error, so that digits are left.
    """
    held = {r: v for r, v in case.draw(probe.roles).items() if r not in roles}
    if "x_hat" in held:
        held["x_hat"] = torch.full_like(held["x_hat"], 0.5)
    return [case.draw(probe.roles, seed, held) for seed in range(1, count + 1)]


def moved(probe: Probe, case: Case) -> Iterator[tuple[str, Probe]]:
    """The loss's own parameters that get a gradient, and the loss with each of them moved."""
    owner = getattr(probe.loss, "__self__", probe.loss)
    if not isinstance(owner, nn.Module):
        return
    y = probe.output(case.draw(probe.roles)).sum()
    for name, grad in gradients_to(y, dict(owner.named_parameters())).items():
        if grad is not None and grad.any():
            other = replace(probe, loss=copy.deepcopy(probe.loss))
            with torch.no_grad():
                getattr(other.loss, "__self__", other.loss).get_parameter(name).add_(STEP)
            yield name, other
