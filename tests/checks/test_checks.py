import json
import math
import re
from html import unescape

import pytest
import torch

from tests.cases import refused
from vaelib.checks import CheckFailed, check, check_bound, check_order
from vaelib.divergence import Estimate

TRUTH = torch.tensor([1.0, -2.0, 0.5]).double()
STEPS = torch.tensor([0.4, 0.2, 0.1, 0.05]).double()
SHIFT = pytest.mark.parametrize("shifted", ["a", "b", "c"])


def estimate(offset=0.0, error=1e-5):
    return Estimate(TRUTH + offset, torch.full_like(TRUTH, error))


def test_exact_routes_that_agree_pass():
    result = check("eq-x", a=TRUTH, b=TRUTH + 5e-11, c=TRUTH.numpy())
    assert (result.label, result.kind, result.routes) == ("eq-x", "identity", ("a", "b", "c"))
    assert (result.cases, result.unit, result.tolerance) == (3, "absolute", 1e-10)
    assert result.deviation == pytest.approx(5e-11, rel=1e-3)


@SHIFT
def test_any_exact_route_off_by_a_thousandth_fails(shifted):
    routes = dict.fromkeys("abc", TRUTH)
    routes[shifted] = TRUTH + torch.tensor([0.0, 0.0, 1e-3])
    with pytest.raises(CheckFailed, match=r"differ by 0.001, more than 1e-10, in entry 2"):
        check("eq-x", **routes)


def test_just_outside_the_tolerance_fails():
    with pytest.raises(CheckFailed):
        check("eq-x", tolerance=1e-6, a=0.0, b=1.1e-6)
    assert check("eq-x", tolerance=1e-6, a=0.0, b=0.9e-6).deviation == pytest.approx(0.9e-6)


WRONG = {"a sign lost": -TRUTH}


def test_estimates_that_agree_pass():
    result = check("eq-x", wrong=WRONG, a=TRUTH, b=estimate(3e-5), c=estimate(-1e-5))
    assert (result.kind, result.unit, result.cases) == ("statistical", "standard errors", 6)
    assert result.routes == ("a", "b", "c")
    assert result.deviation == pytest.approx(3, rel=1e-6)
    assert "a sign lost" in result.note


@SHIFT
@pytest.mark.parametrize("exact", [True, False])
def test_any_statistical_route_off_by_a_thousandth_fails(shifted, exact):
    routes = {name: estimate(1e-3 * (name == shifted)) for name in "abc"}
    if exact:
        routes["a"] = routes["a"].mean
    with pytest.raises(CheckFailed, match=r"off by [\d.]+ standard errors"):
        check("eq-x", wrong=WRONG, **routes)


def test_exact_routes_beside_an_estimate_must_still_agree():
    with pytest.raises(CheckFailed, match=r"differ by 0.001"):
        check("eq-x", wrong=WRONG, a=TRUTH, b=TRUTH + 1e-3, c=estimate(error=0.01))
    assert check("eq-x", wrong=WRONG, a=TRUTH, b=TRUTH + 1e-12, c=estimate()).cases == 3
    with pytest.raises(CheckFailed, match=r"^eq-x: d is off by"):
        check("eq-x", wrong=WRONG, a=TRUTH, b=TRUTH, c=estimate(), d=estimate(1e-3))


@pytest.mark.parametrize("entries", [1, 1000])
def test_the_limit_makes_one_false_alarm_in_a_million_runs(entries):
    truth, error = torch.zeros(entries).double(), torch.ones(entries).double()

    def off_by(deviation):
        moved = Estimate(truth + deviation, error)
        return check("eq-x", wrong={"far": truth + 100}, a=truth, b=moved).tolerance

    limit = off_by(0)
    assert entries * math.erfc(limit / math.sqrt(2)) == pytest.approx(1e-6, rel=1e-6)
    off_by(0.999 * limit)
    with pytest.raises(CheckFailed):
        off_by(1.001 * limit)


def test_the_limit_counts_every_compared_route():
    one = check("eq-x", wrong=WRONG, a=TRUTH, b=estimate())
    two = check("eq-x", wrong=WRONG, a=TRUTH, b=estimate(), c=estimate())
    assert two.tolerance > one.tolerance


