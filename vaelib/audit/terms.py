"""The terms of one coordinate that a loss may take of q, and what each is in the mean over ε."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from vaelib.audit.heads import Reading

FORWARD, BACKWARD, SAMPLED, GIVEN = "forward", "backward", "sampled", "given"
CATEGORICAL, CODEBOOK = "categorical", "codebook"
PRIOR = ("prior_mu", "prior_logvar")
WHOLE = (0.5, 0.0, 0.5, -0.5)  # a KL


class Term(NamedTuple):
    """A term of a coordinate.

    Attributes:
        of: its value, from the inputs and the meaning of the second head.
        roles: the inputs to which its gradient counts.
        mean: of which a μ² + m μ + v σ² + g log σ² that gradient is in the mean over ε, where
            z = μ + σε.
        seen: whether the value holds it as it is told.
    """

    of: Callable[[dict[str, Tensor], Reading], Tensor]
    roles: tuple[str, ...]
    mean: tuple[float, float, float, float]
    seen: bool = True


def _noise(i: dict, head: Reading) -> Tensor:
    return (i["z"].reshape(i["mu"].shape) - i["mu"]) ** 2 / head.variance(i["logvar"])


def _kl(i: dict, head: Reading) -> Tensor:
    q, p = head.variance(i["logvar"]), head.variance(i["prior_logvar"])
    return ((q + (i["mu"] - i["prior_mu"]) ** 2) / p - 1 - (q / p).log()) / 2


def _negentropy(i: dict, head: Reading) -> Tensor:
    """Of a categorical q whose logits lie along the last axis."""
    return i["mu"].softmax(-1) * i["mu"].log_softmax(-1)


def _log_variance(i: dict, head: Reading) -> Tensor:
    return head.log_variance(i["logvar"])


def _over_variance(i: dict, head: Reading) -> Tensor:
    return i["mu"] ** 2 / head.variance(i["logvar"])


def _code(i: dict, head: Reading) -> Tensor:
    return (i["z"].reshape(i["mu"].shape) - i["mu"]) ** 2


BOTH = ("mu", "logvar")
FORMS: dict[str, dict[str, Term]] = {
    FORWARD: {
        "μ²": Term(lambda i, head: i["mu"] ** 2, ("mu",), (1, 0, 0, 0)),
        "μ": Term(lambda i, head: i["mu"], ("mu",), (0, 1, 0, 0)),
        "σ²": Term(lambda i, head: head.variance(i["logvar"]), ("logvar",), (0, 0, 1, 0)),
        "log σ²": Term(_log_variance, ("logvar",), (0, 0, 0, 1)),
    },
    BACKWARD: {
        "μ²/σ²": Term(_over_variance, BOTH, (1, 0, 0, 0)),
        "1/σ²": Term(lambda i, head: 1 / head.variance(i["logvar"]), BOTH, (0, 0, 1, 0)),
        "log σ²": Term(_log_variance, BOTH, (0, 0, 0, -1)),
    },
    GIVEN: {
        "KL": Term(_kl, BOTH, WHOLE),
        "KL to the prior": Term(_kl, PRIOR, (0, 0, 0, 0), False),
    },
    CATEGORICAL: {"Σ q log q": Term(_negentropy, ("mu",), WHOLE)},
    CODEBOOK: {
        "codebook": Term(_code, ("z",), (0, 0, 0, 0)),
        "commitment": Term(_code, ("mu",), (1, 0, 0, 0)),
    },
}
FORMS[SAMPLED] = {
    "z²": Term(lambda i, head: i["z"] ** 2, ("z",), (1, 0, 1, 0)),
    "z": Term(lambda i, head: i["z"], ("z",), (0, 1, 0, 0)),
    "(z − μ)²/σ²": Term(_noise, ("z",), (0, 0, 0, 1)),
    "(z − μ)²/σ² to μ": Term(_noise, ("mu",), (0, 0, 0, 0), False),
    "(z − μ)²/σ² to h": Term(_noise, ("logvar",), (0, 0, 0, -1), False),
    **FORMS[FORWARD],
}
