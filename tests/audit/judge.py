"""What an audit says of a loss against what is right, and how often it is right."""

import math
import signal
import time
import warnings
from dataclasses import dataclass

import torch

from vaelib.audit import Audit, audit

VERDICTS = {"yes": "bound", "no": "no bound", "open": "cannot tell"}
RIGHT, SHORT, WRONG, REFUSED, CRASH = "ok", "cannot tell", "WRONG", "refused", "CRASH"
LATE = 90  # seconds


@dataclass(frozen=True)
class Kind:
    """A loss, and what a strict lecturer calls right.

    Attributes:
        loss: the loss.
        verdicts: those that are right.
        given: what else the audit is told.
        beta: the right β, where there is one.
        sigma2: the right σ² (of a Laplace: b) at β = 1.
        says: words of the page; of ``a|b`` one is enough.
        never: words that would be wrong.
        raises: words of the ValueError that is right.
    """

    loss: callable
    verdicts: tuple[str, ...]
    given: dict
    beta: float | None = None
    sigma2: float | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    raises: str = ""


@dataclass(frozen=True)
class Judged:
    """What the audit said of a loss, and what that is worth."""

    status: str
    why: str
    found: Audit | None = None

    @property
    def page(self) -> str:
        return str(self.found or "")


def judged(k: Kind) -> Judged:
    """Audit a loss and compare what is said with what is right."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = audit(k.loss, **k.given)
            page, beta, sigma2 = str(found), found.beta, found.variance
    except ValueError as error:
        status = RIGHT if k.raises and _any_of(k.raises, str(error)) else REFUSED
        return Judged(status, f"{type(error).__name__}: {str(error)[:200]}")
    except Exception as error:
        return Judged(CRASH, f"{type(error).__name__}: {str(error)[:200]}")
    verdict = getattr(found, "verdict", None) or ("bound" if found.bound else "no bound")
    wrong = [] if verdict in k.verdicts else [f"{verdict}, not {' or '.join(k.verdicts)}"]
    for letter, told, right in (("β", beta, k.beta), ("σ²", sigma2, k.sigma2)):
        if right is not None and not (told and math.isclose(told, right, rel_tol=0.01)):
            wrong.append(f"{letter} = {told}, not {right:.4g}")
    wrong += [f"without “{words}”" for words in k.says if not _any_of(words, page)]
    false = [f"with “{words}”" for words in k.never if _any_of(words, page)]
    short = verdict == "cannot tell" and not false  # of what is known, but not false
    status = RIGHT if not wrong + false else SHORT if short else WRONG
    return Judged(status, "; ".join(wrong + false), found)


def _any_of(words: str, text: str) -> bool:
    return any(word.lower() in text.lower() for word in words.split("|"))


def _late(*_):
    raise TimeoutError(f"more than {LATE} s")


def main(kinds: dict[str, Kind], words: list[str]) -> None:
    """Print of each loss whose name holds one of the words what is said of it, and how many."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _late)
    count = dict.fromkeys((RIGHT, SHORT, WRONG, REFUSED, CRASH), 0)
    for name, k in kinds.items():
        if not words or any(word in name for word in words):
            start = time.time()
            signal.alarm(LATE)
            told = judged(k)
            signal.alarm(0)
            count[told.status] += 1
            print(f"{told.status:11} {name}   ({time.time() - start:.1f} s)")
            if told.status != RIGHT:
                print(f"{'':15}{told.why}\n{'':13}→{told.page.rpartition('→')[2]}", flush=True)
    tried = sum(count.values())
    told = ", ".join(f"{n} {status}" for status, n in count.items())
    print(f"{tried} losses, {count[RIGHT] / max(1, tried):.0%} right: {told}")
