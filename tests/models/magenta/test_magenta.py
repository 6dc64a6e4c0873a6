"""The PyTorch port of Magenta's networks by itself; test_magenta_litert.py holds it against LiteRT."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.convolutions import FileError
from models.magenta import SameConv, StylePredictor, StyleTransformer, load_predictor, load_transformer

FOLDER = Path(__file__).parents[4] / "shared" / "magenta"
PREDICTIONS = ("arbitrary-image-stylization-v1-256_int8_prediction_1.tflite", "style_predict_quantized_256.tflite")
TRANSFERS = ("arbitrary-image-stylization-v1-256_int8_transfer_1.tflite", "style_transfer_quantized_dynamic.tflite")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def official(name: str) -> Path:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs Google's {name} in ../shared/magenta")
    return path


@pytest.mark.parametrize("size", [(5, 5), (6, 11), (31, 50), (64, 65)])
def test_pictures_keep_their_size(size: tuple[int, int]) -> None:
    out = StyleTransformer()(torch.rand(2, 3, *size), torch.randn(1, 100))
    assert out.shape == (2, 3, *size)
    assert 0 <= out.min() <= out.max() <= 1


def test_too_small_a_picture_says_so() -> None:
    with pytest.raises(ValueError, match="Input is 9x4 but must be at least 5x5"):
        StyleTransformer()(torch.rand(1, 3, 4, 9), torch.randn(1, 100))


def test_each_picture_of_a_batch_gets_its_own_style() -> None:
    model, x, code = StyleTransformer(), torch.rand(2, 3, 32, 32), torch.randn(2, 100)
    alone = torch.cat([model(x[i : i + 1], code[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(model(x, code), alone)


def test_same_padding_at_stride_2_is_at_the_end_of_even_sides_and_around_odd_ones() -> None:
    conv = SameConv(1, 1, kernel=3, stride=2)
    conv.weight.fill_(1)
    conv.get_parameter("bias").zero_()
    ones = torch.ones(1, 1, 4, 5)
    assert conv(ones).tolist() == [[[[6, 9, 6], [4, 6, 4]]]]


def test_predictor_gives_100_numbers() -> None:
    assert StylePredictor().eval()(torch.rand(2, 3, 256, 256)).shape == (2, 100)


@pytest.mark.gpu
def test_cuda_gives_the_same_picture() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    model, x, code = StyleTransformer(), torch.rand(1, 3, 65, 64), torch.randn(1, 100)
    want = model(x, code)
    torch.testing.assert_close(model.cuda()(x.cuda(), code.cuda()).cpu(), want, rtol=0, atol=0.01)  # TF32


def test_files_that_are_not_tflite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    for data in (b"", b"<html>not found</html>", b"\x1c\x00\x00\x00TFL3" + b"\x00" * 64):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"x\.tflite"):
            load_predictor(path)


@pytest.mark.weights
def test_damaged_and_swapped_files_are_refused(tmp_path: Path) -> None:
    transfer, prediction = official(TRANSFERS[1]), official(PREDICTIONS[0])
    path = tmp_path / "cut.tflite"
    path.write_bytes(transfer.read_bytes()[:-1000])
    with pytest.raises(FileError, match=r"cut\.tflite"):
        load_transformer(path)
    with pytest.raises(FileError, match="has 53 convolutions, but this network needs 42"):
        load_transformer(prediction)
    path.write_bytes(prediction.read_bytes().replace(b"expanded_conv_3/expand", b"expanded_conv_4/expand"))
    with pytest.raises(FileError, match=r"expanded_conv_3/expand belongs"):
        load_predictor(path)


@pytest.mark.weights
def test_both_pairs_of_files_hold_the_same_networks() -> None:
    a, b = (load_predictor(official(name)).state_dict() for name in PREDICTIONS)
    assert all(torch.equal(a[key], b[key]) for key in a)
    a, b = (load_transformer(official(name)).state_dict() for name in TRANSFERS)
    for key, value in b.items():  # one scale a channel against one a tensor: half a step of 127 and a little
        assert (a[key] - value).abs().max() <= 0.009 * value.abs().max(), key
