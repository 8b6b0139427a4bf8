"""Copies of a loss begin with its state, wherever it is kept, and leave the original's alone."""

import functools
import random

import torch

from tests.cases import cases
from vaelib.audit.probe import copied

TOTAL, CALLS = 0, []


class Counter:
    n = 0

    def count(self):
        self.n += 1
        return self.n


def by_list():
    CALLS.append(1)
    return len(CALLS)


def by_number():
    global TOTAL
    TOTAL += 1
    return TOTAL


def through_another():
    return (by_list() + by_number()) // 2


def by_attribute():
    by_attribute.n += 1
    return by_attribute.n


by_attribute.n = 0


def by_default(calls=[], *, more=[]):  # noqa: B006
    calls.append(1)
    more.append(1)
    return len(calls + more) // 2


def closed():
    n, held = 0, Counter()

    def loss():
        nonlocal n
        n += 1
        return held.count() + n - held.n

    return loss


def through_a_closure():
    counter = closed()
    return lambda: counter()


@cases(
        Counter().count, by_list, by_number, through_another, by_attribute, by_default, closed(),
        through_a_closure(), torch.no_grad()(by_list),
)  # fmt: skip
def test_each_copy_counts_for_itself(loss):
    first, second = copied(loss), copied(loss)
    assert [first(), first(), second()] == [1, 2, 1]
    assert copied(first)() == copied(first)() == 3
    assert copied(loss)() == 1


@cases(torch.relu, random.random, Counter, torch.nn.Linear, torch.compile(by_list, backend="eager"))
def test_what_holds_nothing_is_itself(loss):
    assert copied(loss) is loss


def test_what_cannot_be_copied_is_shared():
    lock = (i for i in range(9))
    loss = lambda: (lock, next(lock))  # noqa: E731
    assert [copied(loss)()[1], copied(loss)()[1]] == [0, 1]


def test_what_is_shared_stays_shared():
    held = Counter()
    a, b = copied(functools.partial(lambda: (held.count(), held.n)))()
    assert a == b
