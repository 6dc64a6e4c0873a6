"""Denoising networks."""

from __future__ import annotations

from models import diffusion
from models.card import ModelCard, described
from models.weights import Weights

DIFFUSION_MNIST = Weights(
    name="diffusion-mnist",
    file="diffusion-mnist.safetensors",
    sha256="4d5595786f65a83779ae13de3335d3a8390f8dbc87881bf818ea653aaf3fcf33",
    bytes=1702376,
    licence="Apache-2.0",
    source="training/diffusion.py, MNIST",
    quality="not measured yet",
)

CARDS: tuple[ModelCard, ...] = (
    ModelCard("diffusion-mnist", "Diffusion, digits", DIFFUSION_MNIST, described(diffusion.Denoiser)),
)
