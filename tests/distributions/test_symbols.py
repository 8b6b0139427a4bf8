import math

import pytest
import torch
from torch.distributions import Independent, OneHotCategorical
from vector_quantize_pytorch import FSQ, VectorQuantize

from tests.cases import cases, refused, seeded
from vaelib.checks import check
from vaelib.distributions import Symbols, finite_scalar_quantiser, vector_quantiser
from vaelib.divergence import Estimate, kl

N, K = 3, 4
LOGITS = seeded(torch.randn, 5, N, K).double()
TABLE = seeded(torch.randn, K, 2).double()
H = seeded(torch.randn, 5, N, 2).double()
tables = cases(None, TABLE, ids=["one-hot", "codes"])


@tables
def test_rows_of_symbols_have_the_densities_moments_and_divergence_of_torchs(codes):
    q, p = Symbols(LOGITS, codes), Symbols(LOGITS.flip(0) / 2, codes)
    ours, theirs = (Independent(OneHotCategorical(logits=s.logits), 1) for s in (q, p))
    k = torch.randint(K, (7, 5, N))
    z, hot = q.written(k), torch.nn.functional.one_hot(k, K).double()
    assert torch.equal(q.whole(z), k)
    assert z.shape == (7, 5, *q.event_shape)
    torch.testing.assert_close(q.log_prob(z), ours.log_prob(hot))
    torch.testing.assert_close(kl(q, p), torch.distributions.kl_divergence(ours, theirs))
    torch.testing.assert_close(q.entropy(), ours.entropy())
    every = q.enumerate_support()
    assert every.shape == (K**N, 5, *q.event_shape)
    torch.testing.assert_close(q.log_prob(every).exp().sum(0), torch.ones(5).double())
    mean = (q.log_prob(every).exp()[..., None, None] * every).sum(0)
    torch.testing.assert_close(q.mean, mean)
    wide = q.expand((2, 5))
    assert torch.equal(wide.log_prob(z[:2]), q.log_prob(z[:2]))


@tables
def test_draws_have_the_probabilities(codes):
    q = Symbols(LOGITS[0], codes)
    shares = torch.nn.functional.one_hot(q.whole(seeded(q.sample, (90_000,))), K).double()
    exact = q.logits.exp()
    check("eq-draws", exact=exact, drawn=Estimate.of(shares), wrong={"0.02 more": exact + 0.02})


def test_a_symbol_without_probability_costs_nothing():
    logits = torch.tensor([[0.0, -200.0]], requires_grad=True)
    q = Symbols(logits)
    value = kl(q, Symbols(torch.zeros(1, 2))) + q.entropy()
    assert float(value) == pytest.approx(math.log(2))
    value.backward()
    assert logits.grad.isfinite().all()


def test_the_nearest_code_is_found_far_from_the_origin():
    codes = 1000 + 0.1 * seeded(torch.randn, 64, 2)
    k = torch.randint(64, (500, 1))
    q = vector_quantiser(codes[k], codes)
    assert torch.equal(codes[q.k], codes[k])
    assert (q.log_prob(q.sample()) == 0).all()


def test_whole_numbers_of_large_grids_are_exact_in_half_precision():
    levels = (8, 8, 8, 5, 5, 5)
    q = finite_scalar_quantiser(seeded(torch.randn, 900, 1, 6).bfloat16(), levels)
    again = torch.cdist(q.sample().float(), q.codes.float()).argmin(-1)
    assert torch.equal(q.k, again)


def test_a_certain_q_pays_for_its_symbols_and_passes_gradients_on():
    h = H.clone().requires_grad_()
    table = TABLE.clone().requires_grad_()
    q = vector_quantiser(h, table, commitment=0.25)
    p = Symbols(LOGITS[0], table)
    torch.testing.assert_close(kl(q, p), -p.log_prob(q.sample()))
    uniform = Symbols(torch.zeros(N, K).double(), table)
    torch.testing.assert_close(kl(q, uniform), torch.full((5,), N * math.log(K)).double())
    z = q.rsample((2,))
    assert torch.equal(z.detach(), q.sample((2,)))
    torch.testing.assert_close(q.log_prob(z), torch.zeros(2, 5).double())
    assert (
        q.log_prob(z.flip(-2))[q.k[None].ne(q.k.flip(-1)).any(-1).expand(2, 5)] == -torch.inf
    ).all()
    slope = torch.randn(5, N, 2).double()
    (passed,) = torch.autograd.grad((z[0] * slope).sum(), h)
    torch.testing.assert_close(passed, slope)
    nearest = (h[..., None, :] - table).square().sum(-1).argmin(-1)
    assert torch.equal(q.k, nearest)
    to_h, to_codes = torch.autograd.grad(kl(q, uniform).sum(), (h, table))
    torch.testing.assert_close(to_h, 2 * 0.25 * (h - table[nearest]))
    hot = torch.nn.functional.one_hot(nearest, K).double()
    pull = torch.einsum("bnk,bnkd->kd", hot, 2 * (table - h[..., None, :]))
    torch.testing.assert_close(to_codes, pull)
    assert q.expand((3, 5)).log_prob(z[:1]).shape == (3, 5)


