"""Text to image and image to image with pretrained pipelines of diffusers, run from the page's own cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import PIL.Image
import torch

from models import device
from models.cache import Lender, OutOfBudget
from models.device import amount
from models.hub import assembly, offers
from models.hub.assembly import Studio, Unsuitable
from models.hub.needs import lacking, of_model
from models.hub.turns import owner
from models.weights import WeightsError
from pipelines import sheet
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.imagine import lockstep, zero
from pipelines.imagine.params import ImagineParams, frame
from pipelines.imagine.plan import Plan, check_room, columns, needs, plans
from pipelines.imagine.wall import Wall
from pipelines.params import ParamError

Report = Callable[[Progress], None]


def generate(p: ImagineParams, cache: Lender) -> Steps:
    """Make the pictures, on the card that a ZeroGPU Space lends or here."""
    if REMOTE is not None:
        return (yield from zero.follow(REMOTE, p))
    return (yield from locally(p, cache))


def locally(p: ImagineParams, cache: Lender) -> Steps:
    """One picture after the other, each with a generator of its own, so that any of them can be made again alone."""

    def work(report: Report) -> Output:
        return Work(p, variants, cache, report).run()

    variants = plans(p)
    if (lack := lacking(needs(p))) is not None:
        raise lack
    try:
        for plan in variants:
            check_room(plan, cache)
        return (yield from lockstep.steps(work))
    except Unsuitable as error:
        raise ParamError(str(error)) from error
    except (MemoryError, RuntimeError) as error:
        if not device.out_of_memory(error):
            raise
        owner(cache).relieve()
        raise OutOfBudget(
            f"The device ran out of memory at {p.size} pixels: choose {max(64, p.size // 2 // 64 * 64)} or less, "
            f"or a smaller model."
        ) from error


class Work:
    """One run, on one thread from beginning to end."""

    def __init__(self, p: ImagineParams, variants: list[Plan], cache: Lender, report: Report) -> None:
        self.p, self.variants, self.cache, self.report = p, variants, cache, report
        self.size = frame(p)
        self.wall = Wall(self.size, p.count, len(variants))
        self.done, self.total = 0, 0
        self.notes: list[str] = []
        if self.wall.many:
            sheet.announce(self.notes, self.size, p.count * len(variants), self.wall.columns)
        self.details: list[dict[str, Any]] = []

    def run(self) -> Output:
        """Make every picture of every variant."""
        for column, plan in enumerate(self.variants):
            studio = assembly.assemble(plan.order(), self.cache)
            try:
                self.note(studio, plan)
                matrix = _matrix(studio)
                for row in range(self.p.count):
                    self.wall.put(row, column, self.picture(studio, plan, self.p.seed + row, row, column, matrix))
            finally:
                studio.turns.close()
        pictures = self.wall.pictures()
        whole = self.wall.sheet() if len(pictures) > 1 else None
        flagged = sum(bool(item["flagged"]) for item in self.details)
        details = {"pictures": self.details, **self.variants[0].files()}
        return Output(pictures, {"blocked": flagged}, self.notes, whole, details)

    def picture(
        self, studio: Studio, plan: Plan, seed: int, row: int, column: int, matrix: torch.Tensor | None
    ) -> PIL.Image.Image:
        """Picture number `row` of one variant, reported step by step."""
        width, height = plan.padded(studio)
        before: list[torch.Tensor] = []

        def step(pipe: Any, _index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            latents = tensors["latents"]
            change = float((latents - before.pop()).float().pow(2).mean().sqrt()) if before else 0.0
            before.append(latents.detach().clone())
            count = int(getattr(pipe, "_num_timesteps", 0) or plan.steps)
            self.total = self.total or count * self.p.count * len(self.variants)
            self.done += 1
            self.total = max(self.total, self.done)
            flat = assembly.unpacked_latents(pipe, latents, height, width) if matrix is not None else None
            if flat is not None and matrix is not None:
                rough = assembly.latent_preview(flat, matrix, height, width)
                self.wall.show(row, column, rough[:, : self.size[1], : self.size[0]])
            numbers = {"change": change, "noise level": float(timestep) / 1000}
            self.report(Progress(self.done, self.total, self.wall.preview(), dict(numbers), notes=[*self.notes]))
            return {}

        result = studio.pipe(**plan.call(studio, seed, (width, height)), callback_on_step_end=step)
        flagged = bool((getattr(result, "nsfw_content_detected", None) or [False])[0])
        self.details.append({**plan.details(studio), "seed": seed, "flagged": flagged})
        if flagged:
            self.notes.append(
                f"Picture {row + 1} was blocked by the model's safety checker and is black: try another seed or prompt."
            )
        whole: PIL.Image.Image = result.images[0].convert("RGB")
        return whole.crop((0, 0, *self.size))

    def note(self, studio: Studio, plan: Plan) -> None:
        """Remarks that belong into the record."""
        streamed = ", ".join(sorted(studio.turns.streamed))
        network = f"{plan.repo}, {type(studio.pipe.scheduler).__name__}"
        remarks = {
            f"column {len(self.details) // self.p.count + 1}: {network}": len(self.variants) > 1,
            f"{streamed} did not fit on the device and was streamed through it, which is slow": bool(streamed),
            "the negative prompt has no effect at a guidance of 1 or less": bool(self.p.negative)
            and (plan.guidance <= 1 or not studio.accepts("negative_prompt")),
            "this model takes the content as a whole, so strength had no effect": self.p.content is not None
            and not studio.accepts("strength"),
            "looked at by the model's own safety checker": studio.checked,
        }
        self.notes += [*(text for text, holds in remarks.items() if holds), *studio.remarks, *unread(studio, self.p)]


def unread(studio: Studio, p: ImagineParams) -> list[str]:
    """A remark for each text whose end the model's encoders do not read."""
    notes: list[str] = []
    for name, text in (("prompt", p.prompt), ("negative prompt", p.negative)):
        rest, most = assembly.unread_text(studio, text) if studio.accepts(name.replace(" ", "_")) else ("", 0)
        if rest:
            notes.append(f"the {name} is longer than the {most} tokens that this model reads: without “{rest}”")
    return notes


