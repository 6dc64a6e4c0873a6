"""What may stand in the Spacefile: a Deta Space v0 Spacefile of one micro, and the card of a Gradio Space."""

from __future__ import annotations

from typing import Annotated, Literal

from huggingface_hub import SpaceHardware
from pydantic import BaseModel, ConfigDict, Field, model_validator

CPU_BASIC_SLEEP_SECONDS = 172_800  # the Hub does not let this one be changed
Colour = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)  # an unknown key is an error, as it is to Deta


class Variable(Strict):
    name: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    description: str | None = None
    default: str | None = None  # without one it is left for the owner of the Space to set


class Micro(Strict):
    """Deta's micro: the program, what belongs to it, and how it starts."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    src: Literal["."]
    engine: Literal["custom"]
    primary: Literal[True]
    run: str
    include: list[Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*/?$")]] = Field(min_length=1)
    presets: dict[Literal["env"], list[Variable]] = Field(min_length=1)


class Card(Strict):
    """The README front matter: those keys of the Spaces configuration reference that fit a Gradio Space."""

    title: str = Field(min_length=1)
    emoji: str = Field(min_length=1)
    colorFrom: Colour
    colorTo: Colour
    sdk: Literal["gradio"]
    sdk_version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    python_version: str = Field(pattern=r"^3\.\d+(\.\d+)?$")
    app_file: str
    license: str
    short_description: str = Field(min_length=1, max_length=60)
    tags: list[str] = []
    preload_from_hub: list[str] = []  # "repo", "repo file,file" or "repo file,file commit"


class HuggingFace(Strict):
    """Where the Space lives, on which hardware, after how many idle seconds it sleeps (-1: never), and its card."""

    repo: str = Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")
    hardware: SpaceHardware
    sleep_time: int | None = Field(None, ge=-1)
    card: Card


class Spacefile(Strict):
    """A Deta Space v0 Spacefile of one micro, and Hugging Face's part under `x-huggingface`."""

    v: Literal[0]
    app_name: str = Field(max_length=12)
    micros: list[Micro] = Field(min_length=1, max_length=1)
    huggingface: HuggingFace = Field(alias="x-huggingface")

    @model_validator(mode="after")
    def _parts_agree(self) -> Spacefile:
        micro, target, app_file = self.micros[0], self.huggingface, self.huggingface.card.app_file
        if micro.run != f"python {app_file}":
            raise ValueError(f"run is {micro.run!r} but app_file is {app_file!r}: both must start the same file")
        if missing := {app_file, "README.md", "requirements.txt"} - set(micro.include):
            raise ValueError(f"include must name {', '.join(sorted(missing))}: a Space does not start without")
        if target.hardware == SpaceHardware.CPU_BASIC and target.sleep_time not in (None, CPU_BASIC_SLEEP_SECONDS):
            raise ValueError(f"sleep_time is fixed at {CPU_BASIC_SLEEP_SECONDS} s on cpu-basic: write that, or nothing")
        return self
