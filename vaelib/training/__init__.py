"""Training: one loop that maximises a lower bound over minibatches, and never loses a run.

**How do I train on images in colour, of any size?** Give convolutions their shape. A start near
the data is what ``train`` makes, and ``fit`` does not.

>>> from functools import partial
>>> import torch
>>> from vaelib.models import *
>>> encoder = conv_encoder((3, 21, 32), [16, 32], 2)
>>> decoder = conv_decoder((3, 21, 32), [32, 16], 2, DECODERS["gaussian"])
>>> model = VAE(StandardNormal(2), encoder, decoder)
>>> x = torch.rand(50, 3, 21, 32)
>>> model.start_at(x)
>>> history = fit(model, x, epochs=1)

**… train on a Dataset of images and labels?** Pass the dataset itself, not a loader.

>>> images = torch.utils.data.TensorDataset(x, torch.arange(50) % 10)
>>> history = fit(model, images, epochs=1)

**… condition on labels?** Encoder and decoder see them beside x and z.

>>> labels = torch.nn.functional.one_hot(torch.arange(50) % 10).float()
>>> encoder = Beside(GaussianEncoder(64 + 10, [16], 2))
>>> decoder = Beside(BernoulliDecoder(2 + 10, [16], 64))
>>> digits = VAE(StandardNormal(2), encoder, decoder)
>>> history = fit(digits, torch.rand(50, 64).round(), given=labels, epochs=1)
>>> seven = digits.given(labels[7]).decode(torch.randn(2)).mean

**… train on a table with missing values?** Say what its columns are; NaN is missing.

>>> from vaelib.distributions import Column
>>> job = Column("job", "categorical", ("cook", "smith"))
>>> people = [Column("age", "normal"), job]
>>> encoder = TableEncoder(people, [16], 2)
>>> table = VAE(StandardNormal(2), encoder, TableDecoder(2, [16], people))
>>> known = torch.tensor([[40, 0], [torch.nan, 1], [61, torch.nan]])
>>> table.start_at(known)
>>> history = fit(table, known, epochs=1)
>>> imputed = known.where(~known.isnan(), table(known).sample())

**… follow a measure of my own, and stop by it?** A callback ends training if it returns true.

>>> def narrow(run):
...     return run.model.encode(x).stddev.mean() < 0.01
>>> history = fit(model, x, epochs=2, callback=narrow)

**… clip gradients, or warm up the step size?**

>>> warm = Steps(lambda step: 1e-3 * min(1, (step + 1) / 100), by_step=True)
>>> history = fit(model, x, epochs=1, clip=10.0, learning_rate=warm)

**… learn a prior?** Any module that gives a distribution: here with the rest, or afterwards.

>>> mixed = VAE(MixturePrior(2, 5), model.encoder, model.decoder)
>>> history = fit(mixed, x, epochs=1, validation=x[:9])
>>> codes = model.encode(x).sample((8,)).flatten(0, 1)
>>> mixed = VAE(MixturePrior(2, 5), model.encoder, model.decoder)
>>> history = refit(mixed.prior_module, codes, epochs=1)

**… train symbols as codes?** A codebook belongs to the encoder, and the prior reads it.

>>> codebook = Codebook(16, 2)
>>> encoder = SymbolEncoder(64, [32], 3, codebook)
>>> prior, decoder = SymbolPrior(codebook, 3), BernoulliDecoder((3, 2), [32], 64)
>>> vq, rows = VAE(prior, encoder, decoder), torch.rand(50, 64).round()
>>> vq.start_at(rows)
>>> average = partial(Averaging, codebook=codebook, decay=0.99)
>>> history = fit(vq, rows, epochs=1, learning_rate=Steps(optimizer=average))
>>> symbols = vq.encode(rows).k
>>> later = AutoregressivePrior(codebook, 3)
>>> history = refit(later, vq.encode(rows).sample(), epochs=1)

**… see an image reconstructed?** ``model(x)`` is p(x|z) at one z from q(z|x).

>>> model(x[:4]).mean.shape
torch.Size([4, 3, 21, 32])
"""

from vaelib.training.checkpoint import Checkpoint
from vaelib.training.evaluation import (
    Evaluation,
    History,
    active_units,
    bits_per_dimension,
    evaluate,
)
from vaelib.training.loop import fit
from vaelib.training.optimizer import ADAM, Averaging, Steps, by_width
from vaelib.training.refit import refit
from vaelib.training.run import Validation
from vaelib.training.step import Loss
from vaelib.training.watch import TensorBoard

__all__ = [
    "ADAM", "Averaging", "Checkpoint", "Evaluation", "History", "Loss", "Steps", "TensorBoard",
    "Validation", "active_units", "bits_per_dimension", "by_width", "evaluate", "fit", "refit",
]  # fmt: skip