def test_the_vector_quantiser_gives_the_numbers_of_a_library():
    theirs = VectorQuantize(2, K, commitment_weight=0.25, rotation_trick=False).eval()
    h = H.float().requires_grad_()
    codes = theirs.codebook.detach().clone()
    quantised, index, _ = theirs(h)
    q = vector_quantiser(h, codes)
    assert torch.equal(q.k, index)
    assert len(q.k.unique()) > 1
    torch.testing.assert_close(q.rsample(), quantised)
    commitment = theirs.train()(h)[2]
    assert float(commitment) > 0.01
    squares = (h - codes[q.k]).square()
    torch.testing.assert_close(commitment, 0.25 * squares.mean())
    ours, other = (torch.autograd.grad(v, h)[0] for v in (q.penalty.sum(), commitment))
    torch.testing.assert_close(ours, h.numel() * other)


@cases([5, 5, 4], [8, 3], [3, 4, 7, 6])
def test_finite_scalars_give_the_numbers_of_a_library(levels):
    theirs = FSQ(levels)
    h = 2 * seeded(torch.randn, 50, 4, len(levels))
    h.requires_grad_()
    quantised, index = theirs(h)
    q = finite_scalar_quantiser(h, tuple(levels))
    assert q.levels == math.prod(levels) == theirs.codebook_size
    assert torch.equal(q.k, index.long())
    torch.testing.assert_close(q.rsample(), quantised)
    torch.testing.assert_close(q.codes, theirs.implicit_codebook)
    slopes = [torch.autograd.grad((v**2).sum(), h)[0] for v in (q.rsample(), quantised)]
    torch.testing.assert_close(*slopes)


test_what_is_no_row_of_symbols_is_refused = refused(
    (lambda: Symbols(torch.zeros(4)), "logits must have 2 event dimensions"),
    (lambda: Symbols(torch.full((1, 2), torch.nan)), "logits must be finite"),
    (lambda: Symbols(LOGITS, TABLE[:2]), r"codes must have shape \(4, d\), got \(2, 2\)"),
    (lambda: Symbols(LOGITS).log_prob(H), r"z must have shape \(..., 3, 4\)"),
    (lambda: Symbols(torch.zeros(9, 8)).enumerate_support(), r"8\^9 rows are too many"),
    (
        lambda: vector_quantiser(H, TABLE[:, :1]),
        r"h of width 2 does not go with codes of shape \(4, 1\)",
    ),
    (lambda: vector_quantiser(H, TABLE, -1), "commitment must be at least 0"),
    (lambda: vector_quantiser(H * torch.nan, TABLE), "h must be finite"),
    (lambda: finite_scalar_quantiser(H, (3,)), "h must have 1 coordinates a symbol, got 2"),
    (lambda: finite_scalar_quantiser(H, (3, 2)), r"levels\[1\] must be .* at least 3"),
    (lambda: vector_quantiser(H, TABLE * torch.nan), "codes must be finite"),
    (lambda: kl(vector_quantiser(H, TABLE), Symbols(LOGITS[0])), "one event shape"),
    (lambda: kl(vector_quantiser(H, TABLE), Symbols(LOGITS[0], TABLE + 1)), "by different tables"),
)


def test_no_closed_form_is_claimed_for_symbols_that_depend_on_one_another():
    p = Symbols(LOGITS)
    p.rounds = N
    with pytest.raises(NotImplementedError, match="no closed-form KL"):
        kl(Symbols(LOGITS), p)
