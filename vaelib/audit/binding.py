"""Which argument of a loss is which: by its name, or as the caller tells."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Parameter
from itertools import product

from torch import nn
from torch.distributions import Normal

REQUIRED = ("x_hat", "x", "mu", "logvar")
OPTIONAL = ("z", "scale", "prior_mu", "prior_logvar")
ROLES = REQUIRED + OPTIONAL

# the words that names are made of, in small letters and without underscores
_MEAN = "(?:mus?|means?|m|loc)"
_HEAD = (
    "(?:(?:log|ln)?(?:vars?|variances?|sigmas?|sig|stds?|stddevs?|scales?)(?:2|sq|squared)?|l?v)"
)
_CODE = "(?:z0?|q|qz|latents?|lat|enc|encoder|encoded|posterior|post)"
_PRIOR = "(?:p|pz|zp|z?prior)"
_SEEN = "(?:x|y|data|images?|imgs?|inputs?|targets?|batch)"
_TRUE = "(?:in|inputs?|origs?|originals?|true|truth|targets?|real|batch|groundtruth|gt|observed)"
_MADE = (
    "(?:x?hat|recons?|reconstr?|reconstruct|reconstructions?|reconstructed|recs?|dec|decoded|"
    "decoder|outputs?|out|preds?|predicted|predictions?|generated|logits?|tilde|prime|bar|fake|"
    "probs?|probability|probabilities|rates?)"
)
_NOISE = "(?:x|hat|xhat|recons?|reconx|dec|decoder|out|output|obs|px)"
NAMES = {
    "x_hat": f"(?:p?{_SEEN}|z)?{_MADE}+{_SEEN}?{_MEAN}?|{_MEAN}x|p?x{_MEAN}|px|inputs?|y",
    "x": f"{_TRUE}?{_SEEN}{_TRUE}?|{_TRUE}",
    "mu": f"{_CODE}?{_MEAN}{_CODE}?",
    "logvar": f"{_CODE}?{_HEAD}{_CODE}?",
    "z": f"{_CODE}?(?:z0?|zs|latents?|samples?|codes?)|sampledz|latentz|zlatents?",
    "scale": f"{_NOISE}{_HEAD}|{_HEAD}{_NOISE}|(?:log)?(?:sigma|scale)|loggamma",
    "prior_mu": f"{_PRIOR}{_MEAN}|{_MEAN}{_PRIOR}",
    "prior_logvar": f"{_PRIOR}{_HEAD}|{_HEAD}{_PRIOR}",
}
LAWS = {
    ("mu", "logvar"): ("q", "qz", "q_z", "posterior", "q_dist", "encoder_dist"),
    ("prior_mu", "prior_logvar"): ("p", "pz", "p_z", "prior", "p_dist", "prior_dist"),
}
WEIGHT = re.compile(
    "beta|alpha|gamma|lamb|weight|coef|anneal|kl|factor|epoch|step|iter|mask|size|loss|reduction"
)


@dataclass(frozen=True)
class Binding:
    """How to call a loss: each role's place or keyword, and what else it is given.

    ``laws`` are the arguments that are normal distributions, and the roles of mean and head.
    """

    places: dict[str, int | str]
    given: dict
    laws: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """Those that are drawn; μ and the second head even where the loss has neither."""
        taken = {*REQUIRED, *self.places, *(role for law in self.laws.values() for role in law)}
        return tuple(role for role in ROLES if role in taken)

    def call(self, loss: Callable, inputs: dict):
        places = sorted((p, r) for r, p in self.places.items() if isinstance(p, int))
        named = {p: inputs[r] for r, p in self.places.items() if isinstance(p, str)}
        for name, (mean, head) in self.laws.items():
            named[name] = Normal(inputs[mean], (inputs[head] / 2).exp())
        return loss(*(inputs[r] for _, r in places), **named, **self.given)


def bind(loss: Callable, told: dict[str, int | str], given: dict) -> Binding:
    """Find the argument for each role; those that are told come first.

    The last role is read by elimination, and an argument with a default where no other will do.

    Raises:
        TypeError: ``loss`` cannot be called.
        ValueError: the names leave a role or an argument open, or allow more than one way.
    """
    parameters = _parameters(loss)
    shown = f"the arguments ({', '.join(map(str, parameters))})"
    names, kinds = {p.name for p in parameters}, {p.kind for p in parameters}
    unknown = [t for t in [*told.values(), *given] if isinstance(t, str) and t not in names]
    if unknown and Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"{shown} have none of the name {', '.join(unknown)}")
    free = [
        p for i, p in enumerate(parameters)
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and not {p.name, i} & {*told.values(), *given}
    ]  # fmt: skip
    left, spare = ([p.name for p in free if (p.default is p.empty) == f] for f in (True, False))
    ways = read(left, spare, [role for role in ROLES if role not in told])
    way, missing, unread = ways[0]
    if unread[:1] == ["self"]:
        raise ValueError("the first argument is self: pass the bound method, of an object")
    laws = {name: law for law, names in LAWS.items() for name in unread if name in names}
    if missing == ["mu", "logvar"]:
        way, missing, unread = _codes(way, [name for name in unread if name not in laws], laws)
        ways = ways[:1]
    if missing == ["logvar"] and "mu" in told:  # codes of another kind
        missing, laws = [], {}
    if missing or unread:
        raise ValueError(_missing(shown, missing) if missing else _open(unread))
    if len(ways) > 1:
        tell = ", ".join(f'{r}="{n}"' for r, n in way.items() if ways[1][0].get(r) != n)
        text = f"{shown} can be read in {len(ways)} ways. Tell which is which"
        raise ValueError(f"{text}, such as audit(loss, {tell})")
    return Binding(_placed(told | way, parameters), given, laws)


def _parameters(loss: Callable) -> list[Parameter]:
    if not callable(loss):
        raise TypeError(f"a loss must be callable, got {type(loss).__name__}")
    try:
        function = loss.forward if isinstance(loss, nn.Module) else loss
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # it is not written in Python
        return [Parameter("args", Parameter.VAR_POSITIONAL)]


def _codes(way: dict, unread: list[str], laws: dict) -> tuple[dict, list[str], list[str]]:
    """A loss without a Gaussian q's μ and second head: by laws, or with codes of another kind.

    One code is taken for μ; of two, the second for z.
    """
    if laws and not unread:
        return way, [], []
    codes = [*([way["z"]] if "z" in way else []), *unread]
    if len(codes) not in (1, 2) or any(WEIGHT.search(name.lower()) for name in codes):
        return way, ["mu", "logvar"], unread
    rest = {role: name for role, name in way.items() if role != "z"}
    return rest | dict(zip(("mu", "z"), codes, strict=False)), [], []


def read(left: list[str], spare: list[str] = (), roles=ROLES) -> list[tuple[dict, list, list]]:
    """The best ways to give names their roles, each with the roles missing and the names unread.

    Best is to miss the fewest roles, then to leave the fewest names, then to need the fewest of
    those to spare.
    """
    found, names = [], [*left, *spare]
    for chosen in product(*([*(r for r in roles if _fits(n, r)), None] for n in names)):
        way = {role: name for role, name in zip(chosen, names, strict=True) if role}
        if len(way) + chosen.count(None) < len(names):  # a role twice
            continue
        missing = [r for r in REQUIRED if r in roles and r not in way]
        unread = [n for n in left if n not in way.values()]
        cost = (len(missing), len(unread), sum(n in way.values() for n in spare))
        if len(missing) == len(unread) == 1 and not _known(unread[0]):
            way, missing, unread = {**way, missing[0]: unread[0]}, [], []
        found.append((cost, (way, missing, unread)))
    return [way for cost, way in found if cost == min(c for c, _ in found)]


def _fits(name: str, role: str) -> bool:
    return re.fullmatch(NAMES[role], name.lower().replace("_", "")) is not None


def _known(name: str) -> bool:
    """Whether it is the name of a role, or of a weight, a mask, a step or an object."""
    other = name in ("self", "model", "args") or WEIGHT.search(name.lower())
    return bool(other) or any(_fits(name, role) for role in ROLES)


def _placed(places: dict, parameters: list[Parameter]) -> dict:
    """By names; where an argument has none, by numbers from 0 on without a hole."""
    names = {i: p.name for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_OR_KEYWORD}
    order = {p.name: i for i, p in enumerate(parameters) if p.kind is not p.KEYWORD_ONLY}
    first = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
    places = {role: names.get(place, place) for role, place in places.items()}
    if any(isinstance(place, int) or place in first for place in places.values()):
        places = {role: order.get(place, place) for role, place in places.items()}
    numbers = sorted(p for p in places.values() if isinstance(p, int))
    if numbers != list(range(len(numbers))):
        raise ValueError(f"places must be 0, 1, … without a hole, got {numbers}")
    return places


def _open(unread: list[str]) -> str:
    """What is open, and the call that gives or tells it."""
    gift = ", ".join(f"{n}={'1.0' if WEIGHT.search(n.lower()) else '…'}" for n in unread)
    tell = [f'{role}="{name}"' for name in unread for role in ROLES if _fits(name, role)]
    also = f", or tell which is which: audit(loss, {tell[0]})" if tell else ""
    them = "it" if len(unread) == 1 else "them"
    return f"open: {', '.join(unread)}. Give {them}: audit(loss, {gift}){also}"


def _missing(shown: str, missing: list[str]) -> str:
    """Which roles no argument has, and the call that tells them."""
    tell = ", ".join(f"{role}={REQUIRED.index(role)}" for role in missing)
    return (
        f"{shown} name no {', no '.join(missing)}. Tell which is which, by place or name, such as "
        f"audit(loss, {tell}); if it takes them in another form, wrap it in a function of "
        f"{', '.join(REQUIRED)}"
    )
