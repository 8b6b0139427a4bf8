"""What values and whole numbers must be, and who does not look."""

import math

import pytest
import torch

from vaelib.validation import check_counts, check_finite, examining, unexamined

BAD = torch.tensor([1.0, math.nan, -math.inf])


@pytest.mark.parametrize("n", [0, -1, 1.0, "1", None])
def test_what_is_no_whole_number_of_at_least_one_is_named(n):
    check_counts(one=1, two=2)
    with pytest.raises(ValueError, match=f"^nodes must be a whole number of at least 1, got {n!r}"):
        check_counts(one=1, nodes=n)
    with pytest.raises(ValueError, match=r"^draws must be a whole number of at least 2, got 1$"):
        check_counts(2, other=2, draws=1)


def test_values_that_are_not_finite_are_counted():
    check_finite("x", BAD[:1])
    check_finite("x", BAD[:0])
    with pytest.raises(ValueError, match=r"^x must be finite, got 2 values that are not$"):
        check_finite("x", BAD)


def test_in_a_loop_nobody_looks_and_after_it_everybody_does_again():
    def fails():
        with unexamined():
            with unexamined():
                check_finite("x", BAD)
            assert not examining()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert examining()
