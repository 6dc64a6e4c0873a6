"""The settings of `diffusion`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from models.diffusion import Scheduler
from pipelines.dataset import KNOWN, NUMBERED, Name
from pipelines.params import MOST_SEED, Image, NamedFile, Params, Seed, own_weights, param

View = Literal["pictures", "strip", "schedulers", "forward", "invert", "interpolate", "quality"]


def suited(dataset: str, model: str = "") -> Scheduler:
    """The scheduler that makes the best pictures in few steps: dpm++ breaks digits, ddpm blurs photographs."""
    return "ddpm" if dataset == "mnist" and not model else "dpm++"


class DiffusionParams(Params):
    """Start from noise, and let a network take a little of it away, again and again, until there is a picture.

    Ho, Jain and Abbeel 2020. Slower than one pass, but steady to train, and the family behind today's best pictures.
    """

    view: View = param("pictures", label="Show", description="Pictures, how they come about, or what noise does")
    dataset: Name = param("mnist", label="Data", description=KNOWN)
    label: int | None = param(
        None, ge=0, le=9, label="Class", description="Which class to make; none: any", detail=NUMBERED
    )
    count: int = param(16, ge=1, le=64, label="Count", description="How many pictures")
    scheduler: Scheduler = param(
        "ddpm",
        label="Scheduler",
        description="How to walk from noise to picture; heun asks the network twice a step",
        detail="Left out: ddpm for digits, dpm++ for photographs and other models",
    )
    steps: int = param(20, ge=1, le=1000, label="Steps", description="Steps from noise to picture")
    guidance: float = param(
        1.5, ge=0, le=8, label="Guidance", description="How much to exaggerate the class; 1: as learned, 0: no class"
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
    picture: Image | None = param(
        None, label="Picture", description="To noise, to invert, or to begin between two; none: one of its own"
    )
    second: Image | None = param(
        None, label="Second picture", description="Where to end between two pictures; none: one of its own"
    )
    eta: float = param(
        0.0, ge=0, le=1, label="Fresh noise", description="DDIM's eta: 0 adds none on the way, 1 as DDPM", advanced=True
    )
    measured: int = param(
        200, ge=50, le=2000, label="Pictures measured", description="For quality against steps", advanced=True
    )
    model: str = param(
        "",
        label="Model",
        description="An unconditional diffusers id or folder; empty: the bundled one",
        max_length=300,
        advanced=True,
    )
    weights: NamedFile = own_weights()

    @model_validator(mode="before")
    @classmethod
    def _suit(cls, values: Any) -> Any:
        if isinstance(values, dict) and "scheduler" not in values:
            return {**values, "scheduler": suited(values.get("dataset", "mnist"), values.get("model", ""))}
        return values
