"""Images come back bit for bit, and their file is as long as the bound says."""

import dataclasses
import math
import sys
import zlib

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from tests.cases import cases, refused
from vaelib import data
from vaelib.compress import bits, coded, compress, container, decompress
from vaelib.distributions import diagonal_normal, discretised_logistic, logistic_mixture
from vaelib.models import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Model,
    StandardNormal,
    conv_encoder,
)
from vaelib.objectives import elbo
from vaelib.training import fit
from vaelib.validation import unexamined

LATENT, COLOUR = 4, (3, 8, 8)


class Logistics(nn.Module):
    """p(x|z) of 17 levels in a row of 64 pixels, each for itself."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(LATENT, 128)

    def forward(self, z):
        mu, log_scale = self.layer(z).chunk(2, -1)
        return discretised_logistic(mu + 0.5, log_scale - 1, 17)


class Colours(Logistics):
    """p(x|z) of 64 levels of colour, the channels of a pixel seeing one another."""

    def forward(self, z):
        heads = self.layer(z)[..., :20, None, None].expand(*z.shape[:-1], 20, 8, 8)
        logits, mu, log_scale, lean = heads.unflatten(-3, (2, 10)).split([1, 3, 3, 3], -3)
        return logistic_mixture(logits[..., 0, :, :], mu + 0.5, log_scale - 1, 64, lean, 3)


def bernoulli(hidden=32):
    encoder = GaussianEncoder(64, [hidden], LATENT)
    return VAE(StandardNormal(LATENT), encoder, BernoulliDecoder(LATENT, [hidden], 64))


@pytest.fixture(scope="module")
def digits():
    torch.manual_seed(0)
    return data.binarise(data.load("digits").train)


@pytest.fixture(scope="module")
def trained(digits):
    torch.manual_seed(1)
    fit(model := bernoulli(), digits, epochs=10, progress=False)
    return model


def black_and_white():
    return bernoulli(), torch.randint(2, (100, 64)).float()


def grey():
    x = torch.randint(17, (40, 64)) / 16
    return VAE(StandardNormal(LATENT), GaussianEncoder(64, [8], LATENT), Logistics()), x


def colour():
    x = torch.randint(64, (20, *COLOUR)) / 63
    return VAE(StandardNormal(LATENT), conv_encoder(COLOUR, [4], LATENT), Colours()), x


def double():
    model, x = grey()
    return model.double(), (x.double() * 16).round() / 16


@pytest.mark.parametrize("make", [black_and_white, grey, colour, double])
@pytest.mark.parametrize("how", [{}, {"bins": 2, "chunk": 1}, {"chunk": 7, "seed": 3}])
def test_images_come_back_bit_for_bit(make, how):
    model, whole = make()
    for x in (whole, whole[:1]):
        back = decompress(model, compress(model, x, **how))
        assert back.dtype == x.dtype
        assert torch.equal(back, x)


@pytest.mark.parametrize("make", [black_and_white, grey, colour])
def test_every_bit_is_accounted_for(make):
    model, x = make()
    made = coded(model, x)
    header, words = container.unpack(made.content)
    assert 8 * len(made.content) == made.header + 32 * len(words)
    assert made.initial == 32 * header.initial
    assert made.images.shape == (len(x),)
    total = made.header + made.initial + made.images.sum() + made.coder
    assert 8 * len(made.content) == pytest.approx(float(total))
    assert 0 < made.coder < 100  # the words in the coder's hand, and the last one cut
    assert made.content == compress(model, x)


def negative_elbo(model, x, samples=200):
    """In bits, each with its error."""
    with torch.no_grad():
        found = elbo(model, x.expand(samples, *x.shape)) / -math.log(2)
    return found.mean(0).double(), found.std(0).double() / samples**0.5


def test_the_file_is_as_long_as_the_bound_says(trained, digits):
    model, x = trained, digits[:200]
    bound, error = negative_elbo(model, x)
    found = bits(model, x, 64)
    deviation = found.standard_error * 8  # of one draw
    made = coded(model, x)
    assert abs((made.images - found.mean).sum()) < 5 * deviation.square().sum().sqrt()
    away = (found.mean - bound).sum()
    errors = (found.standard_error.square() + error.square()).sum().sqrt()
    assert errors < 0.002 * bound.sum()
    assert -5 * errors < away < 5 * errors + 0.001 * bound.sum()
    overhead = made.header + made.initial + made.coder
    length = bound.sum() + overhead
    assert abs(8 * len(made.content) - length) < 5 * deviation.square().sum().sqrt() + 5 * errors


def bound_of_each(model, x):
    """In bits, which must be as many as coding takes."""
    (bound, error), found = negative_elbo(model, x), bits(model, x, 100)
    errors = (found.standard_error.square() + error.square()).sqrt()
    assert ((found.mean - bound).abs() < 5 * errors + 0.001 * bound).all()
    return bound


@pytest.mark.parametrize("make", [grey, colour])
def test_other_levels_take_as_many_bits_as_the_bound_says(make):
    model, x = make()
    bound_of_each(model, x[:5])


class Exact(nn.Module):
    """All pixels have the grey of z, nearly; z is known from them to a fiftieth."""

    def forward(self, z):
        return discretised_logistic((0.5 + 0.2 * z).expand(*z.shape[:-1], 64), -4.0, 17)


class Inverse(nn.Module):
    def forward(self, x):
        return diagonal_normal((x.mean(-1, keepdim=True) - 0.5) / 0.2, 0.02)


def test_bins_cost_bits_where_they_are_wide_for_q():
    model = VAE(StandardNormal(1), Inverse(), Exact())
    with torch.no_grad():
        x = model.decode(model.prior.sample((20,))).sample()
    bound = bound_of_each(model, x)
    wide = [(bits(model, x, 50, bins).mean - bound).mean() for bins in (32, 4)]
    assert 1 < wide[0] < wide[1] / 5
    assert torch.equal(decompress(model, compress(model, x, bins=4)), x)


def test_few_bits_begin_a_file_whatever_its_chunks(trained, digits):
    for chunk in (1, 64):
        assert coded(trained, digits[:300], chunk=chunk).initial <= 32 * (10 * LATENT / 32 + 2)
    assert coded(trained, digits[:1], bins=2).initial < coded(trained, digits[:1]).initial


def test_the_seed_decides_the_first_bits_and_the_callers_generator_is_left_alone(trained, digits):
    before = torch.random.get_rng_state()
    one, same, other = (compress(trained, digits[:20], seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert container.unpack(one)[1].tolist() != container.unpack(other)[1].tolist()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_dropout_and_threads_are_set_aside_and_put_back(digits):
    model, threads, seen = bernoulli(), torch.get_num_threads(), set()
    model.encoder.network.append(nn.Dropout(0.5))
    model.decoder.register_forward_hook(lambda *_: seen.add(torch.get_num_threads()))
    torch.set_num_threads(threads + 1)
    try:
        content = compress(model.train(), digits[:30])
        assert model.training
        assert torch.equal(decompress(model.eval(), content), digits[:30])
        assert not model.training
        assert (torch.get_num_threads(), seen) == (threads + 1, {1})
    finally:
        torch.set_num_threads(threads)


def altered(content, old, new):
    assert content.count(old) == 1
    return content.replace(old, new)


@pytest.fixture(scope="module")
def content(trained, digits):
    return compress(trained, digits[:50])


def test_no_part_of_a_file_is_taken_for_it(trained, content):
    for end in (*range(0, 300, 7), len(content) - 1):
        with pytest.raises(ValueError, match=r"^(this is no file|the file (has format|is cut))"):
            decompress(trained, content[:end])


def summed(content, old, new):
    """A file whose header is altered, and its sum with it."""
    body = altered(content[: -container.SUM], old, new)
    return body + zlib.crc32(body).to_bytes(container.SUM, "little")


ALTERED = "^the file is cut short or altered$"
UNUSABLE = "^the file says nothing that can be used of .*"


@cases(
    (lambda c: b"PK" + c, "^this is no file of vaelib.compress$"),
    (lambda c: altered(c, b"back 1\n", b"back 2\n"), "^the file has format 2, not 1$"),
    (lambda c: altered(c, b'"images":50', b'"images":51'), ALTERED),
    (lambda c: c[:-9] + bytes([c[-9] ^ 1]) + c[-8:], ALTERED),
    (lambda c: c + b"\0", ALTERED),
    (lambda c: summed(c, b'"images":50', b'"images":0'), f"{UNUSABLE}images must .* 1, got 0"),
    (lambda c: summed(c, b'"chunk":64', b'"chunk":0'), f"{UNUSABLE}chunk must .* least 1, got 0"),
    (lambda c: summed(c, b'"seed":0', b'"seed":-1'), f"{UNUSABLE}seed must .* least 0, got -1"),
    (lambda c: summed(c, b'"initial":', b'"initial":0.'), f"{UNUSABLE}initial must .* 0, got 0."),
    (lambda c: summed(c, b'"seed":0,', b""), f"{UNUSABLE} missing 1 .* argument: 'seed'"),
    (lambda c: summed(c, b'"seed":0,', b'"seed":,'), f"{UNUSABLE}Expecting value"),
)
def test_other_bytes_are_refused(trained, content, alter, said):
    with pytest.raises(ValueError, match=said):
        decompress(trained, alter(content))


def repacked(content, **changes):
    header, words = container.unpack(content)
    return container.pack(dataclasses.replace(header, **changes), words)


@cases({"images": 49}, {"chunk": 1}, {"bins": 512}, {"seed": 1}, {"initial": 1}, ids=str)
def test_words_that_do_not_come_back_are_missed(trained, content, changes):
    assert torch.equal(*(decompress(trained, c) for c in (content, repacked(content))))
    with pytest.raises(ValueError, match=r"^the file cannot be read here"):
        decompress(trained, repacked(content, **changes))


def test_another_models_file_is_refused(trained, content):
    colours, _ = colour()
    for model in (bernoulli(), bernoulli(hidden=8), colours):
        with pytest.raises(ValueError, match=r"^the file was written by another model$"):
            decompress(model, content)


def test_a_model_that_computes_otherwise_is_told_by_versions(trained, content):
    model = bernoulli()
    model.load_state_dict(trained.state_dict())
    model.decoder.network[1] = nn.ReLU()
    with pytest.raises(ValueError, match="cannot be read here") as told:
        decompress(model, content)
    assert str(told.value).count(f"torch {torch.__version__}") == 2


def grey_moved(by):
    model, x = grey()
    return lambda: compress(model, x + by)


def zeros(*shape, **how):
    return lambda: compress(bernoulli(), torch.zeros(shape), **how)


POWER = "bins must be a power of two from"
test_what_makes_no_sense_is_refused = refused(
    (zeros(0, 64), r"^x must hold images in one batch, got shape \(0, 64\)$"),
    (zeros(64), r"^x must hold images in one batch, got shape \(64,\)$"),
    (zeros(2, 3, 64), "^x must hold images in one batch"),
    (zeros(3, 63), r"^x must have shape \(\.\.\., 64\)"),
    *(
        (zeros(1, 64, bins=b), "^bins must be a power of two from 2 to")
        for b in (1, 1000, 2**17, 4.0)
    ),
    (zeros(1, 64, chunk=0), "^chunk must be a whole number of at least 1"),
    (zeros(1, 64, seed=-1), "^seed must be a whole number of at least 0"),
    (lambda: compress(bernoulli(), torch.full((1, 64), 0.5)), r"neither 0 nor 1.*\.data\.binarise"),
    *((grey_moved(by), "outside the decoder's support") for by in (0.5 / 16, 1, -1)),
    (grey_moved(torch.nan), "^x must be finite"),
)


class Given(nn.Module):
    """A module that returns the same distribution for each of a batch."""

    def __init__(self, distribution):
        super().__init__()
        self.distribution = distribution

    def forward(self, *x):
        return self.distribution.expand([len(x[0])]) if x else self.distribution


def with_part(**part):
    model = bernoulli()
    for name, module in part.items():
        setattr(model, name, module)
    return model


ZERO, ONE = torch.zeros(LATENT), torch.ones(LATENT)
GREY = GaussianDecoder(LATENT, [], 64, 1.0)
TIED = Given(MultivariateNormal(ZERO, torch.eye(LATENT)))


@cases(
    (with_part(encoder=TIED), r"needs q\(z given x\) normal .* got MultivariateNormal$"),
    (with_part(prior_module=TIED), r"needs p\(z\) normal with independent coordinates"),
    (with_part(prior_module=Given(diagonal_normal(ZERO, 2.0))), r"needs the prior N\(0, I\)"),
    (with_part(prior_module=Given(diagonal_normal(ONE, 1.0))), r"needs the prior N\(0, I\)"),
    (with_part(decoder=GREY), r"needs p\(x given z\) over levels.* got DiagonalNormal$"),
    ids=["q", "p", "wide", "shifted", "density"],
)
def test_a_model_of_another_kind_is_refused(model, said):
    for use in (compress, lambda model, x: bits(model, x, 2)):
        with pytest.raises(ValueError, match=f"^bits-back coding {said}"):
            use(model, torch.zeros(3, 64))


def test_a_model_without_parameters_or_elsewhere_is_refused():
    vae = bernoulli()
    with pytest.raises(ValueError, match=r"it takes a VAE, got Model$"):
        compress(Model(vae.prior, vae.decode, vae.encode), torch.zeros(3, 64))
    with unexamined(), pytest.raises(ValueError, match="must be on the processor, got meta"):
        compress(vae.to("meta"), torch.zeros(3, 64))


def test_without_constriction_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    said = r"^vaelib\.compress needs constriction: pip install 'vaelib\[compress\]'$"
    with pytest.raises(ImportError, match=said):
        zeros(3, 64)()


def test_a_file_says_what_made_it(trained, content):
    kind, said, _ = content.split(b"\n", 2)
    assert kind == b"vaelib bits back 1"
    header, words = container.unpack(content)
    assert (header.images, header.event, header.levels, header.seed) == (50, [64], 2, 0)
    assert header.versions.keys() == {"python", "torch", "vaelib", "constriction"}
    assert (words[-1] > 0, len(said) < 300) == (True, True)
    models = [trained, bernoulli(), bernoulli(8)]
    digests = {container.digest(model) for model in models}
    assert len(digests) == 3
    assert header.model == container.digest(trained)
