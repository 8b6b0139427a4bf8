"""How an audit puts its parts together: what each of them is given, and what becomes of it."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import vaelib.audit as whole
from vaelib.audit import Audit, audit
from vaelib.audit.arguments import Binding
from vaelib.audit.fit import Weight
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Layout

CASE = Case(Layout((2,)), batch=3, latents=2)
PLACES = {"x_hat": 0, "x": 1, "mu": 2, "logvar": 3}


def loss(x_hat, x, mu, logvar):
    return (x_hat - x).sum() + mu.sum() + logvar.sum()


@pytest.fixture
def parts(monkeypatch):
    """Stand-ins for all that reads a loss, and a list of what each was given."""
    known = SimpleNamespace(
        asked=[],
        likelihood=SimpleNamespace(per_pixel=None),
        divergence=SimpleNamespace(standard=True, other_prior=None),
    )
    for room, name, answer in (
        ("likelihood", "read", lambda: "as if constant"),
        ("learned", "learned", lambda: known.likelihood),
        ("noise", "read", lambda: known.divergence),
        ("near_prior", "read", lambda: known.divergence),
        ("value", "read", lambda: "both weights"),
        ("value", "consistent", lambda: "consistent"),
        ("gradients", "read", lambda: "gradients"),
        ("samples", "together", lambda: "together"),
    ):

        def stand_in(*given, what=f"{room}.{name}", answer=answer):
            known.asked.append((what, given))
            return answer()

        monkeypatch.setattr(getattr(whole, room), name, stand_in)
    return known


def drawing(x_hat, x, mu, logvar):
    return loss(x_hat, x, mu, logvar) + torch.randn(())


def one(loss, case=CASE, **how):
    probe = Probe(loss, Binding(PLACES, {}), **how)
    return probe, whole._one(probe, case)


@pytest.mark.parametrize("draws", [False, True])
def test_each_part_is_given_what_was_found_before(parts, draws):
    parts.likelihood.per_pixel = "a weight"
    p, d = parts.likelihood, parts.divergence
    probe, found = one(drawing if draws else loss)
    assert parts.asked == [
        ("likelihood.read", (probe, CASE)),
        ("learned.learned", (probe, CASE, "as if constant")),
        ("noise.read" if draws else "near_prior.read", (probe, CASE)),
        ("value.read", (probe, CASE, p, d)),
        ("gradients.read", (probe, CASE, d)),
        *(() if draws else (("value.consistent", (probe, CASE, p, d)),)),
    ]
    assert found == Audit(
        likelihood=p, divergence=d, value="both weights", gradients="gradients", sampling=draws,
        stateful=False, together=None, sampler=None, binary=None,
        consistent=draws or "consistent", unreduced=(), elsewhere="", layout=CASE.layout,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("per_pixel", "standard", "other_prior", "told"),
    [
        ("a weight", True, None, True),
        ("a weight", False, (1.0, 1.0), True),
        ("a weight", False, None, False),
        (None, True, None, False),
    ],
)
@pytest.mark.parametrize("axis", [None, 0])
def test_both_parts_must_be_told_for_a_value(parts, per_pixel, standard, other_prior, told, axis):
    parts.likelihood.per_pixel = per_pixel
    parts.divergence = SimpleNamespace(standard=standard, other_prior=other_prior)
    case = Case(Layout((2,), samples=axis))
    probe, found = one(loss, case)
    assert found.value == ("both weights" if told else None)
    assert found.consistent == ("consistent" if told else False)
    assert found.together == ("together" if told and axis == 0 else None)
    given = dict(parts.asked).get("samples.together", None)
    expected = (probe, case, parts.likelihood, parts.divergence, "both weights")
    assert given == (expected if told and axis == 0 else None)


def test_state_shape_and_layout_are_those_of_the_loss(parts):
    case = Case(Layout((1, 2, 3), flat=True))
    _, found = one(lambda p, x, m, h: p.sum(1) + m.sum(1), case, fresh=True)
    assert (found.stateful, found.unreduced, found.layout) == (True, (3,), case.layout)
    assert not found.sampling


def test_noise_is_found_by_another_seed_at_equal_inputs_and_the_callers_is_left_alone(parts):
    seen = []

    def keep(p, x, m, h):
        seen.append(torch.cat([p, x, m, h], 1))
        return loss(p, x, m, h)

    before = torch.get_rng_state()
    one(keep)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(seen[0], again) for again in seen)


NARROW, IMAGES = Layout((5,)), Layout((2, 3, 5))
SUM, MEAN = Weight(1.0, {}), Weight(1.0, {"batch": 0, "pixels": -1})
ROWS = Weight(1.0, {"batch": 0, "channels": 0, "height": -1, "width": -1})


@pytest.fixture
def elsewhere(monkeypatch):
    """Each layout's likelihood as told here, and what is said of it."""

    def said(found, likelihoods, kept=NARROW):
        def beginnings(*given):
            assert given == ("loss", "binding", "entry", "shape")
            for i, layout in enumerate(likelihoods):
                yield f"probe {i}", Case(layout)

        def read(probe, case):
            index = [*likelihoods].index(case.layout)
            assert probe == f"probe {index}"
            return likelihoods[case.layout]

        monkeypatch.setattr(whole, "beginnings", beginnings)
        monkeypatch.setattr(whole.likelihood, "read", read)
        audited = SimpleNamespace(likelihood=Likelihood("", per_pixel=found))
        return whole._elsewhere("loss", "binding", "entry", "shape", Case(kept), audited)

    return said


