"""The models that the Imagine tab offers: what each is good for, how it wants to be run, and what memory it takes.

Parameters were counted by building each part from its configuration on the meta device with diffusers 0.42.1 and
transformers 5.23.0; sizes and memory are computed from them. Any other text-to-image pipeline can be named by its id.

The factors of memory are bytes of live activations per output pixel at two bytes a number, counted over the modules of
diffusers at their real width on the meta device (benchmarks/imagine_memory.py): the difference between 1024 and 512
pixels, with fused attention, whose output alone is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import torch

from models.hub import is_safetensors
from models.weights import WeightsError

DENOISER = {"unet": 260, "transformer": 445}  # Stable Diffusion 1.5 and 2.1 (XL: 158); Z-Image
DECODER = 1536  # the 84 M decoder that all four curated models have
TILE = 1024  # pixels: larger pictures are decoded in tiles of at most this side
ENCODER = 64 << 20  # bytes: text or image encoder, whatever the size of the picture
FIXED = 128 << 20  # bytes: workspaces of the libraries
STEP = 64  # pixels between the sizes that are tried for a smaller one
TEXT_L, TEXT_H, TEXT_G, VAE = 123_060_480, 340_387_840, 694_659_840, 83_653_863
CHECKER, VISION_H = 303_981_588, 632_076_800


@dataclass(frozen=True)
class Adapter:
    """An IP-Adapter: a safetensors file, and the folder of the image encoder it was trained with, in one repository."""

    repo: str
    file: str
    encoder: str

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """From `REPO#FILE`, or a folder with `ip_adapter.safetensors`; `image_encoder` lies beside the file."""
        repo, _, file = text.partition("#")
        file = file or "ip_adapter.safetensors"
        if not is_safetensors(file):
            raise WeightsError(f"{file} is no safetensors file: adapters are read from nothing else.")
        return cls(repo, file, str(PurePosixPath(file).with_name("image_encoder")))


def working_bytes(part: str, size: tuple[int, int], batch: int, dtype: torch.dtype) -> int:
    """Activations of a part in bytes, for one picture.

    Args:
        part: name in the pipeline.
        size: width and height in pixels.
        batch: 2 with a negative prompt beside the prompt, else 1.
        dtype: of the numbers.
    """
    pixels, scale = size[0] * size[1], dtype.itemsize / 2
    if part in DENOISER:
        return FIXED + int(DENOISER[part] * pixels * batch * scale)
    if part.startswith("vae"):
        return FIXED + int(DECODER * min(pixels, TILE**2) * scale)
    return FIXED + int(ENCODER * batch * scale)


def largest_size(
    sizes: dict[str, int], ratio: float, batch: int, dtype: torch.dtype, room: int, most: int
) -> int | None:
    """The longest side up to `most` pixels at which every part fits into `room` bytes; None if none does.

    Args:
        sizes: part -> bytes of its weights on the device (0 for one that is streamed).
        ratio: short side / long side.
    """
    sides: list[int] = [most, *range(most // STEP * STEP, 0, -STEP)]
    for side in sides:
        size = (side, max(1, round(side * ratio)))
        if all(weights + working_bytes(part, size, batch, dtype) <= room for part, weights in sizes.items()):
            return side
    return None


@dataclass(frozen=True)
class Offer:
    """A model by name. `parameters`: part -> number. `stored`: bytes a number has in the files that are fetched."""

    repo: str
    title: str
    good_for: str
    licence: str
    steps: int
    guidance: float
    size: int
    parameters: dict[str, int]
    stored: dict[str, int]
    adapter: Adapter | None = None
    adapter_bytes: int = 0  # of its file and of its image encoder, which is stored in float32

    @property
    def download_bytes(self) -> int:
        """What a fetch brings, tokenizers aside."""
        return sum(count * self.stored.get(part, 2) for part, count in self.parameters.items())

    def device_bytes(self, size: int, dtype: torch.dtype = torch.bfloat16) -> tuple[int, int]:
        """Memory on the device, computed: at least (the largest part with its activations), and all parts at once."""
        batch = 2 if self.guidance > 1 else 1
        working = {p: working_bytes(p, (size, size), batch, dtype) for p in self.parameters}
        weights = {part: count * dtype.itemsize for part, count in self.parameters.items()}
        return max(weights[p] + working[p] for p in weights), sum(weights.values()) + max(working.values())


OFFERS: tuple[Offer, ...] = (
    Offer(
        repo="stabilityai/sd-turbo",
        title="SD-Turbo",
        good_for="Good pictures in one to four steps; the one to start with",
        licence="Stability AI Community",
        steps=2,
        guidance=0.0,
        size=512,
        parameters={"unet": 865_910_724, "text_encoder": TEXT_H, "vae": VAE},
        stored={},
    ),
    Offer(
        repo="stable-diffusion-v1-5/stable-diffusion-v1-5",
        title="Stable Diffusion 1.5",
        good_for="Many LoRAs, style pictures, and a safety checker",
        licence="CreativeML Open RAIL-M",
        steps=25,
        guidance=7.5,
        size=512,
        parameters={"unet": 859_520_964, "text_encoder": TEXT_L, "vae": VAE, "safety_checker": CHECKER},
        stored={},
        adapter=Adapter("h94/IP-Adapter", "models/ip-adapter_sd15.safetensors", "models/image_encoder"),
        adapter_bytes=44_600_000 + 4 * VISION_H,
    ),
    Offer(
        repo="stabilityai/stable-diffusion-xl-base-1.0",
        title="Stable Diffusion XL",
        good_for="Large pictures with more detail",
        licence="CreativeML Open RAIL++-M",
        steps=30,
        guidance=5.0,
        size=1024,
        parameters={"unet": 2_567_463_684, "text_encoder": TEXT_L, "text_encoder_2": TEXT_G, "vae": VAE},
        stored={},
        adapter=Adapter(
            "h94/IP-Adapter", "sdxl_models/ip-adapter_sdxl_vit-h.safetensors", "models/image_encoder"
        ),
        adapter_bytes=698_000_000 + 4 * VISION_H,
    ),
    Offer(
        repo="Tongyi-MAI/Z-Image-Turbo",
        title="Z-Image-Turbo",
        good_for="A transformer of 2025: long prompts, writing in pictures, eight steps",
        licence="Apache-2.0",
        steps=8,
        guidance=0.0,
        size=1024,
        parameters={"transformer": 6_154_908_736, "text_encoder": 4_022_468_096, "vae": 83_819_683},
        stored={"transformer": 4},
    ),
)  # fmt: skip
KNOWN = {offer.repo: offer for offer in OFFERS}
DEFAULT = OFFERS[0].repo
