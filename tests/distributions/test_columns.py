import pytest
import torch
from torch import distributions as D

from tests.cases import cases, refused
from vaelib.audit import audit
from vaelib.distributions import bernoulli, columns, diagonal_normal, observed, unit_normal
from vaelib.divergence import kl

A = torch.linspace(-1, 1, 6).double().reshape(3, 2)  # a batch of 3
a, positive = A[:, 0], A[:, 1].exp()
NAN, ORDER = torch.nan, [9, 3, 0, 8, 5, 1, 2, 4, 7, 6]


def unlike():
    logits = torch.stack([a, 2 * a, -a, 0 * a], -1)
    return [
        diagonal_normal(A, A.exp()), D.Laplace(a, positive), D.StudentT(4.0 + a, a, positive),
        D.LogNormal(a, positive), bernoulli(A), D.Categorical(logits=logits), D.Poisson(positive),
        D.NegativeBinomial(positive, logits=a),
    ]  # fmt: skip


@cases(None, ORDER, torch.tensor(ORDER), ids=["none", "list", "tensor"])
def test_each_column_has_its_own_density_in_its_place(order):
    parts, p = unlike(), columns(unlike(), order)
    assert (p.batch_shape, p.event_shape, p.has_rsample) == ((3,), (10,), False)
    x, stands = p.sample((50,)), list(range(10) if order is None else order)
    alone = [part.base_dist if part.event_shape else part for part in parts]
    pairs = zip(alone, x[..., stands].split([2, 1, 1, 1, 2, 1, 1, 1], -1), strict=True)
    terms = [q.log_prob(v if q.batch_shape == (3, 2) else v[..., 0]) for q, v in pairs]
    expected = torch.cat([v.reshape(50, 3, -1) for v in terms], -1)
    torch.testing.assert_close(p.base_dist.log_prob(x)[..., stands], expected)
    torch.testing.assert_close(p.log_prob(x), expected.sum(-1))
    torch.testing.assert_close(p.expand((2, 3)).log_prob(x[:2]), p.log_prob(x[:2]))
    torch.testing.assert_close(p.mean[:, stands[7]], parts[5].probs.argmax(-1).double())
    torch.testing.assert_close(p.mean[:, stands[3]], parts[2].mean)
    assert p.support.check(x).all()
    x[0, 0, stands[7]], x[0, 1, stands[4]], x[0, 2, stands[0]] = 4, 0, NAN  # classes are 0 to 3
    assert (~p.support.check(x)).nonzero().tolist() == [[0, 0], [0, 1], [0, 2]]


def test_columns_are_drawn_with_gradients_where_all_of_them_are():
    mu = A.clone().requires_grad_()
    p = observed(columns([D.Laplace(mu[:, 0], 1.0), diagonal_normal(mu, 1.0)], [1, 0, 2]))
    assert p.has_rsample
    (slope,) = torch.autograd.grad(p.rsample()[:, 1].sum(), mu)
    assert slope.tolist() == [[1, 0]] * 3  # the Laplace column stands second


def test_a_table_of_classes_alone_is_of_numbers():
    p = columns([D.Categorical(torch.ones(3)), D.Categorical(torch.ones(2))])
    assert p.sample((4,)).dtype == p.mean.dtype == torch.float32
    assert p.support.is_discrete
    assert not columns(unlike()).support.is_discrete


IMAGES = diagonal_normal(torch.randn(3, 2, 2, 3).double(), 0.7, rank=3)


@pytest.mark.parametrize("whole", [columns(unlike(), ORDER), IMAGES], ids=["table", "images"])
def test_what_is_missing_is_left_out_of_the_sum(whole):
    p, x = observed(whole), whole.sample((40,))
    missing = torch.rand(x.shape) < 0.5
    missing[0], missing[1] = True, False
    holes = x.masked_fill(missing, NAN)
    terms = whole.base_dist.log_prob(x).masked_fill(missing, 0)
    torch.testing.assert_close(p.base_dist.log_prob(holes), terms)
    torch.testing.assert_close(p.log_prob(holes), terms.flatten(2).sum(-1))
    assert p.log_prob(holes)[0].tolist() == [0, 0, 0]
    assert p.support.check(holes).all()
    assert not p.support.check(x.masked_fill(~missing, torch.inf))[1].any()
    torch.testing.assert_close(p.mean, whole.mean)
    torch.testing.assert_close(p.expand((40, 3)).log_prob(holes), p.log_prob(holes))


def test_a_row_of_holes_sends_finite_gradients():
    m, s = A.clone().requires_grad_(), A.exp().requires_grad_()
    p = [D.Normal(m[:, 0], s[:, 0]), D.LogNormal(m[:, 1], s[:, 1]), D.Poisson(s[:, 1])]
    holes = torch.tensor([[NAN, NAN, NAN], [0.5, NAN, 2.0], [NAN, 0.5, NAN]]).double()
    observed(columns(p)).log_prob(holes).sum().backward()
    assert m.grad.isfinite().all()
    assert s.grad.isfinite().all()
    assert m.grad[0].tolist() == [0, 0]
    assert m.grad[1, 0] == pytest.approx((0.5 - A[1, 0]) / A[1, 0].exp() ** 2)


def test_bounds_that_differ_by_row_are_those_of_each_row():
    p = columns([D.Uniform(a, a + 1), D.Normal(a, positive)])
    assert p.support.check(torch.tensor([-0.5, 0.0]).double()).tolist() == [True, False, False]


def test_an_audit_knows_a_loss_that_is_made_of_them():
    def loss(x_hat, x, mu, logvar):
        p = observed(columns([diagonal_normal(x_hat.flatten(1), 0.5)]))
        q = diagonal_normal(mu, (logvar / 2).exp())
        return (kl(q, unit_normal(torch.zeros_like(mu))) - p.log_prob(x.flatten(1))).mean()

    found = audit(loss)
    assert (found.likelihood.kind, found.elbo, found.beta) == ("Gaussian", True, pytest.approx(1))


test_what_is_no_table_is_said = refused(
    (lambda: columns([]), "a table needs a column"),
    (lambda: columns([D.Normal(a, 1.0), D.Normal(0.0, 1.0)]), r"one batch .* \[\(\), \(3,\)\]"),
    (lambda: columns([D.MultivariateNormal(a, torch.eye(3).double())]), "columns must be num"),
    (lambda: columns([D.Independent(D.Normal(A, 1.0), 2)]), "columns must be numbers or ind"),
    (lambda: columns([D.Normal(a, 1.0)], [1]), r"permutation of 0 to 0, got \[1\]"),
    (lambda: columns([diagonal_normal(A, 1.0)], [0, 0]), r"permutation of 0 to 1, got \[0, 0"),
    (lambda: observed(D.Normal(0.0, 1.0)), "only independent coordinates can be missing"),
)
