"""Bits-back coding: the latents of an image are paid for with the bits that chose them."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vaelib.compress.coder import Coder, Dice, parts, steady
from vaelib.compress.container import Header, digest, pack, unpack, versions
from vaelib.compress.stack import PRECISION, WORD, Stack, random_words
from vaelib.divergence import Estimate

BINS = 2**10
SPARE = 2  # words that the coder has in its hand


class Coded(NamedTuple):
    """Images as a file, and where its bits went.

    Attributes:
        content: the file.
        header: bits of what it says of itself.
        initial: bits of the random words that coding began with.
        images: bits that each image added, −log2 p(x|z) − log2 p(z) + log2 q(z|x) with the whole
            probabilities of the coder at the z that was coded, shape ``(images,)``, float64.
    """

    content: bytes
    header: int
    initial: int
    images: Tensor

    @property
    def coder(self) -> float:
        """What bits remain for rounding to whole words, and for the coder itself."""
        return 8 * len(self.content) - self.header - self.initial - float(self.images.sum())


def compress(
    model: nn.Module, x: Tensor, bins: int = BINS, chunk: int | None = None, seed: int = 0
) -> bytes:
    """Images as a file whose length is the ELBO: bits back, with asymmetric numeral systems.

    For each image, latents are decoded from the bits that are there, under q(z|x); then pixels
    are encoded under p(x|z), and the latents under p(z). On average an image adds ::

        E_q[ −log2 p(x|z) − log2 p(z) + log2 q(z|x) ] = −L / log 2

    bits. Rounding changes that a little: z is the median of one of ``bins`` pieces of the line that
    are equally probable under the prior, and probabilities are whole multiples of 2⁻²⁴, so that
    no level costs more than 24 bits. See :func:`bits`.

    The first image has no bits before it. As many random words as it needs are drawn from the seed;
    they stay in the file. Images are coded several at a time, but at most an eighth of those
    before, so that few such words suffice. Networks run in the same batches both ways, on one
    thread, however many torch has.

    Args:
        model: a VAE with p(z) = N(0, I) and a normal q(z|x) with independent coordinates, or with
            p(z) and q(z|x) of symbols; and a p(x|z) over levels; on the processor.
        x: shape ``(images, *observed)``, every pixel one of the levels k / (levels − 1).
        bins: of a normal latent coordinate, a power of two.
        chunk: images at a time, at most; without it 64, or so few that their probabilities are a
            million numbers.
        seed: of the random words.

    Returns:
        What the file holds, a line that says what it is, one that says what made it, words of 32
        bits, and a checksum.

    Raises:
        ImportError: constriction is not installed.
        ValueError: no images, pixels that are no levels, or a model of another kind.

    Source:
        Townsend, Bird and Barber (2019); Duda (2009) for the numeral systems.
    """
    return coded(model, x, bins, chunk, seed).content


def coded(
    model: nn.Module, x: Tensor, bins: int = BINS, chunk: int | None = None, seed: int = 0
) -> Coded:
    """The same file, with an account of its bits; arguments and errors as of :func:`compress`."""
    with steady(model):
        coder = Coder(model, bins)
        k, event = coder.whole(x), [*coder.event]
        chunk = coder.most() if chunk is None else chunk
        header = Header(len(k), event, coder.levels, bins, chunk, seed, 0, digest(model))
        supply = random_words(seed, len(k) * coder.latents * PRECISION // WORD + SPARE)
        stack = Stack(supply, sealed=True)
        chunks = [k[part] for part in parts(len(k), chunk)]
        images = torch.cat([coder.push(stack, k, coder.posterior(k)) for k in chunks])
    unused = stack.lowest - SPARE
    header = replace(header, initial=len(supply) - unused)
    content = pack(header, stack.words[unused:])
    return Coded(content, header.bits(), WORD * header.initial, images)


def decompress(model: nn.Module, content: bytes) -> Tensor:
    """The images of a file that :func:`compress` wrote with the same model, bit for bit.

    The random words must come back, too. If they do not, then the model gives other numbers than
    where the file was written, as it may with another version of torch, or on another processor.

    Args:
        model: that which wrote the file.
        content: all of the file.

    Returns:
        Shape ``(images, *observed)``, in the precision of the model.

    Raises:
        ImportError: constriction is not installed.
        ValueError: no such file, an altered one, that of another model, or one that cannot be read
            here.
    """
    header, words = unpack(content)
    with steady(model):
        coder = Coder(model, header.bins)
        here = (digest(model), [*coder.event], coder.levels)
        if here != (header.model, header.event, header.levels):
            raise ValueError("the file was written by another model")
        stack = Stack(words)
        sizes = [part.stop - part.start for part in parts(header.images, header.chunk)]
        k = torch.cat([coder.pop(stack, size) for size in reversed(sizes)][::-1])
    seeded = Stack(random_words(header.seed, header.initial), sealed=True)
    if not np.array_equal(stack.words, seeded.words):
        then, now = (", ".join(map(" ".join, v.items())) for v in (header.versions, versions()))
        raise ValueError(
            "the file cannot be read here: the model gives other numbers than where it was "
            f"written, with {then}; here are {now}"
        )
    return coder.values(k)


def bits(model: nn.Module, x: Tensor, samples: int, bins: int = BINS) -> Estimate:
    """The bits that each image adds to a file on average, from draws of its latents.

    What they exceed −ELBO / log 2 by is the cost of bins and of whole probabilities.

    Args:
        model: as for :func:`compress`.
        x: as there.
        samples: draws of the latents of each image, at least 2.
        bins: as there.

    Returns:
        Estimate in bits, of shape ``(images,)``.
    """
    with steady(model):
        coder = Coder(model, bins)
        drawn = []
        for k in coder.whole(x).split(coder.most()):
            q = coder.posterior(k)
            drawn.append(torch.stack([coder.push(Dice(), k, q) for _ in range(samples)]))
    return Estimate.of(torch.cat(drawn, 1))
