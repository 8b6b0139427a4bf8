"""Events of any rank: images of images give the numbers of the same rows."""

from functools import partial

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily

from tests.cases import cases, seeded
from vaelib.distributions import bernoulli, diagonal_normal, unit_normal
from vaelib.models import Model
from vaelib.objectives import ELBO, elbo, elbo_terms, iwae, log_evidence, log_joint, log_weights

IMAGE, CODE = (2, 3, 4), (1, 2, 2)  # of x and of z
W, V = torch.randn(24, 4).double(), torch.randn(4, 24).double()
X = torch.rand(2, 5, *IMAGE).double().round()


def model(image, code, parameter=None):
    """One model whose x and z have the shapes that are asked for."""
    v = V if parameter is None else parameter

    def decode(z):
        batch = z.shape[: z.ndim - len(code)]
        return bernoulli((z.reshape(*batch, 4) @ W.T).reshape(*batch, *image), len(image))

    def encode(x):
        batch = x.shape[: x.ndim - len(image)]
        mu = (x.reshape(*batch, 24) @ v.T / 9).reshape(*batch, *code)
        return diagonal_normal(mu, 0.3 + mu**2, len(code))

    return Model(unit_normal(torch.zeros(code).double(), len(code)), decode, encode)


FLAT = partial(model, (24,), (4,))
SHAPED = {
    "images": partial(model, IMAGE, (4,)),
    "images and codes with sides": partial(model, IMAGE, CODE),
    "rows and codes with sides": partial(model, (24,), CODE),
}
OBJECTIVES = {
    "elbo": elbo,
    "several samples": partial(elbo, samples=3),
    "sampled": partial(elbo, samples=3, kl="sampled"),
    "free bits": ELBO(free_bits=0.4),
    "iwae": partial(iwae, samples=4),
    "doubly": partial(iwae, samples=4, doubly=True),
    "weights": partial(log_weights, samples=4),
    "without score": partial(log_weights, samples=4, score=False),
    "the two terms": lambda m, x: torch.stack(elbo_terms(m, x)),
    "evidence": lambda m, x: torch.stack(log_evidence(m, x, 50, chunk=8)),
}


def value(make, objective, x):
    v = V.clone().requires_grad_()
    found = seeded(objective, make(v), x)
    slope = torch.autograd.grad(found.sum(), v)[0] if found.requires_grad else v.detach()
    return found.detach(), slope


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("kind", SHAPED)
def test_whatever_its_shape_a_model_has_the_same_bounds_and_slopes(kind, name):
    rows = X.flatten(2)
    mine = value(SHAPED[kind], OBJECTIVES[name], X if "images" in kind else rows)
    for one, other in zip(mine, value(FLAT, OBJECTIVES[name], rows), strict=True):
        torch.testing.assert_close(one, other)
    assert mine[0].shape[-2:] == (2, 5)


@cases(
    (X, torch.zeros(5, 4), r"z must have shape \(\.\.\., 1, 2, 2\), got \(5, 4\)"),
    (X[..., :3], torch.zeros(CODE), r"x must have shape \(\.\.\., 2, 3, 4\), got \(2, 5, 2,"),
    (X, torch.zeros(4, *CODE), r"does not go with x .*\(\*sample, \*\(2, 5\), 1, 2, 2\)"),
)
def test_shapes_that_do_not_fit_are_named(x, z, message):
    with pytest.raises(ValueError, match=message):
        log_joint(model(IMAGE, CODE), x, z.double())


def test_an_encoder_that_forgets_a_side_of_the_image_is_seen_whatever_is_broadcast():
    whole = model(IMAGE, (4,))
    wrong = Model(whole.prior, whole.decode, lambda x: whole.encode(x[0]))
    with pytest.raises(ValueError, match=r"encode gave batch \(5,\) for x of shape \(2, 5, 2, 3,"):
        elbo(wrong, X)


@pytest.mark.parametrize("build", [bernoulli, unit_normal, lambda m, r: diagonal_normal(m, 2.0, r)])
def test_an_event_of_any_rank_is_summed_and_expanded_whole(build):
    values = torch.rand(5, *IMAGE).double()
    p = build(values, 3)
    assert (p.batch_shape, p.event_shape) == ((5,), IMAGE)
    each = p.base_dist.log_prob(X[0]).flatten(1).sum(1)
    torch.testing.assert_close(p.log_prob(X[0]), each)
    wide = p.expand((7, 5))
    assert (wide.batch_shape, wide.event_shape) == ((7, 5), IMAGE)
    assert p.support.event_dim == 3
    with pytest.raises(ValueError, match=r"must have 3 event dimensions, got \(2,\)"):
        build(torch.zeros(2), 3)


def test_without_a_closed_form_either_kind_of_divergence_is_sampled():
    parts = diagonal_normal(torch.randn(3, 4).double(), 1.0)
    prior = MixtureSameFamily(Categorical(torch.ones(3).double()), parts)
    whole = model((24,), (4,))
    odd, x = Model(prior, whole.decode, whole.encode), X[0].flatten(1)
    for one, kl in ((odd, "sampled"), (whole, "exact")):
        assert torch.equal(seeded(elbo, one, x, kl="either"), seeded(elbo, one, x, kl=kl))
    with pytest.raises(NotImplementedError, match="use kl='sampled'"):
        elbo(odd, x)
