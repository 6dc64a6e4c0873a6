"""Autoregressive models, pixel by pixel."""

from __future__ import annotations

from models.card import ModelCard, described
from models.pixelcnn import PixelCNN
from models.weights import Weights

DIGITS = Weights(
    name="pixelcnn-mnist",
    file="pixelcnn-mnist.safetensors",
    sha256="827f3f5e050541b030818501aa7e16fdf7a62392903cda4f36f89a14b0035147",
    bytes=280242,
    licence="Apache-2.0",
    source="training/pixelcnn.py, MNIST",
    quality="MNIST, binarised: 79.26 nats given the class (test, n = 10,000), 81.73 without (n = 2,000)",
)

CARDS: tuple[ModelCard, ...] = (ModelCard("pixelcnn-mnist", "PixelCNN of digits", DIGITS, described(PixelCNN)),)
