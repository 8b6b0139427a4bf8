import math

import pytest
import torch

from tests.cases import cases
from vaelib.checks import Question

ANSWER = torch.tensor([1.0, -2.0, 30.0])


@cases(ANSWER, ANSWER.tolist(), ANSWER + 5e-4, ANSWER + torch.tensor([0, 0, 0.02]))
def test_the_answer_is_right(yours):
    verdict = Question(ANSWER)(yours)
    assert verdict
    assert repr(verdict) == "✓ right"


@cases(
    (-ANSWER, ": the sign"),
    (2 * ANSWER, ": yours is 2 times the answer"),
    (ANSWER + 0.5, ": yours is the answer + 0.5"),
    (ANSWER - 0.25, ": yours is the answer − 0.25"),
    (ANSWER * math.nan, ": yours is not finite"),
    (ANSWER.flip(0), ""),
    (ANSWER + torch.tensor([2e-3, 0, 0]), ""),
)
def test_a_wrong_answer_is_told_what_one_mistake_explains(yours, hint):
    verdict = Question(ANSWER)(yours)
    assert not verdict
    assert repr(verdict) == f"✗ not yet{hint}"


def test_one_number_is_a_factor_off_and_never_a_constant():
    assert repr(Question(4.0)(6.0)) == "✗ not yet: yours is 1.5 times the answer"
    assert repr(Question(0.0)(1.0)) == "✗ not yet"
    assert repr(Question([1.0, 3.0])([1.5, 3.5])) == "✗ not yet: yours is the answer + 0.5"


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\), yours \(1,\)"):
        Question(ANSWER)([1.0])


@pytest.mark.parametrize("bad", [(torch.zeros(0),), (math.nan,), (math.inf,), (1.0, 0.0), (1.0, 1)])
def test_a_question_without_an_answer_is_refused(bad):
    with pytest.raises(ValueError, match=r"^(the correct answer must be finite and not|tolerance)"):
        Question(*bad)


def test_the_edge_of_the_tolerance_is_right():
    assert Question(1.0, tolerance=0.1)(1.0)
    assert Question(0.0, tolerance=0.0625)(0.0625)
    assert not Question(0.0, tolerance=0.0625)(0.0626)


def test_an_answer_in_single_precision_is_judged_in_double():
    close = torch.tensor(1e9, dtype=torch.float64)
    assert not Question(close, tolerance=1e-9)(close + 2)
    assert Question(close, tolerance=1e-9)(close + 1)


def test_a_typical_mistake_earns_its_hint_and_another_the_old_ones():
    question = Question(4.0, wrong={"half is missing": 8.0, "a square too many": 16.0})
    assert repr(question(16.0)) == "✗ not yet: a square too many"
    assert repr(question(-4.0)) == "✗ not yet: the sign"
    assert question(4.0)


POINTS = torch.linspace(-2, 2, 9), torch.linspace(1, 2, 9)


@cases(
    (lambda z, s: (z / s).square(), "✓ right"),
    (lambda z, s: z.div_(s) ** 2, "✓ right"),
    (lambda z, s: z**2 / s, "✗ not yet: s is squared, too"),
    (lambda z, s: -((z / s) ** 2), "✗ not yet: the sign"),
    (lambda z, s: z**2 / s**2 / 2, "✗ not yet: yours is 0.5 times the answer"),
    (lambda z, s: z / s, "✗ not yet"),
)
def test_a_function_is_compared_at_the_points(yours, said):
    wrong = {"s is squared, too": lambda z, s: z**2 / s}
    question = Question(lambda z, s: z**2 / s**2, wrong=wrong, at=POINTS)
    assert [repr(question(yours)) for _ in range(2)] == [said, said]


def test_a_choice_is_made_among_the_right_and_the_wrong():
    question = Question("falls", wrong={"not of q": "rises", "it moves": "stays"})
    assert question("falls")
    assert repr(question("stays")) == "✗ not yet: it moves"
    with pytest.raises(ValueError, match=r"choose one of \['falls', 'rises', 'stays'\], not 'up'"):
        question("up")


@cases(
    ({"correct": 1.0, "wrong": {"near": 1.0005}}, "'near' gets: ✓ right"),
    ({"correct": 1.0, "wrong": {"one": 2.0, "two": 2.0005}}, "'two' gets: ✗ not yet: one"),
    ({"correct": "up", "wrong": {"no": "up"}}, "'no' gets: ✓ right"),
    ({"correct": [1.0, 2.0], "wrong": {"short": 1.0}}, "shape"),
    ({"correct": torch.square}, "a function needs them"),
    ({"correct": 1.0, "at": torch.ones(2)}, "belong to a function"),
)
def test_a_question_whose_mistakes_pass_or_that_lacks_its_points_is_refused(made, why):
    with pytest.raises(ValueError, match=why):
        Question(**made)


@cases((Question(1.0), "number"), (Question(torch.square, at=torch.ones(2)), "function"))
def test_an_answer_of_another_kind_is_refused(question, kind):
    for answer in None, "one", *([torch.square] if kind == "number" else [1.0]):
        with pytest.raises(ValueError, match=f"the answer is a {kind}"):
            question(answer)
