"""The divergence along the path, against closed forms."""

import pytest
import torch
from torch.distributions import Normal

from vaelib.divergence import kl, kl_path

Z = torch.arange(-15, 15, 0.02).double()


@pytest.mark.parametrize("constant", [0.0, -300.0])
def test_two_normals_whatever_the_constant(constant):
    q, p = Normal(torch.tensor([0.5, -1.0]).double(), 0.7), Normal(torch.tensor(0.2).double(), 1.3)
    log_q = torch.stack([Normal(mu, 0.7).log_prob(Z) for mu in q.mean])
    found = kl_path(log_q, p.log_prob(Z) - log_q + constant, 64)
    torch.testing.assert_close(found, kl(q, p))


def test_a_discrete_pair_is_no_grid_at_all():
    q, p = torch.randn(2, 7, 5).double().softmax(-1)
    known = (q * (q / p).log()).sum(-1)
    torch.testing.assert_close(kl_path(q.log(), (p / q).log(), 48), known)


def test_few_nodes_are_not_enough():
    q, p = Normal(0.0, 0.3), Normal(1.0, 0.9)
    log_q = q.log_prob(Z)
    assert abs(kl_path(log_q, p.log_prob(Z) - log_q, 2) - kl(q, p)) > 1e-4


def test_the_rule_has_thirty_two_nodes_unless_told():
    log_q, log_w = torch.randn(2, 40).double()
    assert torch.equal(kl_path(log_q, 9 * log_w), kl_path(log_q, 9 * log_w, 32))
    assert not torch.equal(kl_path(log_q, 9 * log_w), kl_path(log_q, 9 * log_w, 33))


def test_names_what_is_wrong():
    with pytest.raises(ValueError, match="must match"):
        kl_path(torch.zeros(3), torch.zeros(2, 3))
    message = r"^log_w must be finite: where only p is zero, KL is infinite$"
    with pytest.raises(ValueError, match=message):
        kl_path(torch.zeros(3), torch.tensor([0.0, -torch.inf, 0.0]))
    with pytest.raises(ValueError, match="nodes must be"):
        kl_path(torch.zeros(3), torch.zeros(3), 0)
