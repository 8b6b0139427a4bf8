"""Any callable with the arguments that people use; what is not clear is asked for, not guessed."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.audit import losses
from tests.audit.losses import right
from vaelib.audit import Unreadable, audit


def test_arguments_that_have_a_default_are_left_alone_and_others_can_be_given():
    def weighted(x_hat, x, mu, logvar, beta=3.0):
        return right(x_hat, x, mu, logvar) + (beta - 1) * 0.5 * (
            (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
        )

    assert audit(weighted).beta == pytest.approx(3)
    assert audit(weighted, beta=0.5).beta == pytest.approx(0.5)
    assert audit(functools.partial(weighted, beta=2.0)).beta == pytest.approx(2)


@pytest.mark.parametrize(
    ("shape", "batch", "latents"), [((), 1, 1), ((2, 0), 1, 1), ((2,), 0, 1), ((2,), 1, 0)]
)
def test_sizes_below_1_are_refused(shape, batch, latents):
    with pytest.raises(ValueError, match="sizes") as raised:
        audit(right, shape=shape, batch=batch, latents=latents)
    assert str(raised.value) == f"sizes must be at least 1, got {shape}, {batch}, {latents}"


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((3, 4, 5), {"pixels": 60, "channels": 3, "height": 4, "width": 5}),
        ((30,), {"pixels": 30}),
        ((2, 3), {"pixels": 6}),
    ],
)
def test_sizes_are_counted_from_the_shape(shape, sizes):
    assert audit(right, shape=shape, batch=7, latents=1).sizes == {"batch": 7, "latents": 1} | sizes


def test_the_loss_keeps_its_own_state_and_the_caller_the_noise():
    loss = losses.WarmingUp()
    before = torch.get_rng_state()
    found = audit(loss)
    audit(losses.sampled_inside)
    assert torch.equal(torch.get_rng_state(), before)
    assert loss.step == 0
    assert found.stateful
    assert found.beta == pytest.approx(0.01)


def test_results_of_many_kinds_are_read():
    def parts(x_hat, x, mu, logvar):
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
        whole = right(x_hat, x, mu, logvar)
        return whole, whole - kl, kl

    assert audit(parts).elbo
    named = audit(lambda x_hat, x, mu, logvar: dict(
        zip(("loss", "error", "kl"), parts(x_hat, x, mu, logvar), strict=True)
    ))  # fmt: skip
    assert named.elbo
    with pytest.raises(Unreadable, match="which entry of the result is the loss"):
        audit(lambda x_hat, x, mu, logvar: parts(x_hat, x, mu, logvar)[1:])
    assert audit(lambda *a: parts(*a)[1:], x_hat=0, x=1, mu=2, logvar=3, entry=(0, 1)).elbo
    twice = audit(lambda x_hat, x, mu, logvar: (right(x_hat, x, mu, logvar),) * 2, entry=1)
    assert twice.elbo
    with pytest.raises(Unreadable, match=r"^the result of the loss holds no number"):
        audit(lambda x_hat, x, mu, logvar: None)
    with pytest.raises(Unreadable, match="no entry 'total'"):
        audit(parts, entry="total")


def test_a_loss_that_runs_on_nothing_says_what_it_raised():
    def broken(x_hat, x, mu, logvar):
        raise RuntimeError("needs a GPU")

    with pytest.raises(Unreadable, match=r"x_hat \(3, 5\).*raised RuntimeError\('needs a GPU'\)"):
        audit(broken)


def test_noise_that_cannot_be_held_is_not_guessed():
    import random

    with pytest.raises(Unreadable, match="noise not of torch"):
        audit(lambda x_hat, x, mu, logvar: right(x_hat, x, mu, logvar) + random.random())


@pytest.mark.parametrize("wrap", [torch.no_grad(), torch.enable_grad()])
def test_wrapped_losses_are_read(wrap):
    found = audit(wrap(right))
    assert found.gradients.whole == (type(wrap) is torch.enable_grad)


@pytest.mark.not_mutated  # it takes long
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_compiled_loss_is_read():
    assert audit(torch.compile(right, backend="eager")).elbo
    assert audit(torch.jit.script(_scripted), x_hat=0, x=1, mu=2, logvar=3).elbo


def _scripted(x_hat: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor):
    error = torch.nn.functional.binary_cross_entropy(x_hat, x, reduction="sum")
    return error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()


def test_losses_that_take_float32_alone_are_read():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(1, 1)

        def forward(self, x_hat, x, mu, logvar):
            self.one(mu[:, :1])
            return right(x_hat, x, mu, logvar)

    found = audit(Single())
    assert found.elbo
    assert found.beta == pytest.approx(1, rel=1e-3)


def test_images_for_rows_and_several_samples():
    def rows(recon, x, mu, logvar):
        return right(recon, x.flatten(1), mu, logvar)

    assert audit(rows).elbo
    for axis in (0, 1):

        def weighted(x_hat, x, mu, logvar, z, axis=axis):
            x, mu, logvar = (t.unsqueeze(axis) for t in (x, mu, logvar))
            normal = torch.distributions.Normal
            log_w = normal(0.0, 1.0).log_prob(z) - normal(mu, (logvar / 2).exp()).log_prob(z)
            error = F.binary_cross_entropy(x_hat, x.expand_as(x_hat), reduction="none")
            log_w = log_w.sum(2) - error.flatten(2).sum(2)
            return -log_w.logsumexp(axis).mean()

        found = audit(weighted)
        assert found.together == "log of the sum of weights, not of their mean"
        assert not found.bound
        assert found.advice.startswith("Take the log of the mean of the weights")
