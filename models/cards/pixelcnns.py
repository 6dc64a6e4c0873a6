"""Autoregressive models, pixel by pixel."""

from __future__ import annotations

from models.card import ModelCard, described
from models.pixelcnn import PixelCNN
from models.weights import Weights

DIGITS = Weights(
    name="pixelcnn-mnist",
    file="pixelcnn-mnist.safetensors",
    sha256="8d08d2721d79c4df8a8077b657ec197e10363dee9be930d11cf72e70b67caeba",
    bytes=280242,
    licence="Apache-2.0",
    source="training/pixelcnn.py, MNIST",
    quality="MNIST, binarised: 79.39 nats given the class (test, n = 10,000), 81.85 without (n = 2,000)",
)

CARDS: tuple[ModelCard, ...] = (ModelCard("pixelcnn-mnist", "PixelCNN of digits", DIGITS, described(PixelCNN)),)