@pytest.mark.parametrize(("distance", "passes"), [(9.9, False), (10.1, True)])
def test_the_wrong_answer_must_be_ten_standard_errors_away_in_every_entry(distance, passes):
    wrong = {"near": TRUTH + torch.tensor([1.0, 1.0, distance * 1e-5])}
    if passes:
        check("eq-x", wrong=wrong, a=TRUTH, b=estimate())
        return
    message = r"“near” is only 9.9 standard errors away, not 10: take more samples$"
    with pytest.raises(ValueError, match=message):
        check("eq-x", wrong=wrong, a=TRUTH, b=estimate())


LOWER, UPPER = {"low": TRUTH - 1}, {"high": TRUTH}


def test_a_bound_that_holds_and_is_strict_somewhere_passes():
    result = check_bound("eq-x", lower={"low": TRUTH - torch.tensor([0, 0.5, 0])}, upper=UPPER)
    assert (result.kind, result.routes, result.cases) == ("bound", ("low", "high"), 3)
    assert result.deviation == 0
    assert result.note == "strict in 1, gap up to 0.5"
    assert "low ≤ high" in str(result)


def test_a_bound_that_is_violated_or_an_equality_everywhere_fails():
    over = {"low": TRUTH + torch.tensor([-1.0, 0.0, 1e-3])}
    with pytest.raises(CheckFailed, match=r"low exceeds high by 0.001"):
        check_bound("eq-x", lower=over, upper=UPPER)
    with pytest.raises(CheckFailed, match="equals high everywhere"):
        check_bound("eq-x", lower={"low": TRUTH - 1e-9}, upper=UPPER)


def test_an_attained_bound_touches_somewhere():
    low = {"low": TRUTH - torch.tensor([2.0, 0.5, 1e-9])}
    result = check_bound("eq-x", lower=low, upper=UPPER, attained=1e-8)
    assert result.note == "strict in 2, gap up to 2, attained to 1e-08"
    with pytest.raises(CheckFailed, match=r"low and high come no nearer than 1e-09, not 1e-10"):
        check_bound("eq-x", lower=low, upper=UPPER, attained=1e-10)
    over = {"low": TRUTH + torch.tensor([-1.0, 5e-11, -1.0])}
    assert check_bound("eq-x", lower=over, upper=UPPER, attained=1e-12).deviation > 0


def test_an_order_with_its_slope_passes():
    result = check_order("eq-x", step=STEPS, error=3 * STEPS**2, order=2)
    assert (result.kind, result.unit, result.cases) == ("order", "slope", 4)
    assert result.deviation < 1e-12
    assert "slope 2.000" in str(result)


@pytest.mark.parametrize("order", [1, 1.8, 2.2, 3])
def test_an_order_with_another_slope_fails(order):
    with pytest.raises(CheckFailed, match=r"falls as step\^2, not"):
        check_order("eq-x", step=STEPS, error=3 * STEPS**2, order=order)


def test_every_entry_must_vanish_as_claimed():
    both = torch.stack([3 * STEPS**2, STEPS**2], 1)
    assert check_order("eq-x", step=STEPS, error=both[:, None], order=2).cases == 8
    with pytest.raises(CheckFailed, match=r"falls as step\^1, not step\^2"):
        check_order("eq-x", step=STEPS, error=torch.cat([both, STEPS[:, None], both], 1), order=2)


SQUARE, FROM_0 = STEPS.reshape(2, 2).repeat(2, 1), torch.arange(4.0)
ONE_ERROR = Estimate(TRUTH, torch.tensor(1e-5))
SHAPES = r"different shapes: {'wrong': \(\), 'right': \(3,\)}"
UNLIKE = r"different shapes: {'step': \(4,\), 'error': \(3,\)}"
NOTHING, NAN = torch.zeros(0), torch.tensor([1.0, torch.nan, 0.5])


