"""Train `stylizer`, our own network for any style in one pass (models/stylizer.py).

    python -m training.stylizer --contents photographs --styles paintings textures

Contents and styles are folders of pictures, searched to any depth and packed as small squares beside the run. Losses
look through vgg-lite's first layers, the network's own frozen encoder, with average pooling: covariances, means and
deviations (of the pixels as well) for the style; for the content, the features that the decoder was given (the
photograph's, with the style's covariance), each relative to the target so that every layer counts alike. One picture in
each step is its own style and must come back as it is: that keeps the network sharp.
An epoch is 100 steps. One picture in 150 (by a hash of its name) is kept out, for judging.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from models import device, weights
from models.moments import Statistics, covariance, moments
from models.stylizer import Stylizer
from training.common import Run, average, export, flags, sheet
from training.pictures import SUFFIXES, random_resized_crops

log = logging.getLogger("stylizer")
STEPS, SHEET = 100, 5  # steps of an epoch, epochs of a sheet
DEPTHS = (2, 2, 4, 1)  # vgg-lite up to conv4_1
JITTER = 8  # pixels: the losses look through a window at a random place, so that no grid of theirs can settle in
DEPTH_SHARES = (0.3, 1.0)  # of conv3_1 and conv4_1 in the content loss: strokes are free where the deep one allows them
WEIGHTS = {"content": 1.0, "style": 20.0, "same": 6.0, "rough": 20.0}  # of the losses


def kept_out(path: Path) -> bool:
    """Whether a picture is for judging, not for training: one in 150, by its name."""
    return int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 150 == 0


def pack(folders: list[Path], side: int, to: Path) -> tuple[Tensor, Tensor]:
    """All pictures in `folders` as squares from their middle: those to train on and those kept out, (N, 3, side, side)
    uint8 each. Kept in the file `to`, which is used again as long as the number of pictures stays."""
    files = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not to.exists() or len(np.load(to, mmap_mode="r")) != len(files):
        pixels = np.zeros((len(files), side, side, 3), np.uint8)
        for i, path in enumerate(tqdm(files, desc=f"packing {to.stem}", mininterval=20)):
            try:
                pixels[i] = square(path, side)
            except OSError as error:
                log.warning("%s is left out: %s", path, error)  # and stays black, which is how it is told from others
        np.save(to, pixels)
    packed = torch.from_numpy(np.load(to)).permute(0, 3, 1, 2)
    usable = torch.stack([x.amax() > 0 for x in packed])
    judged = torch.tensor([kept_out(p) for p in files])
    return packed[usable & ~judged], packed[usable & judged]


def square(path: Path, side: int) -> np.ndarray:
    """The middle of a picture as (side, side, 3) uint8. Raises OSError where the file is damaged."""
    with Image.open(path) as image:
        image.draft("RGB", (2 * side, 2 * side))
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box))


def recoloured(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1], one in six with its colours swapped and all with a new gamma."""
    for i in range(len(x)):
        if torch.rand((), generator=generator) < 1 / 6:
            x[i] = x[i][torch.randperm(3, generator=generator)]
    return x.clamp(0, 1) ** (0.7 + 0.7 * torch.rand(len(x), 1, 1, 1, generator=generator))


