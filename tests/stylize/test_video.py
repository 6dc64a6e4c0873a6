"""A film through `stylize`: as long as it was, with its sound, and steadier than frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

import cli
from models.cache import ModelCache
from models.magenta import StylePredictor, StyleTransformer
from pipelines import stylize, video
from pipelines.base import Progress, Result, run
from pipelines.params import ParamError, parse
from pipelines.video import warped_difference

FRAMES, RATE = 8, 12


def frame(i: int) -> np.ndarray[Any, Any]:
    """(96, 128, 3) uint8: a still scene, and a bright board that comes and goes at its edge."""
    y, x = np.mgrid[:96, :128]
    picture = np.stack([60 + x // 2, 90 + y // 2, 120 + 30 * np.sin(x / 9) + 30 * np.cos(y / 7)], -1)
    if i % 2:
        picture[:, 96:] = (255, 240, 60)
    return picture.astype(np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """An MP4 with H.264 and a second of AAC."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("libx264", rate=RATE, options={"crf": "10"})
        pictures.width, pictures.height, pictures.pix_fmt = 128, 96, "yuv420p"
        sound = film.add_stream("aac", rate=44100)
        sound.layout = "mono"
        for i in range(FRAMES):
            film.mux(pictures.encode(av.VideoFrame.from_ndarray(frame(i), format="rgb24")))
        film.mux(pictures.encode(None))
        for start in range(0, 22050, 1024):
            wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None] * 0.3
            note = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            note.sample_rate, note.pts, note.time_base = 44100, start, Fraction(1, 44100)
            film.mux(sound.encode(note))
        film.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def toys() -> ModelCache:
    """Magenta's networks with random numbers."""

    def made(kind: type[nn.Module]) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return kind().eval()

    loaders = {"magenta-style": lambda: made(StylePredictor), "magenta-transfer": lambda: made(StyleTransformer)}
    return ModelCache(loaders, torch.device("cpu"), 1 << 30)


def filmed(clip: Path, target: Path, toys: ModelCache, style: PIL.Image.Image, **changes: Any) -> Iterator[Any]:
    given = {"content": video.first_frame(clip), "styles": [style], "model": "magenta", **changes}
    return run(video.filmed(stylize.PIPELINE, clip, target), parse(stylize.StylizeParams, given), toys)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(film.streams.audio[0]) if packet.dts is not None]


def test_a_film_keeps_its_length_its_times_and_its_sound(
    clip: Path, tmp_path: Path, toys: ModelCache, style: PIL.Image.Image
) -> None:
    target = tmp_path / "new" / "out.mp4"
    *steps, result = filmed(clip, target, toys, style, size=64)
    assert [s.step for s in steps] == list(range(1, FRAMES + 1)) and isinstance(result, Result)
    assert result.record.metrics["frames"] == FRAMES and set(result.record.models) == {
        "magenta-style",
        "magenta-transfer",
    }
    with av.open(str(clip)) as before, av.open(str(target)) as after:
        assert after.streams.video[0].codec_context.name == "h264" and after.metadata["comment"].startswith("Atelier")
        a, b = ([f for f in film.decode(video=0)] for film in (before, after))
        assert [float(f.time) for f in b] == pytest.approx([float(f.time) for f in a], abs=1e-3)
        assert {(f.width, f.height) for f in b} == {(64, 48)}
    assert packets(target) == packets(clip)


def test_smoothing_lowers_the_flicker(clip: Path, tmp_path: Path, toys: ModelCache, style: PIL.Image.Image) -> None:
    level = {}
    for steady in (0.0, 0.9):
        *_, result = filmed(clip, tmp_path / "out.mp4", toys, style, size=64, steady=steady)
        level[steady] = result.record.metrics["flicker"]
    assert 0 < level[0.9] < 0.75 * level[0.0]


def test_a_film_that_is_stopped_leaves_nothing(
    clip: Path, tmp_path: Path, toys: ModelCache, style: PIL.Image.Image
) -> None:
    stream = filmed(clip, tmp_path / "out.mp4", toys, style, size=64)
    assert isinstance(next(stream), Progress)
    assert any(row.pins for row in toys.snapshot())
    stream.close()  # type: ignore[attr-defined]
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"] and not any(row.pins for row in toys.snapshot())


@pytest.mark.parametrize("data", [b"", b"not a film", b"\0\0\0\x20ftypisom"])
def test_a_file_that_is_no_film_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(data)
    with pytest.raises(ParamError, match=r"x\.mp4 (cannot be read as a film|has no)"):
        video.first_frame(path)


def test_flicker_is_what_changes_and_not_what_moves() -> None:
    noise = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    still = torch.nn.functional.avg_pool2d(noise[None], 5, 1, 2)[0]
    moved = still.roll((2, 3), (1, 2))
    assert warped_difference(still, moved, 1 - still, 1 - moved) < 0.01  # at the edges alone
    assert warped_difference(still, moved, still, (moved + 0.1)) == pytest.approx(0.1, abs=0.01)
    other = torch.zeros_like(still)
    assert math.isnan(warped_difference(still, other, still, other))


def test_the_command_line_names_the_place_for_a_film(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stylize", "--content", str(clip), "--styles", str(clip), "--out", "a.png"]) == 2
    assert "--out is a.png: give a name that ends in .mp4" in capsys.readouterr().err
