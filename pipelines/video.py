"""Films: one through a method, decoded, painted frame by frame and encoded again with its sound (PyAV); how much it
flickers; and the frames of a run as an animation, GIF or WebP, as Pillow writes them.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from models.cache import Lender
from pipelines import images
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.params import ParamError, Params

SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
LONGEST = 1280  # pixels on the longest side of a film, where no size is asked for
ANIMATED = 384  # pixels: an animation is for a talk or a page
MOST_FRAMES = 60
SIDE, BLOCK, REACH = 256, 8, 6  # pixels: longest side at which flicker is measured, block, farthest it moves
SAME = 0.04  # mean difference in brightness up to which a block counts as found again


def is_film(place: Path) -> bool:
    """Whether a content is a film, by its name."""
    return place.suffix.lower() in SUFFIXES


def _open(path: Path) -> Any:
    """The film, opened. Raises ParamError for a file that is none."""
    import av

    try:
        film = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise ParamError(
            f"{path.name} cannot be read as a film ({error}): give an MP4 with one video track."
        ) from error
    if not film.streams.video:
        film.close()
        raise ParamError(f"{path.name} has no video track: give an MP4 with one.")
    return film


def first_frame(path: Path) -> PIL.Image.Image:
    """The film's first frame, which stands for it as content. Raises ParamError."""
    with _open(path) as film:
        for frame in film.decode(video=0):
            return images.load(frame.to_image())
    raise ParamError(f"{path.name} has no frames: give another film.")


def _side(natural: int, size: int) -> int:
    """Longest side of the frames."""
    return size or min(natural, LONGEST)


