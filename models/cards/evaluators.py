"""Classifiers: the digit classifier that judges the generators, and the one of CIFAR-10 that Explore looks into."""

from __future__ import annotations

from dataclasses import replace

from models import classifier, imagenet, judge
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

CARDS: tuple[ModelCard, ...] = (
    ModelCard("digits", "Digit classifier", DIGITS, described(judge.DigitClassifier)),
    ModelCard("cifar10", "CIFAR-10 classifier", CIFAR10, described(classifier.Classifier)),
    ModelCard("vgg19-imagenet", "VGG-19 classifier", IMAGENET, imagenet.build),
)
