"""Chains of linear normals, against the dense normal by blocks."""

from itertools import product

import torch
from torch.distributions import Independent, Laplace, MultivariateNormal

from tests.cases import cases, refused
from tests.distributions.test_chain import PLACES, WIDTHS, block, linear
from vaelib.checks import check
from vaelib.distributions import bernoulli, chain, diagonal_normal, unit_normal
from vaelib.divergence import kl, kl_by_layer
from vaelib.exact import GaussianChain, as_chain, as_normal, cubic_points
from vaelib.objectives import log_joint

X = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).double()
ONE = unit_normal(torch.zeros(1))


@cases(*product([(), (4,), (2, 3)], [False, True]))
def test_a_chain_is_one_normal_and_a_normal_is_a_chain_either_way(batch, upward):
    p, dense = linear(upward, batch)
    row = as_normal(p)
    check("eq-row", dense=dense.mean, here=row.mean)
    check("eq-row", dense=dense.covariance_matrix, here=row.covariance_matrix)
    z, t = torch.randn(5, *batch, 6).double(), 2 if upward else 0
    other = as_chain(dense, WIDTHS, not upward)
    check("eq-row", dense=dense.log_prob(z), other_way=other.log_prob(z))
    first = block(dense, PLACES[t]).log_prob(z[..., PLACES[t]])
    check("eq-row", marginal=first, other_way=other.log_probs(z)[t])
    m, v = dense.mean.sum(-1) + 1, dense.covariance_matrix.sum((-2, -1))
    cubes = (cubic_points(dense).sum(-1) + 1).pow(3).mean(0)
    check("eq-cubature", moments=m**3 + 3 * m * v, here=cubes)


def model(upward=False):
    prior, dense = linear(upward)
    W, b = torch.randn(5, 2).double(), torch.randn(5).double()
    return GaussianChain(prior, lambda z: diagonal_normal(z[..., :2] @ W.T + b, 0.6)), dense, W, b


def test_evidence_is_the_dense_normals_and_the_posterior_bayes():
    (p, dense, W, b), z = model(), torch.randn(7, 4, 6).double()
    low, noise = block(dense, PLACES[0]), 0.36 * torch.eye(5).double()
    x = MultivariateNormal(W @ low.mean + b, W @ low.covariance_matrix @ W.T + noise)
    check("eq-evidence", dense=x.log_prob(X), here=p.log_evidence(X))
    check("eq-posterior", bayes=log_joint(p, X, z) - x.log_prob(X), here=p.encode(X).log_prob(z))


@cases(*product([False, True], [False, True], ["posterior", "nearest", "any"]))
def test_reconstruction_less_the_layers_divergences_and_the_gap_are_the_evidence(up_p, up_q, kind):
    p, dense, *_ = model(up_p)
    q = as_chain(p.encode(X), WIDTHS, up_q, kind == "nearest")
    q = linear(up_q, (4,), seed=3)[0] if kind == "any" else q
    row = as_normal(q)
    z = cubic_points(row)
    terms, gap = kl_by_layer(q, p.prior, z).mean(1), kl(row, p.encode(X))
    bound = p.decode(z).log_prob(X).mean(0) - terms.sum(0)
    check("eq-gap", evidence=p.log_evidence(X), bound_and_gap=bound + gap)
    if kind == "posterior":
        check("eq-gap", evidence=p.log_evidence(X), bound=bound)
    if up_p == up_q:  # the chain rule: what each layer adds to the divergence of those before
        order, total = range(3) if up_q else (2, 1, 0), 0.0
        for k, t in enumerate(order):
            seen = torch.cat([PLACES[i] for i in order[: k + 1]])
            new = kl(block(row, seen), block(dense, seen))
            check("eq-layers", nested=new - total, here=terms[t])
            total = new


@cases(False, True)
def test_no_diagonal_chain_is_nearer(upward):
    """Each coordinate's noise, and its way through later layers F, alone minimise tr(Λ Σ_q)."""
    row, order = model()[0].encode(X), PLACES if upward else PLACES[::-1]
    precision, F = row.precision_matrix, torch.cat(order)
    total = -precision.logdet()
    for mine in order:
        F = F[len(mine) :]
        pairs = [(mine, mine), (F, F), (mine, F)]
        own, rest, both = (precision[..., i[:, None], j] for i, j in pairs)
        least = own - both @ torch.linalg.solve(rest, both.mT)
        total = total + least.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    best = as_chain(row, WIDTHS, upward, diagonal=True)
    check("eq-nearest", least=total / 2, here=kl(as_normal(best), row))


test_what_is_not_linear_or_not_normal_is_said = refused(
    (lambda: as_normal(chain([1, 1], ONE, lambda z: unit_normal(z.sin()))), "must be linear"),
    (lambda: as_normal(chain([1, 1], ONE, lambda z: diagonal_normal(z, z.exp()))), "covariance"),
    (lambda: as_normal(chain([1, 1], ONE, lambda z: Independent(Laplace(z, 1.0), 1))), "layer 1"),
    (lambda: as_chain(linear(False)[1], [2, 3]), r"the row must have event \(5,\), got \(6,\)"),
    (lambda: GaussianChain(linear(False)[0], bernoulli), "layer 1 must be normal"),
)
