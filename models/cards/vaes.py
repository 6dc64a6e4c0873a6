"""Variational autoencoders."""

from __future__ import annotations

from models.card import ModelCard, described
from models.vae import VAE
from models.weights import Weights

LARGE = Weights(
    name="vae-mnist",
    file="vae-mnist.safetensors",
    sha256="37aaa722fe67b3f8ba6bc23b30768bb8b3f4e112ae32ff0a4f59501284d2718c",
    bytes=4017636,
    licence="Apache-2.0",
    source="training/vae.py, MNIST",
    quality="ELBO -88.5 nats, binarised MNIST test (n = 10,000); -86.0 with q fitted, -84.4 by 512 samples (n = 1,000)",
)
MAP = Weights(
    name="vae-map-mnist",
    file="vae-map-mnist.safetensors",
    sha256="87185a9a049e1539d4bc1d5b8a4b8d11af99f8e09b4824158dce697c139219a2",
    bytes=3726142,
    licence="Apache-2.0",
    source="training/vae.py --kind map, MNIST",
    quality="MNIST, binarised: ELBO -137.77 nats (test, n = 10,000), -135.94 by 512 samples (n = 1,000)",
)

CARDS: tuple[ModelCard, ...] = (
    ModelCard("vae-mnist", "VAE of digits, 40 numbers", LARGE, described(VAE)),
    ModelCard("vae-map-mnist", "VAE of digits, 2 numbers", MAP, described(VAE)),
)
