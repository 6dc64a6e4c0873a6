"""A model and a scheduler for one column of a run, and what they are called with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from PIL.Image import Resampling

from models import hub
from models.hub import offers
from models.hub.assembly import SCHEDULERS, Order, Scheduler, Studio
from models.hub.needs import Need, adapter_named, lora_file, of_adapter, of_lora, of_model
from models.hub.offers import Adapter
from pipelines.imagine.params import ImagineParams, frame
from pipelines.params import ParamError

MULTIPLE = 8  # pixels: the sides of what a U-Net makes are multiples of it, and those of a transformer of twice that


@dataclass(frozen=True)
class Plan:
    """What one column of the run is made with."""

    p: ImagineParams
    repo: str
    scheduler: Scheduler

    @property
    def offer(self) -> offers.Offer | None:
        """What is known of the model, where it is one of the curated ones."""
        return offers.KNOWN.get(self.repo)

    @property
    def guidance(self) -> float:
        """What is asked for, else what the model was made for; 7.5 for one that nothing is known of."""
        return self.p.guidance if self.p.guidance >= 0 else self.offer.guidance if self.offer else 7.5

    @property
    def steps(self) -> int:
        """Denoising steps asked for, or those the model was made for; 25 for one that nothing is known of."""
        return self.p.steps or (self.offer.steps if self.offer else 25)

    def check(self) -> None:
        """Raises ParamError for settings that leave nothing to do."""
        if self.p.content is not None and int(self.steps * self.p.strength) < 1:
            raise ParamError(
                f"At a strength of {self.p.strength:g}, {self.steps} steps leave nothing to do: choose "
                f"{math.ceil(1 / self.p.strength - 1e-9)} steps or more, or more strength."
            )

    def adapter(self) -> Adapter | None:
        """The IP-Adapter, if style pictures are given. Raises ParamError where none is known."""
        if not self.p.styles:
            return None
        if self.p.adapter:
            return adapter_named(self.p.adapter.strip())
        if self.offer is None or self.offer.adapter is None:
            known = " or ".join(other.title for other in offers.OFFERS if other.adapter)
            raise ParamError(f"No IP-Adapter is known for {self.repo}: choose {known}, or leave the styles out.")
        return self.offer.adapter

    def order(self) -> Order:
        """What to assemble."""
        p = self.p
        return Order(
            self.repo,
            picture=p.content is not None,
            adapter=self.adapter(),
            lora=(str(lora_file(p.lora.strip())), p.lora_weight) if p.lora.strip() else None,
            scheduler=self.scheduler,
            checker=p.safety,
            size=frame(p),
            guided=self.guidance > 1,
        )

    def call(self, studio: Studio, seed: int, size: tuple[int, int]) -> dict[str, Any]:
        """Arguments of the pipeline for one picture; those that a kind of pipeline does not know are left out."""
        p, (width, height) = self.p, size
        given: dict[str, Any] = {
            "prompt": p.prompt,
            "negative_prompt": p.negative or None,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": torch.Generator().manual_seed(seed),  # on the CPU: the same picture on every device
        }
        if p.content is not None:
            given |= {"image": spread(p.content, frame(p), size), "strength": p.strength}
        if p.content is None or not studio.accepts("strength") or studio.accepts("width"):
            given |= {"width": width, "height": height}
        if p.styles:
            studio.pipe.set_ip_adapter_scale(p.style_strength)
            given["ip_adapter_image"] = [list(p.styles)] if len(p.styles) > 1 else p.styles[0]
        return {name: value for name, value in given.items() if studio.accepts(name)}

    def padded(self, studio: Studio) -> tuple[int, int]:
        """Width and height that are worked on: the frame's, up to what the model's layers can halve."""
        scale = int(studio.pipe.vae_scale_factor)
        multiple = max(MULTIPLE, scale) if "unet" in studio.turns.names else max(2 * MULTIPLE, 2 * scale)
        width, height = frame(self.p)
        return -(-width // multiple) * multiple, -(-height // multiple) * multiple

    def told(self, studio: Studio) -> dict[str, Any]:
        """For the record: what made a picture."""
        return {
            "model": self.repo,
            "pipeline": type(studio.pipe).__name__,
            "scheduler": type(studio.pipe.scheduler).__name__,
            "steps": self.steps,
            "guidance": self.guidance,
            "dtype": str(studio.turns.dtype).removeprefix("torch."),
        }

    def added(self) -> dict[str, Any]:
        """For the record: the files beside the model's own, with their digests."""
        order, found = self.order(), {}
        if order.lora:
            found["lora"] = _file(Path(order.lora[0]))
        if order.adapter:
            found["adapter"] = _file(hub.file(order.adapter.repo, order.adapter.file))
        return found


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hub.digest(path)}


def plans(p: ImagineParams) -> list[Plan]:
    """The run's columns: the model and scheduler chosen, and the other one that they are compared with."""
    chosen = columns(p)
    for plan in chosen:
        plan.check()
    return chosen


def columns(p: ImagineParams) -> list[Plan]:
    """The same, before anything is checked."""
    model, also = p.model.strip(), p.also.strip()
    chosen = [Plan(p, model, p.scheduler)]
    if also:
        named = also == "own" or also in SCHEDULERS
        chosen.append(Plan(p, model, cast(Scheduler, also)) if named else Plan(p, also, p.scheduler))
    return chosen


def needs(p: ImagineParams) -> list[Need]:
    """What a run reads from the disk or the hub. Raises ParamError, and WeightsError for names that can be none."""
    found: list[Need] = []
    for plan in columns(p):
        adapter = plan.adapter()
        found += [of_model(plan.repo), *([of_adapter(adapter)] if adapter else [])]
    return list(dict.fromkeys([*found, *([of_lora(p.lora.strip())] if p.lora.strip() else [])]))


def spread(picture: PIL.Image.Image, frame: tuple[int, int], size: tuple[int, int]) -> PIL.Image.Image:
    """`picture` at the frame's size, its edges drawn out to `size`: nothing is stretched, and nothing is cut off."""
    small = np.asarray(picture.resize(frame, Resampling.LANCZOS))
    borders = ((0, size[1] - frame[1]), (0, size[0] - frame[0]), (0, 0))
    return PIL.Image.fromarray(np.pad(small, borders, mode="edge"))