test_what_is_not_finite_fails_by_name = refused(
    (lambda: check("eq-x", a=NAN, b=NAN), "a"),
    (lambda: check("eq-x", a=TRUTH / 0, b_c=TRUTH / 0), "a"),
    (lambda: check("eq-x", a=TRUTH, b_c=TRUTH / 0), "b c"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=Estimate(NAN, TRUTH.abs())), "b"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=Estimate(TRUTH, NAN)), "b"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=Estimate(TRUTH, TRUTH.abs() / 0)), "b"),
    (lambda: check("eq-x", wrong={"far": NAN}, a=TRUTH, b=estimate()), "far"),
    (lambda: check_bound("eq-x", lower={"low": NAN}, upper=UPPER), "low"),
    (lambda: check_bound("eq-x", lower=LOWER, upper={"high": NAN}), "high"),
    (lambda: check_order("eq-x", step=STEPS, error=STEPS / 0, order=1), "error"),
    (lambda: check_order("eq-x", step=STEPS / 0, error=STEPS, order=1), "step"),
    error=CheckFailed,
    said="^eq-x: {} has values that are not finite$",
)


test_a_check_that_could_not_fail_is_refused = refused(
    (lambda: check("eq-x", a=TRUTH), "at least two routes"),
    (lambda: check("eq-x", a=NOTHING, b=NOTHING), "a is empty"),
    (lambda: check("eq-x", a=TRUTH, b=TRUTH[None]), "different shapes"),
    (lambda: check("eq-x", a=TRUTH, b=TRUTH[:1]), "different shapes"),
    (lambda: check("eq-x", a=TRUTH, b=1.0), "different shapes"),
    (lambda: check("eq-x", tolerance=1e-3, a=TRUTH, b=TRUTH), "tolerance must lie in"),
    (lambda: check("eq-x", tolerance=0.0, a=TRUTH, b=TRUTH), "tolerance must lie in"),
    (lambda: check("eq-x", tolerance=math.nan, a=TRUTH, b=TRUTH), "tolerance must lie in"),
    (lambda: check("eq-x", a=TRUTH, b=estimate()), "names one wrong answer"),
    (lambda: check("eq-x", wrong={}, a=TRUTH, b=estimate()), "expected one"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=TRUTH), "belongs to a statistical check"),
    (lambda: check("eq-x", wrong={"far": 9.0}, a=TRUTH, b=estimate()), SHAPES),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH[:1], b=estimate()), "different shapes"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=ONE_ERROR), "different shapes: {'b': "),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=estimate(error=0.0)), "error of zero"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=estimate(error=-1.0)), "error of zero"),
    (lambda: check_bound("eq-x", lower={}, upper=UPPER), "expected one"),
    (lambda: check_bound("eq-x", lower={"low": TRUTH[:1]}, upper=UPPER), "different shapes"),
    (lambda: check_bound("eq-x", lower={"low": NOTHING}, upper={"high": NOTHING}), "is empty"),
    (lambda: check_bound("eq-x", tolerance=1e-3, lower=LOWER, upper=UPPER), "tolerance"),
    (lambda: check_order("eq-x", step=STEPS[:2], error=STEPS[:2], order=1), "three positive"),
    (lambda: check_order("eq-x", step=STEPS + 1, error=STEPS, order=1), "factor of four"),
    (lambda: check_order("eq-x", step=-STEPS, error=STEPS, order=1), "three positive"),
    (lambda: check_order("eq-x", step=STEPS, error=0 * STEPS, order=1), "three positive"),
    (lambda: check_order("eq-x", step=STEPS, error=STEPS[:3], order=1), UNLIKE),
    (lambda: check_order("eq-x", step=STEPS, error=STEPS, order=1, tolerance=0.5), "tolerance"),
    (lambda: check_order("eq-x", step=STEPS, error=STEPS, order=1, tolerance=0.0), "tolerance"),
    (lambda: check_bound("eq-x", tolerance=0.0, lower=LOWER, upper=UPPER), "tolerance"),
    (lambda: check_bound("eq-x", lower=LOWER, upper={"a": TRUTH, "b": TRUTH}), "expected one"),
    (lambda: check_bound("eq-x", lower=LOWER, upper={"high": NOTHING}), "high is empty"),
    (lambda: check_order("eq-x", step=NOTHING, error=STEPS, order=1), "step is empty"),
    (lambda: check_order("eq-x", step=STEPS, error=NOTHING, order=1), "error is empty"),
    (lambda: check_order("eq-x", step=SQUARE, error=SQUARE, order=1), "three positive"),
    (lambda: check_order("eq-x", step=FROM_0, error=STEPS, order=1), "three positive"),
    (lambda: check("eq-x", wrong={"far": NOTHING}, a=TRUTH, b=estimate()), "far is empty"),
    (lambda: check("eq-x", wrong=WRONG, a=TRUTH, b=Estimate(NOTHING, NOTHING)), "b is empty"),
    said="^eq-x: .*{}",
)