def draw(pictures: Tensor, n: int, size: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """n random crops (n, 3, size, size) in [0, 1] of `pictures` (N, 3, H, W) uint8."""
    chosen = torch.randint(len(pictures), (n,), generator=generator)
    return random_resized_crops(pictures[chosen], size, scale, generator)


def style_loss(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """How far covariances, means and deviations are from those of the style, relative to them, over all layers.

    found, wanted: activations (N, C, H, W) of each layer; sizes may differ.
    """
    losses = []
    for x, y in zip(found, wanted, strict=True):
        for a, b in zip((covariance(x), *moments(x)), (covariance(y), *moments(y)), strict=True):
            a, b = a.flatten(1), b.flatten(1)
            losses.append((a - b).square().sum(1) / b.square().sum(1).clamp(min=1e-3))
    # Not squared where far off: else a few styles of tiny moments would be all that is learned.
    return F.huber_loss(x := (torch.stack(losses) + 1e-6).sqrt(), torch.zeros_like(x))


def content_loss(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean square between the normalised activations (N, C, H, W) of the two deepest layers: 0 to about 2."""
    losses = []
    for x, y, share in zip(found[-2:], wanted[-2:], DEPTH_SHARES, strict=True):
        (m, d), (n, e) = moments(x), moments(y)
        losses.append(share * ((x.float() - m) / d - (y.float() - n) / e).square().mean())
    return sum(losses) / sum(DEPTH_SHARES)


def roughness(x: Tensor) -> Tensor:
    """Mean square of the differences between neighbouring pixels of (N, 3, H, W)."""
    return (x[..., 1:] - x[..., :-1]).square().mean() + (x[..., 1:, :] - x[..., :-1, :]).square().mean()


def untrained(features: Path) -> Stylizer:
    """A new network around the encoder in `features`, the file of vgg-lite."""
    config, tensors = weights.read(features)
    model = Stylizer(**config | {"widths": config["widths"][:4], "depths": DEPTHS})
    known = model.encoder.state_dict()
    model.encoder.load_state_dict({name: tensor for name, tensor in tensors.items() if name in known})
    return model


class Trainer:
    """The network and what it takes to improve it by one step."""

    def __init__(self, args: argparse.Namespace, contents: Tensor, styles: Tensor) -> None:
        self.args, self.contents, self.styles = args, contents, styles
        self.model = untrained(args.features).to(args.device, memory_format=torch.channels_last)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.average = average(self.model, 0.998)
        self.optimizer = torch.optim.Adam(self.trained, lr=args.rate, betas=(0.9, 0.99))
        self.run = Run(args, model=self.model, average=self.average, optimizer=self.optimizer)
        if not args.resume:
            self.measure_codes()

    @torch.no_grad()
    def measure_codes(self) -> None:
        """Mean and deviation of the codes over 400 styles, with which the network scales its input."""
        x = draw(self.styles, 400, 128, (0.5, 1.0), self.run.generator).to(self.args.device)
        codes = torch.cat([self.model.encode_style(part) for part in x.split(50)])[:, : self.model.moments_size]
        for model in (self.model, self.average.module):
            model.code_mean.copy_(codes.mean(0))
            model.code_deviation.copy_(codes.std(0) + 0.05)

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Contents and styles, (batch, 3, size, size) each; two contents share a style, the last one is its own."""
        args, generator = self.args, self.run.generator
        share = (size / 256) ** 2
        content = draw(self.contents, args.batch, size, (0.6 * share, 1.0), generator)
        style = recoloured(draw(self.styles, args.batch // 2, size, (share, 1.0), generator), generator)
        return content.to(args.device), style.to(args.device)

    def step(self, size: int, rate: float) -> dict[str, Tensor]:
        """One step of the optimiser; returns its losses."""
        self.optimizer.param_groups[0]["lr"] = rate
        args, model = self.args, self.model
        content, style = self.batch(size)
        left, top = torch.randint(JITTER, (2,), generator=self.run.generator).tolist()
        window = (..., *(slice(at, at + size - JITTER) for at in (top, left)))
        with torch.no_grad(), device.autocast(args.device):
            before, wanted = model.features(content), model.features(style)
            codes = model.summarise(style, wanted).repeat_interleave(2, 0)
            codes[-1:] = model.summarise(content[-1:], [f[-1:] for f in before])
            painted = model.restyled(before, codes, measured := Statistics())
            target = model.restyled(model.features(content[window]), codes, Statistics(torch.cat(measured.values, 1)))
        asked = [f.repeat_interleave(2, 0)[:-1] for f in (style, *wanted)]
        with device.autocast(args.device):
            made = model.paint_from(painted, codes, Statistics())
            found = model.features(made[window])
        lost = {
            "content": content_loss([f[:-1] for f in found], [f[:-1] for f in target]),
            "style": style_loss([f[:-1] for f in (made[window], *found)], asked),
            "same": (made[-1:] - content[-1:]).abs().mean(),
            "rough": roughness(made[:-1]),
        }
        self.optimizer.zero_grad()
        sum(getattr(args, name) * value for name, value in lost.items()).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.average.update_parameters(model)
        return {name: value.detach() for name, value in lost.items()}

    def epoch(self, number: int) -> dict[str, float]:
        """100 steps; returns the mean of each loss."""
        args, total = self.args, self.args.epochs * STEPS
        size = args.sizes[min(number * len(args.sizes) // args.epochs, len(args.sizes) - 1)]
        sums: dict[str, float] = {}
        for i in tqdm(range(STEPS), desc=f"epoch {number + 1}/{args.epochs} at {size} px", mininterval=30):
            done = (number * STEPS + i) / total
            rate = args.rate * min(1.0, (number * STEPS + i + 1) / 100) * min(1.0, 0.03 + (1 - done) / 0.4)
            for name, value in self.step(size, rate).items():
                sums[name] = sums.get(name, 0.0) + float(value) / STEPS
        return {"size": size, **sums}

    @torch.no_grad()
    def sample(self, contents: Tensor, styles: Tensor, path: Path) -> None:
        """Write a sheet: contents (N, 3, H, W) uint8 down, styles (M, 3, H, W) uint8 across, then its own style."""
        model = self.average.module
        c, s = (x.to(self.args.device).float() / 255 for x in (contents, styles))
        with device.autocast(self.args.device):
            codes = model.encode_style(s)
            rows = [torch.cat([torch.zeros_like(c[:1]), F.interpolate(s, c.shape[-2:], mode="area"), c[:1] * 0])]
            for x in c.split(1):
                made = [model(x, code) for code in (*codes.split(1), model.encode_style(x))]
                rows.append(torch.cat([x, *made]))
        sheet(torch.cat(rows), path, columns=len(s) + 2, scale=1)


def arguments() -> argparse.Namespace:
    """Flags of the command line."""
    parser = flags(__doc__, "stylizer", epochs=60, batch=6)
    parser.add_argument("--contents", type=Path, nargs="+", help="folders of photographs; default: contents in --data")
    parser.add_argument("--styles", type=Path, nargs="+", help="folders of paintings; default: styles in --data")
    parser.add_argument("--features", type=Path, default=Path("weights/vgg-lite.safetensors"), help="frozen encoder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128], help="side of the crops, in turn, in pixels")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    for name, value in WEIGHTS.items():
        parser.add_argument(f"--{name}", type=float, default=value, help=f"weight of the loss `{name}`")
    args = parser.parse_args()
    for name in ("contents", "styles"):
        setattr(args, name, getattr(args, name) or [Path(args.data) / name])
    return args


def main() -> None:
    """Train, checkpoint and draw a sheet after each epoch, export the averaged weights."""
    args = arguments()
    args.runs.mkdir(parents=True, exist_ok=True)
    contents, contents_kept = pack(args.contents, 320, args.runs / "contents.npy")
    styles, styles_kept = pack(args.styles, 256, args.runs / "styles.npy")
    trainer = Trainer(args, contents, styles)
    log.info("%d contents, %d styles; kept out: %d, %d", *map(len, (contents, styles, contents_kept, styles_kept)))
    shown = styles_kept[:: max(1, len(styles_kept) // 9)][:9]
    for number in trainer.run.epochs():
        trainer.run.note(**trainer.epoch(number))
        if number % SHEET == SHEET - 1 or number + 1 == args.epochs:
            trainer.sample(contents_kept[:5], shown, args.runs / f"sheet-{number + 1:03d}.png")
            steps, minutes = (number + 1) * STEPS, round(trainer.run.minutes)
            told = {**trainer.run.history[-1], "steps": steps, "minutes": minutes, "styles": len(styles)}
            export(trainer.average.module, trainer.model.config, told, args.out)


if __name__ == "__main__":
    main()
