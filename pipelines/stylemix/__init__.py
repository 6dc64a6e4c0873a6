"""Two codes, one generator: digits in rows, styles in columns (after Karras, Laine and Aila 2018)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor

from models import own
from models.cache import Lender
from models.gan import BATCH, draw, noise_of
from models.stylemix import LAYERS, Reader, StyleMixer
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.dataset import check_label
from pipelines.params import MOST_SEED, NamedFile, ParamError, Params, Seed, own_weights, param
from pipelines.sheet import GROUND, grid, pictures_of, preview

ENTERS = {"all": range(LAYERS), "coarse": range(2), "middle": range(2, 3), "fine": range(3, LAYERS)}
DIGITS = 4  # decimals of a code: those in the record are those that were drawn with
READ = "read as asked"


class StylemixParams(Params):
    """Draw each digit in each style: one code says what is drawn and in what shape, another its colours and texture.

    After Karras, Laine and Aila 2018. Digits of MNIST, textures of CIFAR-10; contents go down, styles go across.
    """

    dataset: Literal["mnist"] = param("mnist", label="Data", description="What it was trained on")
    label: int | None = param(None, ge=0, le=9, label="Class", description="Which class to make; none: any")
    count: int = param(16, ge=1, le=100, label="Count", description="How many pictures")
    layers: Literal["all", "coarse", "middle", "fine"] = param(
        "all", label="Style enters at", description="The layers that take the style; the others take the mean style"
    )
    variety: float = param(
        1.0, ge=0, le=1.5, label="Variety", description="Distance of the styles from the mean style; 0: all the same"
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
    style_seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Style seed", description="Seed of the first style")
    columns: int = param(
        0, ge=0, le=64, label="Styles in a row", description="Width of the matrix; 0: square", advanced=True
    )
    latents: str = param(
        "",
        label="Codes (JSON)",
        description="Codes of the first rows and columns, from a record: contents and styles; seeds make the rest",
        advanced=True,
    )
    weights: NamedFile = own_weights()


@dataclass(frozen=True)
class Codes:
    """What stands at the head of rows and columns."""

    classes: list[int]
    noise: Tensor  # (rows, noise)
    styles: Tensor  # (columns, style)

    def told(self) -> dict[str, Any]:
        """As JSON, in the form that `latents` takes."""
        rows = zip(self.classes, _numbers(self.noise), strict=True)
        return {
            "contents": [{"class": label, "noise": noise} for label, noise in rows],
            "styles": _numbers(self.styles),
        }


def _numbers(x: Tensor) -> list[list[float]]:
    return [[round(v, DIGITS) for v in row] for row in x.double().tolist()]


def _drawn(first: int, n: int, numbers: int) -> Tensor:
    return noise_of([first + i for i in range(n)], numbers).double().mul(10**DIGITS).round().div(10**DIGITS).float()


def columns(p: StylemixParams) -> int:
    """Styles in a row."""
    return min(p.count, p.columns or math.ceil(math.sqrt(p.count)))


def codes(p: StylemixParams, noise: int, style: int, classes: int = 10) -> Codes:
    """Codes of the rows and columns: those in `latents` first, then those of the seeds.

    Raises ParamError when `latents` cannot be used.
    """
    wide = columns(p)
    high = math.ceil(p.count / wide)
    contents, styles = _given(p.latents, noise, style, classes)
    for name, given, room in (("contents", contents, high), ("styles", styles, wide)):
        if len(given) > room:
            raise ParamError(f"latents has {len(given)} {name}, but the matrix has room for {room}: raise count.")
    heads = [p.label if p.label is not None else (p.seed + i) % classes for i in range(high)]
    z = _drawn(p.seed, high, noise)
    s = _drawn(p.style_seed, wide, style)
    for i, (label, row) in enumerate(contents):
        heads[i], z[i] = label, torch.tensor(row)
    for i, row in enumerate(styles):
        s[i] = torch.tensor(row)
    return Codes(heads, z, s)


Contents = list[tuple[int, list[float]]]  # class and noise


def _given(text: str, noise: int, style: int, classes: int) -> tuple[Contents, list[list[float]]]:
    if not text.strip():
        return [], []
    try:
        found = json.loads(text)
        contents = [(c["class"], _row(c["noise"], noise)) for c in found.get("contents", [])]
        styles = [_row(s, style) for s in found.get("styles", [])]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        content = f'{{"class": 0 to {classes - 1}, "noise": {noise} numbers}}'
        form = f'{{"contents": [{content}], "styles": [[{style} numbers]]}}'
        raise ParamError(f"latents cannot be read: give JSON like {form}, as in the record of a result.") from error
    if wrong := [label for label, _ in contents if type(label) is not int or not 0 <= label < classes]:
        raise ParamError(f"latents has the class {wrong[0]!r}: give a number from 0 to {classes - 1}.")
    return contents, styles


def _row(values: Any, length: int) -> list[float]:
    numbers = [float(v) for v in values]
    if len(numbers) != length or not all(math.isfinite(v) and abs(v) <= 10 for v in numbers):
        raise ValueError(f"{length} numbers from -10 to 10")
    return numbers


@torch.no_grad()
def inner(net: StyleMixer, p: StylemixParams, styles: Tensor) -> Tensor:
    """(S, style) -> (S, LAYERS, hidden): the mean style, and the style where it enters."""
    mean = net.neutral.expand(len(styles), LAYERS, -1)
    w = net.neutral + p.variety * (net.styles(styles.to(net.neutral)) - net.neutral)
    enters = torch.tensor([i in ENTERS[p.layers] for i in range(LAYERS)], device=w.device)[:, None]
    return torch.where(enters, w[:, None], mean)


@torch.no_grad()
def generate(p: StylemixParams, cache: Lender) -> Steps:
    """The matrix, `BATCH` pictures a step."""
    name = own.name_of("stylemix", p.weights) if p.weights else "stylemix"
    with cache.use(name, "stylemix-reader", working=64 << 20) as (module, judge):
        net, reader = cast(StyleMixer, module), cast(Reader, judge) if own.judged(name, p.dataset) else None
        check_label(p.label, net.classes)
        found, wide = codes(p, net.noise, net.style, net.classes), columns(p)
        w = inner(net, p, found.styles)
        labels = torch.tensor([found.classes[i // wide] for i in range(p.count)])
        total, done, sure = -(-p.count // BATCH), torch.zeros(0, 3, 32, 32), torch.zeros(0, 10)
        for step, part in enumerate(torch.split(torch.arange(p.count), BATCH), 1):
            x = draw(net, found.noise[part // wide], labels[part], w[part.to(w.device) % wide])
            done = torch.cat([done, x])
            if reader is not None:
                sure = torch.cat([sure, reader(x.to(net.neutral)).cpu().softmax(1)])
            yield Progress(step, total, preview(_with_ground(done, p.count), wide), _share(sure, labels))
    images = pictures_of(done)
    told = _told(found, sure, labels, wide)
    return Output(images, _share(sure, labels), sheet=grid(images, wide), details=told)


def _told(found: Codes, sure: Tensor, labels: Tensor, wide: int) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {"row": i // wide, "column": i % wide, "class": int(label)} for i, label in enumerate(labels)
    ]
    for cell, shares in zip(cells, sure, strict=False):  # none, where nobody can read them
        cell |= {"read": int(shares.argmax()), "sure": round(float(shares.max()), 4)}
    return {"latents": found.told(), "pictures": cells}


def _with_ground(done: Tensor, count: int) -> Tensor:
    ground = torch.tensor(GROUND)[:, None, None] / 255
    return torch.cat([done, ground.expand(count - len(done), 3, *done.shape[2:])])


def _share(sure: Tensor, labels: Tensor) -> dict[str, float | Tensor]:
    return {READ: (sure.argmax(1) == labels[: len(sure)]).double().mean()} if len(sure) else {}


PIPELINE = Pipeline("stylemix", "Style mixing", StylemixParams, generate, judge="stylemix-reader")