def test_the_ends_of_what_is_allowed_are_allowed():
    assert check("eq-x", tolerance=1e-4, a=0.0, b=1e-4).deviation == 1e-4
    small = 2.0**-20
    over, under = {"low": torch.tensor([small, -1.0])}, {"low": torch.tensor([-100.0, -1]) * small}
    zero = {"high": torch.zeros(2)}
    assert check_bound("eq-x", tolerance=small, lower=over, upper=zero).deviation == small
    assert check_bound("eq-x", tolerance=1e-4, lower=LOWER, upper=UPPER).tolerance == 1e-4
    with pytest.raises(CheckFailed, match="equals high everywhere"):
        check_bound("eq-x", tolerance=small, lower=under, upper=zero)
    near = {"low": torch.tensor([-100.5, -100.0]) * small}
    note = check_bound("eq-x", tolerance=small, lower=near, upper=zero).note
    assert note.startswith("strict in 1, ")
    three = torch.tensor([4.0, 2.0, 1.0])
    assert check_order("eq-x", step=three, error=three, order=1).cases == 3
    far = Estimate(TRUTH, torch.full_like(TRUTH, 0.125))
    assert check("eq-x", wrong={"far": TRUTH + 1.25}, a=TRUTH, b=far).deviation == 0


def test_a_failure_shows_the_values_of_all_routes():
    with pytest.raises(CheckFailed, match=r"in entry 1: left side -2.0, b -1.0$"):
        check("eq-x", left_side=TRUTH, b=TRUTH + torch.tensor([0.0, 1.0, 0.5]))


def test_estimates_alone_are_compared_with_the_first_by_both_errors():
    a, b = estimate(error=3e-5), estimate(offset=5e-5, error=4e-5)
    result = check("eq-x", wrong=WRONG, a=a, b=b)
    assert result.cases == 3
    assert result.deviation == pytest.approx(1)
    assert check("eq-x", wrong=WRONG, a=b, b=a).deviation == pytest.approx(1)
    assert check("eq-x", wrong=WRONG, a=estimate(), b=estimate(1e-6)).deviation < 0.1


def test_what_a_check_says_of_itself():
    assert str(check("eq-x", a=1.0, b=1.0)) == (
        "✓ (eq-x)  a = b  ·  1 case  ·  worst deviation 0, tolerance 1e-10"
    )
    assert "  ·  2 cases  ·  " in str(check("eq-x", a=TRUTH[:2], b=TRUTH[:2]))
    assert str(check_bound("eq-x", lower=LOWER, upper=UPPER)) == (
        "✓ (eq-x)  low ≤ high  ·  3 cases  ·  largest excess -1, tolerance 1e-10"
        "  ·  strict in 3, gap up to 1"
    )
    assert str(check_order("eq-x", step=STEPS, error=STEPS, order=1)) == (
        "✓ (eq-x)  error ~ step¹  ·  4 cases  ·  worst deviation 0 slope, tolerance 0.1"
        "  ·  slope 1.000"
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int64])
def test_numbers_of_all_kinds_are_compared_in_double_precision(dtype):
    two = torch.tensor([2.0, -1.0], dtype=dtype)
    assert check("eq-x", a=two, b=[2.0, -1.0], tolerance=1e-12).deviation == 0
    third = torch.tensor([1 / 3, 2], dtype=torch.float64)
    with pytest.raises(CheckFailed):
        check("eq-x", a=third, b=third.float())


def test_html_carries_the_whole_check():
    result = check("eq-x", wrong={"a <b> & “c”": -TRUTH}, closed_form=TRUTH, sample_mean=estimate())
    html = result._repr_html_()
    found = json.loads(unescape(re.search(r'data-check="([^"]*)"', html)[1]))
    assert [found[key] for key in ("label", "kind", "cases")] == ["eq-x", "statistical", 3]
    assert (found["routes"], found["note"]) == (["closed form", "sample mean"], result.note)
    assert "closed form = sample mean" in html
    assert "<b>" not in html
