"""A latent explorer in one file: the rounded decoder, the means, and how they came about."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import torch
from torch import Tensor

from vaelib import files
from vaelib.explorer.latent import LatentExplorer
from vaelib.explorer.weights import ACTIVATIONS, from_bytes, pack, to_bytes
from vaelib.models import BernoulliDecoder

MOST_BYTES = 300_000
MOST_WEIGHTS = 106_000  # two bytes each, eight thirds in base 64; the rest needs 17 kB
HALF = "float16"


def unpack(layers: list[dict], weights: bytes, precision: str = "float32") -> BernoulliDecoder:
    """The decoder that :func:`pack` wrote down, with exactly the weights that the browser has.

    ::

        p(x|z) = ∏_i Bernoulli(x_i; f_i(z))

    Args:
        layers: what :func:`pack` gave: ``inputs``, ``outputs`` and ``activation`` of each.
        weights: their weights as bytes.
        precision: of the weights, ``"float32"`` or ``"float16"``.

    Returns:
        Module z ↦ p(x|z), in float32.

    Raises:
        ValueError: an unknown precision, bytes that do not fit the layers, or layers that are not
            those of a :class:`~vaelib.models.BernoulliDecoder`.

    >>> decoder = unpack(*pack(BernoulliDecoder(2, [8], 64)))
    >>> decoder(torch.zeros(2)).event_shape
    torch.Size([64])
    """
    activations = [layer["activation"] for layer in layers]
    inner, kinds = set(activations[:-1]), {name: kind for kind, name in ACTIVATIONS.items()}
    if activations[-1:] != ["sigmoid"] or len(inner) > 1 or not inner <= set(kinds):
        raise ValueError(f"no Bernoulli decoder has the activations {activations}")
    hidden = [layer["outputs"] for layer in layers[:-1]]
    kind = kinds[activations[0]]  # without hidden layers there is none, whatever its kind
    decoder = BernoulliDecoder(layers[0]["inputs"], hidden, layers[-1]["outputs"], kind)
    parameters = list(decoder.parameters())
    numbers = from_bytes(weights, precision)
    if len(numbers) != (needed := sum(p.numel() for p in parameters)):
        raise ValueError(f"the weights hold {len(numbers)} numbers, the layers need {needed}")
    torch.nn.utils.vector_to_parameters(numbers, parameters)
    return decoder


@dataclass(frozen=True)
class SavedExplorer:
    """A decoder with two latents, where test images lie in their plane, and how both were made.

    Attributes:
        decoder: z ↦ p(x|z); a file keeps its weights, and the means, in float16.
        means: posterior means, shape ``(images, 2)``.
        labels: the digit that each image shows, whole numbers 0 to 9, shape ``(images,)``.
        shape: height and width of an image.
        record: command, seed, data, date, versions, test figures; what JSON can hold.

    >>> means, labels = torch.zeros(3, 2), torch.arange(3)
    >>> decoder = BernoulliDecoder(2, [8], 64)
    >>> saved = SavedExplorer(decoder, means, labels, (8, 8), {"seed": 0})
    >>> saved.explorer().z
    (0.0, 0.0)
    """

    decoder: BernoulliDecoder
    means: Tensor
    labels: Tensor
    shape: tuple[int, int]
    record: dict

    def explorer(self) -> LatentExplorer:
        """The figure that answers the hand."""
        return LatentExplorer(self.decoder, self.means, self.labels, self.shape, precision=HALF)

    def summary(self) -> str:
        """The test figures of the record in one line, nats ± standard errors."""
        bound, evidence = (_said(self.record["test"][name]) for name in ("elbo", "log_evidence"))
        return f"ELBO {bound}; log p(x) {evidence}"

    def text(self) -> str:
        """The file's content, JSON.

        Raises:
            ValueError: it has more than 300,000 bytes.
        """
        layers, weights = pack(self.decoder, HALF)
        fields = {
            "layers": layers,
            "weights": _written(weights),
            "precision": HALF,
            "means": _written(to_bytes(self.means, HALF)),
            "labels": _written(bytes(self.labels.tolist())),
            "shape": list(self.shape),
        }
        parts = {name: json.dumps(value) for name, value in fields.items()}
        record = {name: json.dumps(value) for name, value in self.record.items()}
        text = _object({"record": _object(record)} | parts)
        if len(text) >= MOST_BYTES:
            size = f"{len(text):,} bytes, more than {MOST_BYTES:,}"
            raise ValueError(f"the file would have {size}: choose a smaller decoder")
        return text + "\n"

    def save(self, path: str | PathLike) -> None:
        """Write the file, whole or not at all; errors as for :meth:`text`, or an OSError."""
        files.write_text(path, self.text())

    @classmethod
    def load(cls, path: str | PathLike) -> Self:
        """Read a file that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it holds something else.
        """
        try:
            fields = json.loads(Path(path).read_text("utf8"))
            written, precision = ("weights", "means", "labels"), fields["precision"]
            weights, means, labels = (b64decode(fields[n], validate=True) for n in written)
            decoder = unpack(fields["layers"], weights, precision)
            means, labels = from_bytes(means, precision).reshape(-1, 2), torch.tensor([*labels])
            return cls(decoder, means, labels, tuple(fields["shape"]), fields["record"])
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path} is no recorded explorer: {error!r}") from None


def check_writable(path: str | PathLike) -> None:
    """Raise an OSError, by name, where no file of that path can be written."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".recorded-"):
            pass
    except OSError as error:
        raise type(error)(f"nothing can be written to {path.parent}: {error.strerror}") from None


def _said(figure: dict) -> str:
    return (
        f"{figure['mean']:.2f} ± {figure['over_images']:.2f} nats on {figure['images']:,} test "
        f"images (± {figure['monte_carlo']:.3f} from sampling)"
    )


def _object(written: dict[str, str]) -> str:
    """A JSON object of fields that are JSON already, each on its own line."""
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in written.items()) + "\n}"


def _written(raw: bytes) -> str:
    return b64encode(raw).decode()