PARTLY = "for images of shape (C, H, W): sum over channels, mean over height and width"


@pytest.mark.parametrize(
    ("found", "images", "said"),
    [
        (SUM, ROWS, PARTLY),
        (MEAN, ROWS, PARTLY),
        (MEAN, SUM, "for images of shape (C, H, W): sum over pixels"),
        (SUM, SUM, ""),
        (SUM, None, ""),
        (None, ROWS, ""),
    ],
    ids=["sum, rows", "mean, rows", "mean, sum", "sum, sum", "sum, open", "open, rows"],
)
def test_another_way_to_reduce_images_is_told(elsewhere, found, images, said):
    told = {NARROW: Likelihood("", per_pixel=found), IMAGES: Likelihood("", per_pixel=images)}
    assert elsewhere(found, told) == said


@pytest.mark.parametrize(
    "layout",
    [
        Layout((2, 3, 5), flat=True),
        Layout((2, 3, 5), samples=0),
        Layout((1, 28, 28), free=False),
        Layout((4, 2)),
    ],
    ids=["flat", "samples", "one size", "two axes"],
)
def test_only_images_that_are_laid_out_like_the_rows_count(elsewhere, layout):
    assert elsewhere(SUM, {layout: Likelihood("", per_pixel=ROWS)}) == ""
    both = {layout: Likelihood("", per_pixel=MEAN), IMAGES: Likelihood("", per_pixel=ROWS)}
    assert elsewhere(SUM, both) == PARTLY


def test_what_was_found_with_images_is_found_nowhere_else(elsewhere):
    assert elsewhere(SUM, {IMAGES: Likelihood("", per_pixel=ROWS)}, IMAGES) == ""
    one_size = Layout((5,), free=False)
    assert elsewhere(SUM, {one_size: Likelihood("", per_pixel=ROWS)}, one_size) == ""


def module(data, shape, monkeypatch):
    monkeypatch.setattr(whole.sampler, "read", lambda *given: given)
    return whole._module("module", data, shape, ("x_hat",), "probe")


def test_a_model_is_shown_64_of_the_images_or_as_many_grey_ones(monkeypatch):
    data = torch.arange(400.0).reshape(100, 2, 2)
    model, x, *rest = module(data, (2, 2), monkeypatch)
    assert torch.equal(x, data[:64])
    assert (model, rest) == ("module", [("x_hat",), "probe"])
    before = torch.get_rng_state()
    _, x, *rest = module(None, (3, 2), monkeypatch)
    assert x.shape == (64, 3, 2)
    assert rest == [("x_hat",), "probe"]
    assert len(x.unique()) > 300
    assert x.min() >= 0
    assert x.max() <= 1
    assert torch.equal(module(None, (3, 2), monkeypatch)[1], x)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_needs_the_shape_of_an_image(monkeypatch):
    with pytest.raises(ValueError, match="with a module") as raised:
        module(None, None, monkeypatch)
    assert str(raised.value) == (
        "with a module, tell data=…, or the shape of an image: shape=(1, 28, 28)"
    )


@pytest.mark.parametrize(
    ("data", "binary"),
    [(None, None), ([0.0, 1, 1], True), ([0.0], True), ([1, 0.5], False), ([0, 1, 2], False)],
)
def test_data_are_binary_if_all_pixels_are_0_or_1(data, binary):
    assert whole._binary(None if data is None else torch.tensor(data)) is binary


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (None, {"pixels": 784, "channels": 1, "height": 28, "width": 28}),
        ((3, 4, 5), {"pixels": 60, "channels": 3, "height": 4, "width": 5}),
        ((30,), {"pixels": 30}),
        ((2, 3), {"pixels": 6}),
        ((1, 2, 3, 4), {"pixels": 24}),
    ],
)
def test_sizes_are_counted_from_the_shape(shape, sizes):
    assert whole._sizes(shape, 7, 1) == {"batch": 7, "latents": 1} | sizes
    assert whole._sizes(shape, 1, 7) == {"batch": 1, "latents": 7} | sizes