def _matrix(studio: Studio) -> torch.Tensor | None:
    """For previews; None where the model's latents are not those of an autoencoder that is known."""
    vae = getattr(studio.pipe, "vae", None)
    if vae is None or not hasattr(vae, "encode"):
        return None
    return assembly.colours_of_latents(vae, studio.turns.device)


def work(p: ImagineParams) -> float:
    """Megapixels times calls of the network: two a step where there is guidance, fewer steps where strength is less."""
    width, height = frame(p)
    share = p.strength if p.content is not None else 1
    calls = sum(max(1.0, plan.steps * share) * (2 if plan.guidance > 1 else 1) for plan in columns(p))
    return calls * p.count * (0.05 + width * height / 1e6)


def lacks(p: ImagineParams) -> str:
    """What keeps this machine from running it, before a part is looked at: a model, IP-Adapter or LoRA not here."""
    for one in columns(p):
        if one.offer is not None and of_model(one.repo).fault() is not None:
            return f"{one.offer.title} ({amount(one.offer.download_bytes)}) is not on this machine: fetch it in Models."
    try:
        return str(lacking(needs(p)) or "")
    except WeightsError as error:
        return str(error)
    except ParamError:  # said by the run: nothing is missing here
        return ""


def suited(values: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison's settings as Imagine can take them: a model that is here, where none is named; and without the
    styles, where the model has no IP-Adapter that reads them."""
    repos = [offer.repo for offer in offers.OFFERS]
    here = next((repo for repo in repos if of_model(repo).fault() is None), offers.DEFAULT)
    settings = {"model": here, **values}
    offer = offers.KNOWN.get(str(settings["model"]))
    reads = values.get("adapter") or (offer is not None and offer.adapter is not None)
    return {name: value for name, value in settings.items() if name != "styles" or reads}


REMOTE = zero.remote(locally)  # marked at import, as ZeroGPU wants it
PIPELINE = Pipeline(
    "imagine",
    "Imagine",
    ImagineParams,
    generate,
    work=work,
    space=lambda p: p.size**2 / 1e6,
    lacks=lacks,
    suited=suited,
)
