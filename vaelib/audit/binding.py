"""Which argument of a loss is which: by its name, or as the caller tells."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter

from torch import nn

REQUIRED = ("x_hat", "x", "mu", "logvar")
OPTIONAL = ("z", "scale")
ROLES = REQUIRED + OPTIONAL

NAMES = {
    "x_hat": """xhat recon recons reconsx reconx reconstr xrecon reconstruction reconstructions
        reconstructed reconstructedx xreconstructed xreconstruction reconbatch rec xrec recx
        output outputs out
        xout ypred yhat pred preds prediction predictions xpred decoded generated logits xlogits
        logit xlogit reconlogits xtilde xprime mux xmu xmean px input inputs y
        probs probability probabilities""",
    "x": """x input inputs target targets data image images img imgs orig original originals
        originalx xorig xoriginal xtrue ytrue truth groundtruth y batch batchx xin datain real
        inputdata inputx""",
    "mu": """mu mus mean means m loc zmean zmu muz meanz meanslatent latentmean qmean encmean zloc
        z0mean latentmu muq qmu mulatent""",
    "logvar": """logvar logvars logvariance lv zlogvar logvarz qlogvar latentlogvar logsigma
        logsigmas logsigma2 logsigmasq logsigmasquared zlogsigma zlogsigmasq logstd zlogstd logscale
        sigma sigmas sigmaz zsigma std stds stddev zstd zscale scale var variance zvar z0logvar
        z0logvariance logvarq logsig logstdev logstddev lnvar""",
    "z": "z zs latent latents latentz zsample zsamples sample samples sampledz code codes",
    "scale": """xlogvar logvarx reconlogvar logvarrecon declogvar decoderlogvar logvarhat
        xhatlogvar logsigmax xlogsigma sigmax xsigma xstd stdx xscale logscale logsigma sigma
        gamma loggamma obssigma scale""",
}


@dataclass(frozen=True)
class Binding:
    """How to call a loss: each role's place or keyword, and what else it is given."""

    places: dict[str, int | str]
    given: dict

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(role for role in ROLES if role in self.places)

    def call(self, loss: Callable, inputs: dict):
        places = sorted((p, r) for r, p in self.places.items() if isinstance(p, int))
        named = {p: inputs[r] for r, p in self.places.items() if isinstance(p, str)}
        return loss(*(inputs[r] for _, r in places), **named, **self.given)


def bind(loss: Callable, told: dict[str, int | str], given: dict) -> Binding:
    """Find the argument for each role; those that are told come first.

    Raises:
        TypeError: ``loss`` cannot be called.
        ValueError: the names leave a role or an argument open, or allow more than one way.
    """
    parameters = _parameters(loss)
    _check_told(told, given, parameters)
    taken = {*told.values(), *given}
    left = [
        p.name for i, p in enumerate(parameters)
        if p.default is Parameter.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and not taken & {p.name, i}
    ]  # fmt: skip
    ways = list(_ways(left, [role for role in ROLES if role not in told]))
    if len(ways) != 1:
        raise ValueError(_open(parameters, ways))
    places = {**told, **ways[0]}
    order = {p.name: i for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_ONLY}
    places = {role: order.get(place, place) for role, place in places.items()}
    return Binding(_contiguous(places, parameters), given)


def _parameters(loss: Callable) -> list[Parameter]:
    if not callable(loss):
        raise TypeError(f"a loss must be callable, got {type(loss).__name__}")
    try:
        function = loss.forward if isinstance(loss, nn.Module) else loss
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [Parameter("args", Parameter.VAR_POSITIONAL)]


def _check_told(told: dict, given: dict, parameters: list[Parameter]) -> None:
    names = {p.name for p in parameters}
    kinds = {p.kind for p in parameters}
    unknown = [t for t in [*told.values(), *given] if isinstance(t, str) and t not in names]
    if unknown and Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"the loss has no argument {', '.join(unknown)}; it has {_list(names)}")


def _ways(left: list[str], roles: list[str]):
    """Every way to give each argument left a role that its name allows, none of REQUIRED left."""
    if not left:
        if not set(REQUIRED) & set(roles):
            yield {}
        return
    for role in roles:
        if _plain(left[0]) in NAMES[role].split():
            for rest in _ways(left[1:], [r for r in roles if r != role]):
                yield {role: left[0], **rest}


def _contiguous(places: dict, parameters: list[Parameter]) -> dict:
    """Places as numbers from 0 on without a hole, or as names, which pass over what is between."""
    names = {i: p.name for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_OR_KEYWORD}
    for change in ({}, {name: i for i, name in names.items()}, names):
        places = {role: change.get(place, place) for role, place in places.items()}
        numbers = sorted(p for p in places.values() if isinstance(p, int))
        if numbers == list(range(len(numbers))):
            return places
    raise ValueError(f"places must be 0, 1, … without a hole, got {numbers}")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _open(parameters: list[Parameter], ways: list[dict]) -> str:
    names = _list(str(p) for p in parameters)
    tell = 'tell which is which: audit(loss, x_hat="…", x="…", mu="…", logvar="…"), by name or by '
    tell += "place from 0; anything else it needs by its own name"
    if ways:
        shown = "; or ".join(", ".join(f"{r} = {p}" for r, p in way.items()) for way in ways[:2])
        return f"the arguments ({names}) can be read in {len(ways)} ways: {shown}: {tell}"
    return f"the arguments ({names}) do not tell what they are: {tell}"


def _list(names) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)
