"""Which argument of a loss is which: by its name, or as the caller tells."""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from itertools import product

from torch import nn
from torch.distributions import Normal

REQUIRED = ("x_hat", "x", "mu", "logvar")
OPTIONAL = ("z", "scale", "prior_mu", "prior_logvar")
ROLES = REQUIRED + OPTIONAL
LAWS = {"q": ("mu", "logvar"), "p": ("prior_mu", "prior_logvar")}  # normal distributions

# the words that names are made of, in small letters and without underscores
_MEAN = "(?:mus?|means?|m|loc)"
_HEAD = "(?:(?:log|ln)?(?:var(?:iance)?s?|sigmas?|sig|std(?:dev)?s?|scales?)(?:2|sq|squared)?|l?v)"
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
    "q": "q|posterior|(?:q|encoder)dist",
    "p": "pz?|prior|(?:p|prior)dist",
}
WEIGHT = re.compile(
    "(?i)beta|alpha|gamma|lamb|weight|coef|anneal|kl|factor|epoch|step|iter|mask|size|loss|reduc"
)
OBJECTS = ("self", "model", "args")


@dataclass(frozen=True)
class Binding:
    """How to call a loss: the place or keyword of each role or law, and what else it is given."""

    places: dict[str, int | str]
    given: dict

    @property
    def roles(self) -> tuple[str, ...]:
        """Those that are drawn; μ and the second head even where the loss has neither."""
        return tuple(role for role in ROLES if role in {*REQUIRED, *_filled(self.places)})

    def call(self, loss: Callable, inputs: dict):
        laws = {law: of for law, of in LAWS.items() if law in self.places}
        normals = {q: Normal(inputs[m], (inputs[h] / 2).exp()) for q, (m, h) in laws.items()}
        values = {place: (inputs | normals)[role] for role, place in self.places.items()}
        ordered = [values.pop(i) for i in range(len(values)) if i in values]
        return loss(*ordered, **values, **self.given)


def _filled(way: dict) -> set[str]:
    return {role for given in way for role in LAWS.get(given, (given,))}


def bind(loss: Callable, told: dict[str, int | str], given: dict) -> Binding:
    """Find the argument for each role; those that are told come first.

    ValueError where the names leave a role or an argument open, or allow more than one way.
    """
    parameters, known = _parameters(loss), [*told.values(), *given]
    shown = f"the arguments ({', '.join(map(str, parameters))})"
    names, kinds = {p.name for p in parameters}, {p.kind for p in parameters}
    unknown = [name for name in known if isinstance(name, str) and name not in names]
    if unknown and Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"{shown} have none of the name {', '.join(unknown)}")
    free = [
        p for i, p in enumerate(parameters)
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and not {p.name, i} & {*known}
    ]  # fmt: skip
    left, spare = ([p.name for p in free if (p.default is p.empty) == f] for f in (True, False))
    roles = [role for role in NAMES if role not in told]
    ways = read(left, spare, roles)
    ways, missing, unread = _completed(ways, left, roles)
    if missing == (["logvar"] if "mu" in told else ["mu", "logvar"]) and not unread:
        missing = []  # codes of another kind, or none
    if question := _question(shown, ways, missing, unread):
        raise ValueError(question)
    return Binding(_placed(told | ways[0], parameters), given)


def _parameters(loss: Callable) -> list[Parameter]:
    if not callable(loss):
        raise TypeError(f"a loss must be callable, got {type(loss).__name__}")
    try:
        function = loss.forward if isinstance(loss, nn.Module) else loss
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # it is not written in Python
        return [Parameter("args", Parameter.VAR_POSITIONAL)]


def read(left: list[str], spare: list[str] = (), roles: tuple[str, ...] = ROLES) -> list[dict]:
    """The best ways to give names their roles.

    Best is to miss the fewest roles, then to leave the fewest names, then to need the fewest of
    those to spare.
    """
    ways, names = defaultdict(list), [*left, *spare]
    for chosen in product(*([*(r for r in roles if _fits(n, r)), None] for n in names)):
        way = {role: name for role, name in zip(chosen, names, strict=True) if role}
        if len(way) + chosen.count(None) == len(names):  # no role twice
            used = sum(name in way.values() for name in spare)
            ways[*map(len, _rest(way, left, roles)), used].append(way)
    return ways[min(ways)]


def _rest(way: dict, left: list[str], roles) -> tuple[list[str], list[str]]:
    """The roles missing, and the names unread."""
    missing = [role for role in REQUIRED if role in roles and role not in _filled(way)]
    return missing, [name for name in left if name not in way.values()]


def _completed(ways: list[dict], left: list[str], roles) -> tuple[list[dict], list, list]:
    """By elimination: the last name has the last role.

    Without μ and a second head, one code is taken for μ; of two, the second for z.
    """
    way, codes = ways[0], []
    missing, unread = _rest(way, left, roles)
    known = [
        n for n in unread if n in OBJECTS or WEIGHT.search(n) or any(_fits(n, r) for r in ROLES)
    ]
    if len(missing) == len(unread) == 1 and not known:
        return [way | {missing[0]: unread[0]}, *ways[1:]], [], []
    if missing == ["mu", "logvar"]:
        codes = [*(name for role, name in way.items() if role == "z"), *unread]
    if len(codes) in (1, 2) and not any(WEIGHT.search(name) for name in codes):
        others = {role: name for role, name in way.items() if role != "z"}
        return [others | dict(zip(("mu", "z"), codes, strict=False))], [], []
    return ways, missing, unread


def _fits(name: str, role: str) -> bool:
    return re.fullmatch(NAMES[role], name.lower().replace("_", "")) is not None


def _placed(places: dict, parameters: list[Parameter]) -> dict:
    """By names; where an argument has none, by numbers from 0 on without a hole."""
    order = {p.name: i for i, p in enumerate(parameters) if p.kind is not p.KEYWORD_ONLY}
    names = {i: p.name for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_OR_KEYWORD}
    places = {role: order.get(place, place) for role, place in places.items()}
    numbers = sorted(place for place in places.values() if isinstance(place, int))
    if all(number in names for number in numbers):
        return {role: names.get(place, place) for role, place in places.items()}
    if numbers != list(range(len(numbers))):
        raise ValueError(f"places must be 0, 1, … without a hole, got {numbers}")
    return places


def _question(shown: str, ways: list[dict], missing: list[str], unread: list[str]) -> str:
    """What is open, if anything is, and the call that tells or gives it."""
    if missing:
        tell = ", ".join(f"{role}={REQUIRED.index(role)}" for role in missing)
        return (
            f"{shown} name no {', no '.join(missing)}. Tell which is which, by place or name, such "
            f"as audit(loss, {tell}); if it takes them in another form, wrap it in a function of "
            f"{', '.join(REQUIRED)}"
        )
    if unread:
        give = ", ".join(f"{n}={'1.0' if WEIGHT.search(n) else '…'}" for n in unread)
        tell = [f'{role}="{name}"' for name in unread for role in ROLES if _fits(name, role)]
        also = f", or tell which is which: audit(loss, {tell[0]})" if tell else ""
        them = "it" if len(unread) == 1 else "them"
        return f"open: {', '.join(unread)}. Give {them}: audit(loss, {give}){also}"
    if len(ways) > 1:
        tell = ", ".join(f'{r}="{n}"' for r, n in ways[0].items() if ways[1].get(r) != n)
        text = f"{shown} can be read in {len(ways)} ways. Tell which is which"
        return f"{text}, such as audit(loss, {tell})"
    return ""
