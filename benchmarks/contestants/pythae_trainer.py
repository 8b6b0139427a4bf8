"""Pythae's own trainer and loader, on the benchmark's architecture, without checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from benchmarks.setting import LEARNING_RATE, Setting, renewed


def vae(s: Setting, x: Tensor) -> Callable[[int], None]:
    from pythae.models import VAE, VAEConfig

    return _train(s, x, VAE, VAEConfig, {})


def iwae(s: Setting, x: Tensor) -> Callable[[int], None]:
    from pythae.models import IWAE, IWAEConfig

    return _train(s, x, IWAE, IWAEConfig, {"number_samples": s.samples})


def _train(s: Setting, x: Tensor, kind, config, options: dict) -> Callable[[int], None]:
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    shape = {"input_dim": s.event, "latent_dim": s.latent, "reconstruction_loss": "bce"}
    model = kind(config(**shape, **options), *_networks(s))
    folder = TemporaryDirectory()
    settings = BaseTrainerConfig(
        output_dir=folder.name,
        per_device_train_batch_size=s.batch,
        learning_rate=LEARNING_RATE,
        no_cuda=x.device.type == "cpu",
    )
    trainer = BaseTrainer(model, BaseDataset(x.cpu(), torch.zeros(len(x))), None, settings)

    def run(epochs: int, _kept=folder) -> None:
        trainer.prepare_training()
        trainer.callback_handler.callbacks = []  # bars and messages
        for epoch in range(epochs):
            trainer.train_step(epoch + 1)

    return renewed(trainer.model, run)


def _networks(s: Setting) -> tuple[nn.Module, nn.Module]:
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    encoder, decoder = s.networks()

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mean, log_variance = self.network(x).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))

    return Encoder(), Decoder()