@pytest.mark.parametrize(("shape", "batch", "latents"), [((), 1, 1), ((2, 0), 1, 1), ((2,), 0, 1),
                                                         ((2,), 1, 0)])  # fmt: skip
def test_sizes_below_1_are_refused(shape, batch, latents):
    with pytest.raises(ValueError, match="sizes") as raised:
        whole._sizes(shape, batch, latents)
    assert str(raised.value) == f"sizes must be at least 1, got {shape}, {batch}, {latents}"


def tried(together=None, told=True):
    value = "both weights" if told else None
    return Audit("p", "d", value, "g", False, False, together, None, None, True, (), "", NARROW)


@pytest.fixture
def tries(monkeypatch):
    """What each layout tells in turn, and a record of what the parts were given."""
    known = SimpleNamespace(results=[tried()], roles=("x_hat",), asked={}, shown=[])

    def beginnings(*given):
        known.asked["beginnings"] = given
        for i in range(len(known.results)):
            yield SimpleNamespace(roles=known.roles, number=i), f"case {i}"

    def one(probe, case):
        assert case == f"case {probe.number}"
        known.shown.append(probe.number)
        return known.results[probe.number]

    def elsewhere(*given):
        known.asked["elsewhere"] = given
        return "elsewhere"

    def module(*given):
        known.asked["module"] = given
        return "sampler"

    for stand_in in (one, elsewhere, module):
        monkeypatch.setattr(whole, f"_{stand_in.__name__}", stand_in)
    monkeypatch.setattr(whole, "beginnings", beginnings)
    return known


def test_the_parts_of_an_audit_are_given_what_was_asked(tries):
    def weighted(a, b, mu, logvar, beta):
        raise AssertionError

    data, model = torch.ones(9, 3, 4), nn.Identity()
    found = audit(
        weighted, model, data=data, batch=6, latents=7, entry=1, outputs=("mu",), x_hat="b", x=0,
        beta=2.0,
    )  # fmt: skip
    binding = Binding({"x_hat": "b", "x": 0, "mu": "mu", "logvar": "logvar"}, {"beta": 2.0})
    assert tries.asked["beginnings"] == (weighted, binding, 1, (3, 4))
    assert tries.asked["elsewhere"] == (weighted, binding, 1, (3, 4), "case 0", tried())
    asked = tries.asked["module"]
    assert asked[0] is model
    assert asked[1] is data
    assert (3, 4) in asked
    assert ("mu",) in asked
    assert asked[-1].number == 0
    sizes = {"batch": 6, "pixels": 12, "latents": 7}
    assert (found.sampler, found.binary, found.elsewhere) == ("sampler", True, "elsewhere")
    assert (found.sizes, found.value) == (sizes, "both weights")


def test_without_a_model_sizes_are_those_of_mnist(tries):
    found = audit(loss)
    assert "module" not in tries.asked
    assert (found.sampler, found.binary) == (None, None)
    assert tries.asked["beginnings"] == (loss, Binding({r: r for r in PLACES}, {}), None, None)
    assert found.sizes == {
        "batch": 128, "pixels": 784, "channels": 1, "height": 28, "width": 28, "latents": 20,
    }  # fmt: skip
    assert audit(loss, shape=(5,)).sizes["pixels"] == 5
    assert tries.asked["elsewhere"][3] == (5,)


NOTHING, OPEN, TOLD = tried(told=False), tried(whole.samples.UNKNOWN), tried("mean over samples")


@pytest.mark.parametrize(
    ("z", "results", "kept", "shown"),
    [
        (False, [NOTHING, TOLD], 0, 1),
        (False, [OPEN, TOLD], 0, 1),
        (True, [TOLD, OPEN], 0, 1),
        (True, [tried(), TOLD], 0, 1),
        (True, [NOTHING, NOTHING, TOLD, OPEN], 2, 3),
        (True, [NOTHING, OPEN, NOTHING], 1, 3),
        (True, [OPEN, NOTHING, OPEN], 0, 3),
        (True, [OPEN, TOLD], 1, 2),
        (True, [NOTHING, NOTHING], 0, 2),
    ],
)
def test_layouts_are_tried_until_one_tells_all(tries, z, results, kept, shown):
    tries.results, tries.roles = results, ("x_hat", "z") if z else ("x_hat",)
    found = audit(loss, nn.Identity())
    assert tries.shown == [*range(shown)]
    assert (found.value, found.together) == (results[kept].value, results[kept].together)
    assert tries.asked["elsewhere"][4:] == (f"case {kept}", results[kept])
    assert tries.asked["module"][-1].number == kept
