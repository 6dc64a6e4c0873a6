"""What can be asked of Imagine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PlainSerializer

from models.hub import offers, path_of
from models.hub.assembly import Scheduler
from pipelines import images
from pipelines.params import MOST_SEED, Image, Params, Seed, param

WORDS, NAME = 2000, 600  # letters: of a prompt, and of a model's name or path
SHORT = 0.75  # short side / long side of a landscape or portrait


def file_name(text: str) -> str:
    """Of the path of a file its name alone: where it lies on this machine is in no record."""
    path = path_of(text.strip())
    return path.name if path is not None and path.is_file() else text


Lora = Annotated[str, PlainSerializer(file_name, when_used="json")]


class ImagineParams(Params):
    """Make a picture from words, or restyle one, with a pretrained diffusion model.

    Models people know - Stable Diffusion, XL, their turbo kin and newer transformers - run by diffusers.
    """

    prompt: str = param(
        "a lighthouse on a cliff at dusk, watercolour, soft light",
        label="Prompt",
        description="What to see in it",
        max_length=WORDS,
    )
    content: Image | None = param(None, label="Content", description="A picture to start from, if any")
    styles: list[Image] = param(
        [], label="Styles", description="Pictures whose look to use, if any (IP-Adapter)", max_length=4
    )
    model: str = param(
        offers.DEFAULT,
        label="Model",
        description="An id on the Hugging Face hub, or a folder of this machine",
        max_length=NAME,
    )
    strength: float = param(
        0.6, ge=0.05, le=1, label="Strength", description="How far to go from the content; 1 forgets it"
    )
    size: int = param(512, ge=64, le=2048, label="Size", description="Longest side of the result in pixels")
    shape: Literal["square", "landscape", "portrait"] = param(
        "square", label="Shape", description="Without a content, whose shape it has"
    )
    count: int = param(1, ge=1, le=16, label="Count", description="How many pictures")
    steps: int = param(
        0,
        ge=0,
        le=150,
        label="Steps",
        description="Denoising steps; 0: as many as the model was made for",
        advanced=True,
    )
    guidance: float = param(
        -1.0,
        ge=-1,
        le=20,
        label="Guidance",
        description="How closely to follow the prompt; -1: as the model was made for",
        advanced=True,
    )
    negative: str = param(
        "",
        label="Not this",
        description="What to keep out; needs a guidance above 1",
        advanced=True,
        max_length=WORDS,
    )
    seed: Seed = param(
        0, ge=-1, le=MOST_SEED, label="Seed", description="Of the first picture; the next has one more", advanced=True
    )
    scheduler: Scheduler = param(
        "own", label="Scheduler", description="How the noise is taken away; own: the model's", advanced=True
    )
    also: str = param(
        "",
        label="Also with",
        description="A second scheduler or model for the same noise, side by side",
        advanced=True,
        max_length=NAME,
    )
    style_strength: float = param(
        0.6, ge=0, le=1, label="Weight of the styles", description="Against the prompt", advanced=True
    )
    adapter: str = param(
        "",
        label="IP-Adapter",
        description="OWNER/NAME#FILE or a folder; none: the one known for the model",
        advanced=True,
        max_length=NAME,
    )
    lora: Lora = param(
        "",
        label="LoRA",
        description="OWNER/NAME, OWNER/NAME#FILE or the path of a safetensors file",
        advanced=True,
        max_length=NAME,
    )
    lora_weight: float = param(
        1.0, ge=-2, le=2, label="Weight of the LoRA", description="0 is off, negative goes the other way", advanced=True
    )
    safety: bool = param(True, label="Safety checker", description="The model's own, where it has one", advanced=True)


def frame(p: ImagineParams, size: int | None = None) -> tuple[int, int]:
    """Width and height of the result in pixels, at its own size or another: the content's shape, or the one chosen."""
    side = size or p.size
    if p.content is not None:
        return images.fit(*p.content.size, side)
    short = round(side * SHORT)
    return {"square": (side, side), "landscape": (side, short), "portrait": (short, side)}[p.shape]
