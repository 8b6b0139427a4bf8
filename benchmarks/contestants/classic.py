"""The script that most people start from: a loader that makes one image at a time into a tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from benchmarks.setting import LEARNING_RATE, Setting, renewed


class Images(Dataset):
    """Grey images as bytes with their labels; each becomes a picture, then a tensor, when asked."""

    def __init__(self, x: Tensor) -> None:
        side = round(x.shape[1] ** 0.5)
        self.pixels = x.cpu().mul(255).to(torch.uint8).reshape(-1, side, side)
        self.labels = torch.zeros(len(x), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.pixels[i].numpy())
        return to_tensor(picture), int(self.labels[i])


def to_tensor(picture: Image.Image) -> Tensor:
    """Channel, row, column in [0, 1], from a grey picture."""
    pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))
    rows_columns_channel = pixels.view(picture.height, picture.width, 1)
    return rows_columns_channel.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


class Network(nn.Module):
    def __init__(self, s: Setting) -> None:
        super().__init__()
        self.hidden = nn.Linear(s.pixels, s.width)
        self.mean = nn.Linear(s.width, s.latent)
        self.log_variance = nn.Linear(s.width, s.latent)
        self.back = nn.Linear(s.latent, s.width)
        self.out = nn.Linear(s.width, s.pixels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = F.relu(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        std = torch.exp(0.5 * log_variance)
        z = mean + torch.randn_like(std) * std
        return torch.sigmoid(self.out(F.relu(self.back(z)))), mean, log_variance


def loss_of(probabilities: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    reconstruction = F.binary_cross_entropy(probabilities, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return reconstruction + kl


def make(s: Setting, x: Tensor) -> Callable[[int], None]:
    network = Network(s).to(x.device)
    loader = DataLoader(Images(x), batch_size=s.batch, shuffle=True)

    def run(epochs: int) -> None:
        network.train()
        adam = Adam(network.parameters(), lr=LEARNING_RATE)
        for _ in range(epochs):
            total = 0.0
            for batch, _labels in loader:
                rows = batch.to(x.device).view(-1, s.pixels)
                adam.zero_grad()
                probabilities, mean, log_variance = network(rows)
                loss = loss_of(probabilities, rows, mean, log_variance)
                loss.backward()
                total += loss.item()
                adam.step()

    return renewed(network, run)