def _frames(film: Any, size: int) -> Generator[tuple[Any, Tensor], None, None]:
    """Each frame with its pixels (3, H, W) in [0, 1], sides even as H.264 needs them."""
    for frame in film.decode(video=0):
        side = _side(max(frame.width, frame.height), size)
        width, height = (max(16, length // 2 * 2) for length in images.fit(frame.width, frame.height, side))
        picture = frame.to_image().convert("RGB").resize((width, height), PIL.Image.Resampling.BICUBIC)
        yield frame, images.to_tensor(picture)[0]


class Writer:
    """An MP4 with H.264 video, and sound copied packet by packet where MP4 can hold it."""

    def __init__(self, path: Path, like: Any, note: str) -> None:
        import av

        self.path, self.part = path, path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.film = av.open(str(self.part), "w", format="mp4" if path.suffix.lower() != ".mkv" else "matroska")
        self.film.metadata["comment"] = note
        self.video: Any = None
        self.rate = like.streams.video[0].average_rate or Fraction(25)
        self.base = like.streams.video[0].time_base
        self.last = -1
        sounds = like.streams.audio[:1]
        self.sound = self.film.add_stream_from_template(sounds[0]) if sounds else None

    def frame(self, picture: Tensor, pts: int | None) -> None:
        """Add a frame (3, H, W) in [0, 1] at its time."""
        import av

        if self.video is None:
            self.video = self.film.add_stream("libx264", rate=self.rate, options={"crf": "18", "preset": "medium"})
            self.video.height, self.video.width = picture.shape[1:]
            self.video.pix_fmt = "yuv420p"
            self.video.codec_context.time_base = self.base
        pixels = np.asarray(images.to_image(picture))
        new = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        self.last = max(self.last + 1, pts if pts is not None else 0)
        new.pts, new.time_base = self.last, self.base
        self.film.mux(self.video.encode(new))

    def copy_sound(self, path: Path) -> None:
        """Copy the first audio track of the film at `path`, undecoded."""
        if self.sound is None:
            return
        with _open(path) as source:
            for packet in source.demux(source.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = self.sound
                    self.film.mux(packet)

    def close(self, keep: bool) -> None:
        """Finish the file and give it its name, or leave nothing."""
        with suppress(ValueError):
            if self.video is not None and keep:
                self.film.mux(self.video.encode(None))
            self.film.close()
        if keep:
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)


def filmed(pipeline: Pipeline[Any], source: Path, target: Path) -> Pipeline[Any]:
    """The method as one that makes the film `target` from `source`: a step is a frame, the picture is the last."""

    def generate(p: Params, cache: Lender) -> Steps:
        assert pipeline.frames is not None
        size = int(getattr(p, "size", 0))
        with _open(source) as film, closing(_painted(pipeline, p, cache, film, size)) as painted:
            stream = film.streams.video[0]
            total = stream.frames or math.ceil(float((film.duration or 0) / 1e6 * (stream.average_rate or 25)))
            writer = Writer(target, film, f"Atelier {pipeline.name}: {p.model_dump_json()}")
            done, total, flicker, image = 0, max(1, total), list[float](), None
            finished = False
            try:
                for done, (frame, x, y) in enumerate(painted, 1):
                    writer.frame(y, frame.pts)
                    if image is not None:
                        flicker.append(warped_difference(image[0], x, image[1], y))
                    image = (x, y)
                    known = [f for f in flicker if math.isfinite(f)]
                    level = 255 * sum(known) / max(1, len(known))
                    yield Progress(done, max(total, done), y, {"flicker": level}, share=min(1.0, done / total))
                writer.copy_sound(source)
                finished = image is not None
            finally:
                writer.close(finished)
        if image is None:
            raise ParamError(f"{source.name} has no frames: give another film.")
        return Output([images.to_image(image[1])], {"frames": float(done)})

    return replace(pipeline, generate=generate, resume=None, repaint=None, finish=None)


def _painted(
    pipeline: Pipeline[Any], p: Params, cache: Lender, film: Any, size: int
) -> Generator[tuple[Any, Tensor, Tensor], None, None]:
    """Each frame, its pixels, and its pixels painted."""
    waiting: list[tuple[Any, Tensor]] = []

    def pixels() -> Generator[Tensor, None, None]:
        for frame, x in _frames(film, size):
            waiting.append((frame, x))
            yield x

    assert pipeline.frames is not None
    with closing(pipeline.frames(p, cache, pixels())) as painted:
        for y in painted:
            frame, x = waiting.pop(0)
            yield frame, x, y.detach().clamp(0, 1).cpu()


def _small(x: Tensor) -> Tensor:
    """(3, H, W) -> (1, 3, H', W') with sides that are multiples of BLOCK, the longest at most SIDE."""
    factor = min(1.0, SIDE / max(x.shape[1:]))
    height, width = (max(BLOCK, round(n * factor) // BLOCK * BLOCK) for n in x.shape[1:])
    return F.interpolate(x[None].float(), (height, width), mode="bilinear", antialias=True)


@torch.no_grad()
def warped_difference(before: Tensor, now: Tensor, painted_before: Tensor, painted: Tensor) -> float:
    """How much a film flickers: mean absolute difference, in [0, 1], of `painted` and the moved `painted_before`.

    Blocks of a frame are looked for in the frame before (full search). After Lai et al. 2018, "Learning Blind Video
    Temporal Consistency" (arXiv:1808.00449), equation 11, with block matching in the place of optical flow.

    Args:
        before, now: two frames (3, H, W) in [0, 1].
        painted_before, painted: the same two frames, stylised.

    Returns:
        0 for a film that does not flicker; nan where no block was recognised (a cut).
    """
    a, b, pa, pb = map(_small, (before, now, painted_before, painted))
    height, width = b.shape[2:]
    padded, painted_padded = (F.pad(x, [REACH] * 4, mode="replicate") for x in (a, pa))
    best = torch.full((1, 1, height // BLOCK, width // BLOCK), float("inf"))
    change = torch.zeros_like(best)
    reach = sorted(range(2 * REACH + 1), key=lambda i: abs(i - REACH))  # of equals, the nearest
    for dy in reach:
        for dx in reach:
            moved = padded[:, :, dy : dy + height, dx : dx + width]
            cost = F.avg_pool2d((moved - b).abs().mean(1, keepdim=True), BLOCK)
            painted_moved = painted_padded[:, :, dy : dy + height, dx : dx + width]
            difference = F.avg_pool2d((painted_moved - pb).abs().mean(1, keepdim=True), BLOCK)
            better = cost < best - 1e-6
            best, change = torch.where(better, cost, best), torch.where(better, difference, change)
    same = best <= SAME
    return float(change[same].mean()) if bool(same.any()) else float("nan")


class Frames:
    """Collects at most `MOST_FRAMES` pictures over a run, evenly spread over its steps."""

    def __init__(self) -> None:
        self._pictures: list[PIL.Image.Image] = []
        self._next = 1

    def add(self, step: int, total: int, preview: Tensor) -> None:
        """Take the picture after `step` of `total`, (3, H, W) in [0, 1], where its turn has come."""
        if step >= self._next or step == total:
            self._pictures.append(images.to_image(preview))
            self._next = step + max(1, math.ceil(total / (MOST_FRAMES - 1)))

    def write(self, path: Path) -> None:
        """Write what was collected; see `write_animation`."""
        write_animation(self._pictures, path)


def write_animation(pictures: Sequence[PIL.Image.Image], path: Path) -> None:
    """Write pictures as `.gif` or `.webp`: four seconds, and a pause on the last. Raises ParamError for none."""
    if not pictures:
        raise ParamError("There are no frames to write, because the run showed no previews: leave the animation out.")
    path.parent.mkdir(parents=True, exist_ok=True)
    size = images.fit(*pictures[-1].size, min(ANIMATED, max(pictures[-1].size)))
    sized = [picture.convert("RGB").resize(size, PIL.Image.Resampling.BICUBIC) for picture in pictures]
    durations = [max(40, 4000 // len(sized))] * (len(sized) - 1) + [1500]
    sized[0].save(path, save_all=True, append_images=sized[1:], duration=durations, loop=0)
