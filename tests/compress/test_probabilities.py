"""Probabilities of whole numbers, and a stack that uses just these."""

import numpy as np
import pytest
import scipy.stats
import torch

from vaelib.compress.coder import Dice, parts
from vaelib.compress.stack import Bins, Stack, cost, levels, random_words, weights
from vaelib.distributions import diagonal_normal, unit_normal

WHOLE = 2**24


def tables(count, rows=6):
    """Uneven ones, some of whose symbols have no probability to speak of."""
    p = torch.distributions.Gamma(0.05, 1.0).sample((rows, count)).double()
    return levels((p / p.sum(-1, keepdim=True)).log())


@pytest.mark.parametrize("count", [2, 3, 256, 4096, 65536])
def test_nothing_is_impossible_and_all_adds_up_to_one(count):
    w = tables(count)
    assert (w >= 0).all()
    assert (w == w.round()).all()
    assert ((w + 1).sum(-1) == WHOLE).all()
    symbols = torch.randint(count, (6,))
    own = w[torch.arange(6), symbols] + 1
    torch.testing.assert_close(2 ** -cost(w, symbols), own / WHOLE)


def test_they_are_the_probabilities_but_for_the_last_bits_and_never_negative():
    p = torch.rand(5, 10).double().softmax(-1)
    for w in (levels(p.log()), weights(p.cumsum(-1).clamp(max=1.0))):
        assert ((w + 1) / WHOLE - p).abs().max() < 12 / WHOLE
    w = weights(torch.tensor([0.5, 0.5 - 1e-6, 1.0]).double())  # falls by rounding
    assert w.tolist() == [(WHOLE - 3) // 2, 0, (WHOLE - 3) - (WHOLE - 3) // 2]


@pytest.mark.parametrize("count", [2, 17, 4096])
def test_the_coder_gives_each_symbol_as_many_states_as_its_weight_says(count):
    """The lowest 24 bits of the state choose the symbol: the first and the last of each do."""
    w = tables(count, 1)
    ends = (w + 1).cumsum(-1)[0].long().tolist()
    for symbol in torch.randint(count, (20,)).tolist():
        first = ends[symbol - 1] if symbol else 0
        for low in (first, ends[symbol] - 1):
            state = 7 << 40 | 5 << 24 | low
            stack = Stack(np.array([state & 0xFFFFFFFF, state >> 32], np.uint32))
            assert stack.pop(w).tolist() == [symbol]


def test_what_is_popped_and_pushed_leaves_the_stack_as_it_was():
    words = random_words(3, 50)
    stack, w = Stack(words, sealed=True), tables(256, 24).reshape(2, 3, 4, 256)
    before = stack.words.tolist()
    alike = Bins(unit_normal(torch.zeros(3)), 1024).prior(torch.zeros(2, 3))
    symbols, uniform = stack.pop(w), stack.pop(alike)
    assert (symbols.shape, uniform.shape) == ((2, 3, 4), (2, 3))
    lowest = len(stack)
    assert stack.lowest == lowest < len(words) - 1
    stack.push(uniform, alike)
    stack.push(symbols, w)
    assert stack.words.tolist() == before
    assert (len(stack), stack.lowest) == (51, lowest)


def test_random_words_are_those_of_their_seed_and_more_of_them_lie_below():
    assert random_words(0, 5).tolist() == random_words(0, 9)[-5:].tolist()
    assert random_words(0, 5).tolist() != random_words(1, 5).tolist()
    ones = np.unpackbits(np.frombuffer(random_words(2, 10_000).tobytes(), np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / 320_000**0.5


@pytest.mark.parametrize("count", [2, 8, 1024])
def test_bins_are_equally_probable_under_the_prior(count):
    bins = Bins(unit_normal(torch.zeros(1)), count)
    ends = np.array([-np.inf, *bins.ends.tolist()])
    np.testing.assert_allclose(np.diff(scipy.stats.norm.cdf(ends)), 1 / count, rtol=1e-9)
    inside = scipy.stats.norm.cdf(bins.medians) * count - np.arange(count)
    np.testing.assert_allclose(inside, 0.5, atol=1e-6)
    w = bins.posterior(unit_normal(torch.zeros(1))).weights
    assert ((w + 1) / WHOLE * count - 1).abs().max() < 2 * count / WHOLE


def test_a_normal_distribution_gives_each_bin_its_mass():
    mu, sigma = torch.tensor([[0.3, -2.0], [40.0, -9.0]]), torch.tensor([[0.1, 1e-5], [0.2, 5.0]])
    bins = Bins(unit_normal(torch.zeros(2)), 64)
    ends = np.array([-np.inf, *bins.ends.tolist()])
    at = (mu.double()[..., None].numpy(), sigma.double()[..., None].numpy())
    mass = np.diff(scipy.stats.norm.cdf(ends, *at), axis=-1)
    found = (bins.posterior(diagonal_normal(mu, sigma)).weights + 1) / WHOLE
    np.testing.assert_allclose(found, mass, atol=66 / WHOLE)


def test_dice_fall_as_the_weights_say():
    w = weights(torch.tensor([0.2, 0.2, 0.9, 1.0]).double()).expand(40_000, 4)
    shares = torch.bincount(Dice().pop(w), minlength=4) / 40_000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.0, 0.7, 0.1]), atol=0.012, rtol=0)


@pytest.mark.parametrize(("count", "most"), [(1, 64), (8, 64), (100, 1), (1000, 64)])
def test_images_are_coded_in_order_and_few_at_a_time(count, most):
    found = parts(count, most)
    assert [n for part in found for n in range(count)[part]] == [*range(count)]
    assert all(p.stop - p.start <= max(1, min(most, p.start // 8)) for p in found)
    assert len(parts(1000, 64)) < 60
