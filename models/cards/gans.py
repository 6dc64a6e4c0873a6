"""Generators trained against a discriminator, the style-mixing one among them."""

from __future__ import annotations

from models import gan, stylemix
from models.card import ModelCard, described
from models.weights import Weights

GAN_MNIST = Weights(
    name="gan-mnist",
    file="gan-mnist.safetensors",
    sha256="0f1aaea29b69f01114c8708e41b3a47b913ffb90fb2ac3c555399c4c6b26ca9f",
    bytes=908728,
    licence="Apache-2.0",
    source="training/gan.py, MNIST",
    quality="98.9 % read as asked; feature Frechet distance 0.22, real digits 0.09 (n = 10,000)",
)
GAN_MNIST_MLP = Weights(
    name="gan-mnist-mlp",
    file="gan-mnist-mlp.safetensors",
    sha256="c2010cd7a921f3d85f45e4ace043d4368f3de9ad9e387377a06e963d1685ba4c",
    bytes=2994216,
    licence="Apache-2.0",
    source="training/gan.py --model mlp, MNIST",
    quality="90.2 % read as asked; feature Frechet distance 2.77, real digits 0.30 (n = 2,000)",
)
GAN_CIFAR10 = Weights(
    name="gan-cifar10",
    file="gan-cifar10.safetensors",
    sha256="34337f27ae84fafe78eee20315615dda815ad8af84550efe9808230bf261f159",
    bytes=3855248,
    licence="Apache-2.0",
    source="training/gan.py --judge features, CIFAR-10",
    quality="64.4 % read as asked; feature Frechet distance 48.9, real pictures 2.9 (n = 2,000)",
)
STYLEMIX = Weights(
    name="stylemix",
    file="stylemix.safetensors",
    sha256="ee2ff99d6116ec34a0fadc01f0207f0ac33fe89c7e5f616bef2fc8ccdccb2311",
    bytes=846552,
    licence="Apache-2.0",
    source="training/stylemix.py, MNIST and CIFAR-10",
    quality="read as asked 99.9 % (reader, n = 3200)",
)
STYLEMIX_READER = Weights(
    name="stylemix-reader",
    file="stylemix-reader.safetensors",
    sha256="57d74e468be7299e00de8562481a730cbc84aaf5bea0a7ef77f665454853ca3d",
    bytes=504212,
    licence="Apache-2.0",
    source="training/stylemix.py, MNIST and CIFAR-10",
    quality="accuracy 92.7 % (digits over textures of the test sets, n = 4000)",
)

CARDS: tuple[ModelCard, ...] = (
    ModelCard("gan-mnist", "GAN, digits", GAN_MNIST, described(gan.generator)),
    ModelCard("gan-mnist-mlp", "GAN, dense, digits", GAN_MNIST_MLP, described(gan.generator)),
    ModelCard("gan-cifar10", "GAN, photographs", GAN_CIFAR10, described(gan.generator)),
    ModelCard("stylemix", "Style mixer", STYLEMIX, described(stylemix.StyleMixer)),
    ModelCard("stylemix-reader", "Style mixer, reader", STYLEMIX_READER, described(stylemix.Reader)),
)
