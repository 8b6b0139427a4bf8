"""What this machine can do at best, measured: matrix products and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

SIZE = {"cpu": 1024, "cuda": 8192}  # of the square matrices that are multiplied
CACHE = {"cpu": 10e6, "cuda": 10e6}  # bytes; on the CPU what Adam touches: 652,824 numbers, 4 times
MEMORY = {"cpu": 400e6, "cuda": 4e9}
ROUTES = {"cpu": ("highest", "medium"), "cuda": ("highest", "high")}  # medium asks for oneDNN
FLOAT32 = 1e-5  # a product with a larger relative error is not float32's


@contextmanager
def route(precision: str) -> Iterator[None]:
    """Matrix products by ``torch.set_float32_matmul_precision(precision)``; then as before."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def measure(device: str, enough: float = 0.1) -> dict:
    """FLOP/s and relative error of each route; bytes/s from a small and from a large buffer."""
    products = {}
    for name in ROUTES[device]:
        a, b, out, _ = _matrices(device)
        with route(name):
            seconds = best(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), device, enough)
        products[name] = {"rate": 2 * SIZE[device] ** 3 / seconds, "error": _error(device, name)}
    return {
        "products": products,
        "cache": _bandwidth(CACHE[device], device, enough),
        "memory": _bandwidth(MEMORY[device], device, enough),
    }


@cache
def float32_route(device: str) -> str:
    """oneDNN's route on a CPU, unless it multiplies in less than float32; else torch's default."""
    return [name for name in ROUTES[device] if _error(device, name) < FLOAT32][-1]


def rate(measured: dict) -> float:
    """FLOP/s of the best route with float32's accuracy."""
    return max(p["rate"] for p in measured["products"].values() if p["error"] < FLOAT32)


def best(work: Callable[[], object], device: str, enough: float) -> float:
    """Seconds of the fastest of as many runs as take about ``enough`` seconds, at least five."""
    work()
    runs: list[float] = []
    while len(runs) < 5 or sum(runs) < enough:
        runs.append(seconds(work, device))
    return min(runs)


def seconds(work: Callable[[], object], device: str) -> float:
    begin = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


@cache
def _matrices(device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two factors, room for their product, and the product in double precision."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIZE[device], SIZE[device], generator=generator) for _ in range(2))
    a, b = a.to(device), b.to(device)
    return a, b, torch.empty_like(a), a.double() @ b.double()


@cache
def _error(device: str, name: str) -> float:
    a, b, _, exact = _matrices(device)
    with route(name):
        return float((a @ b - exact).norm() / exact.norm())


def _bandwidth(size: float, device: str, enough: float) -> float:
    """Two streams read and one written, ``size`` bytes together."""
    a, b, out = torch.zeros(3, int(size) // 12, device=device)
    return a.nbytes * 3 / best(lambda: torch.add(a, b, out=out), device, enough)
