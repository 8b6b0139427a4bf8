import math

import pytest
import scipy.stats
import torch

from tests.cases import cases
from vaelib.checks import CheckFailed, finding
from vaelib.divergence import Estimate

GAINS = torch.tensor([1.0, 1.2, 0.9]).double()
SAYS = {"claim": "it gains", "above": 0, "wrong": {"no gain": 0}}


def test_what_every_seed_bears_out_is_found():
    result = finding("fd-x", GAINS, **SAYS)
    assert result
    assert (result.verdict, result.runs, result.cases, result.unit) == ("found", 3, 1, "nats")
    assert result.sentence == "It gains."
    assert str(result).startswith("✓ (fd-x)  It gains.  ·  3 training seeds: 1.03 nats, 95 %")


def test_without_a_sentence_it_says_where_the_difference_lies():
    result = finding("fd-x", GAINS, above=0, wrong={"no gain": 0})
    assert result.sentence == "The difference lies above 0."
    assert finding("fd-x", GAINS, within=(0, 2), wrong={"b": 9}).claim.endswith("within 0 to 2")


def test_the_interval_is_students():
    result = finding("fd-x", GAINS, **SAYS)
    expected = scipy.stats.t.interval(0.95, 2, GAINS.mean(), scipy.stats.sem(GAINS))
    assert result.interval == pytest.approx(expected)


def test_of_an_estimate_the_interval_is_normal():
    result = finding("fd-x", Estimate(torch.tensor(1.0), torch.tensor(0.1)), **SAYS)
    assert result.interval == pytest.approx(scipy.stats.norm.interval(0.95, 1, 0.1))
    assert (result.runs, "an estimate: " in str(result)) == (0, True)


SENTENCES = {
    "open": "These runs leave open whether it gains.",
    "contradicted": "These runs contradict that it gains.",
}


@cases(
    ([1.0, 1.2, -0.9], "open"),
    ([1.0, 1.0, 1.0], "open"),
    ([-1.0, -1.2, -0.9], "contradicted"),
    ([[1.0, 3.0], [1.2, 3.1], [-0.9, 3.2]], "open"),
    ([[-1.0, 3.0], [-1.2, 3.1], [-0.9, 3.2]], "contradicted"),
)
def test_what_they_do_not_bear_out_is_said_and_stops_a_run_that_rests_on_it(difference, verdict):
    result, sentence = finding("fd-x", difference, **SAYS), SENTENCES[verdict]
    assert not result
    assert (result.verdict, result.sentence) == (verdict, sentence)
    with pytest.raises(CheckFailed, match=sentence):
        finding("fd-x", difference, **SAYS, must=True)


@cases(
    ({"above": 0.5}, "found"),
    ({"above": 1.0}, "open"),
    ({"above": 2.0}, "contradicted"),
    ({"within": (0.5, 2)}, "found"),
    ({"within": (0.9, 2)}, "open"),
    ({"within": (0, 1.1)}, "open"),
    ({"within": (2, 3)}, "contradicted"),
    ({"within": (-3, 0)}, "contradicted"),
)
def test_the_whole_interval_lies_where_the_claim_wants_it(region, verdict):
    assert finding("fd-x", GAINS, claim="a", wrong={"b": -9}, **region).verdict == verdict


@pytest.mark.parametrize("side", [-1, 1])
def test_a_wrong_answer_within_the_interval_leaves_it_open(side):
    low, high = finding("fd-x", GAINS, **SAYS).interval
    middle, half = (low + high) / 2, (high - low) / 2
    for share, verdict in [(0.99, "open"), (1.01, "found")]:
        wrong = {"nearly": middle + side * share * half}
        assert finding("fd-x", GAINS, claim="a", above=0, wrong=wrong).verdict == verdict


def test_several_cases_must_hold_together_and_the_worst_is_shown():
    both = torch.stack([GAINS + 5, GAINS], 1)
    result = finding("fd-x", both, **SAYS)
    assert (result.cases, result.mean) == (2, pytest.approx(float(GAINS.mean())))
    expected = scipy.stats.t.interval(0.975, 2, GAINS.mean(), scipy.stats.sem(GAINS))
    assert result.interval == pytest.approx(expected)
    assert "the worst of 2 cases" in str(result)
    wrong = {"each": both.mean(0) + torch.tensor([0.0, 9.0])}
    assert finding("fd-x", both, claim="a", above=0, wrong=wrong).verdict == "open"


def test_a_claim_that_is_just_false_is_found_once_in_forty_times():
    torch.manual_seed(0)
    drawn = torch.randn(4_000, 3).double()
    found = sum(bool(finding("fd-x", row, **SAYS)) for row in drawn)
    expected = 0.025 * len(drawn)
    assert abs(found - expected) < 5 * math.sqrt(expected)


@cases(
    (GAINS[:2], {}, "at least three training seeds"),
    (1.0, {}, "at least three training seeds"),
    (torch.empty(0), {}, "is empty"),
    (Estimate(torch.ones(2), torch.zeros(2)), {}, "standard error of zero"),
    (GAINS, {"within": (0, 2)}, "say one of them"),
    (GAINS, {"above": None}, "say one of them"),
    (GAINS, {"above": None, "within": (2, 1)}, "nothing lies between 2 and 1"),
    (GAINS, {"above": math.nan}, "nothing lies between nan"),
    (GAINS, {"wrong": {"of others": [1, 2, 3]}}, "different shapes"),
    (GAINS, {"wrong": {}}, "expected one {name: value}"),
)
def test_a_finding_that_could_not_be_trusted_is_refused(difference, says, message):
    with pytest.raises(ValueError, match=message):
        finding("fd-x", difference, **SAYS | says)


@pytest.mark.parametrize("says", [{}, {"wrong": {"undefined": math.nan}}])
def test_what_is_no_number_never_passes(says):
    difference = GAINS if says else [1.0, math.nan, 2.0]
    with pytest.raises(CheckFailed, match="not finite"):
        finding("fd-x", difference, **SAYS | says)
