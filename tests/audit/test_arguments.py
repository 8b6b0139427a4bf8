"""Any callable with the arguments that people use; what is not clear is asked for, not guessed."""

import pytest
import torch

from tests.audit.kinds import vae
from tests.cases import cases
from vaelib.audit import audit

right = vae()


@cases(
    ((), 1, 1),
    ((2, 0), 1, 1),
    ((2,), 0, 1),
    ((2,), 1, 0),
)
def test_sizes_below_1_are_refused(shape, batch, latents):
    with pytest.raises(ValueError, match="sizes") as raised:
        audit(right, shape=shape, batch=batch, latents=latents)
    assert str(raised.value) == f"sizes must be at least 1, got {shape}, {batch}, {latents}"


@cases(
    ((3, 4, 5), {"pixels": 60, "channels": 3, "height": 4, "width": 5}),
    ((2, 3), {"pixels": 6, "height": 2, "width": 3}),
)
def test_sizes_are_counted_from_the_shape(shape, sizes):
    code = {"latents": 1, "coordinates": 1}
    assert audit(right, shape=shape, batch=7, latents=1).sizes == {"batch": 7} | code | sizes


@pytest.mark.parametrize("wrap", [torch.no_grad(), torch.enable_grad()])
def test_wrapped_losses_are_read(wrap):
    found = audit(wrap(right))
    assert all(found.gradients.reached.values()) == (type(wrap) is torch.enable_grad)


@pytest.mark.not_mutated  # it takes long
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_compiled_loss_is_read():
    assert audit(torch.compile(right, backend="eager")).elbo
    assert audit(torch.jit.script(_scripted), x_hat=0, x=1, mu=2, logvar=3).elbo


def _scripted(x_hat: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor):
    error = torch.nn.functional.binary_cross_entropy(x_hat, x, reduction="sum")
    return error + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()
