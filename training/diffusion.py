"""Train the denoising network of `diffusion` (models/diffusion.py), conditional on the class.

    python -m training.diffusion --data mnist
    python -m training.diffusion --data cifar10 --epochs 12 --batch 64 --rate 1.5e-3

v-prediction (arXiv:2202.00512) over 1,000 steps of linear betas, which all of diffusers' schedulers know. One picture
in eight is shown without its class, so that the same network learns both halves of classifier-free guidance
(arXiv:2207.12598). Each batch takes its times from all over the schedule, one from each of equal parts: less noise in
the loss than independent ones.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models import device
from models.diffusion import Denoiser, sample
from training.common import Run, average, export, flags, sheet
from training.pictures import labelled

SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "clip_sample": True,
}
DROP = 1 / 8  # share of pictures shown without their class


@dataclass(frozen=True)
class Shape:
    """What suits a data set: side of a patch, channels of each level, blocks a level, share of mirrored pictures."""

    patch: int
    widths: tuple[int, ...]
    layers: int
    flip: float


SHAPES = {1: Shape(2, (48, 64), 1, 0.0), 3: Shape(2, (64, 96, 160), 1, 0.5)}  # by number of colours


def configure(channels: int, side: int, classes: int) -> dict[str, Any]:
    """Arguments of Denoiser for (channels, side, side) pictures; attention at the lowest level only."""
    shape = SHAPES[channels]
    levels = len(shape.widths)
    unet = {
        "sample_size": side // shape.patch,
        "in_channels": channels * shape.patch**2,
        "out_channels": channels * shape.patch**2,
        "block_out_channels": list(shape.widths),
        "layers_per_block": shape.layers,
        "down_block_types": ["DownBlock2D"] * levels,
        "up_block_types": ["UpBlock2D"] * levels,
        "norm_num_groups": 8,
        "attention_head_dim": 32,
        "num_class_embeds": classes + 1,
    }
    return {"unet": unet, "scheduler": SCHEDULER, "patch": shape.patch, "classes": classes}


def times(n: int, generator: torch.Generator) -> Tensor:
    """(n,) training steps, one from each n-th of the schedule, in random order."""
    spread = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    return (spread * SCHEDULER["num_train_timesteps"]).long()[torch.randperm(n, generator=generator)]  # type: ignore


def loss_of(model: Denoiser, scheduler: Any, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Mean squared error of the predicted velocity for (N, C, H, W) in [-1, 1]."""
    t = times(len(x), generator).to(x.device)
    noise = torch.randn(x.shape, generator=generator).to(x.device)
    dropped = torch.rand(len(x), generator=generator).to(x.device) < DROP
    shown = labels.masked_fill(dropped, model.classes)
    with device.autocast(x.device):
        output = model(scheduler.add_noise(x, noise, t), t, shown)
    return F.mse_loss(output.float(), scheduler.get_velocity(x, noise, t))


def batch_of(pictures: Tensor, flip: float, generator: torch.Generator) -> Tensor:
    """(N, C, H, W) uint8 as float32 in [-1, 1], a share of them mirrored."""
    x = pictures.float() / 127.5 - 1
    mirrored = torch.rand(len(x), generator=generator) < flip
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def arguments() -> argparse.Namespace:
    """Flags of the command line; the weights are named after the data."""
    parser = flags(__doc__, "diffusion", epochs=7, batch=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    args = parser.parse_args()
    if args.out == parser.get_default("out"):
        args.out = Path("weights") / f"diffusion-{Path(args.data).name}.safetensors"
    return args


def main() -> None:
    """Train, checkpoint and draw samples after each epoch, export the averaged weights."""
    import diffusers

    args = arguments()
    torch.manual_seed(args.seed)
    pictures, labels = labelled(args.data, "train")
    classes = int(labels.max()) + 1
    config = configure(pictures.shape[1], pictures.shape[2], classes)
    model = Denoiser(**config).to(args.device, memory_format=torch.channels_last)
    ema = average(model, 0.9985)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01, betas=(0.9, 0.99))
    steps = len(pictures) // args.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=steps * args.epochs, pct_start=0.1)
    run = Run(args, model=model, average=ema, optimizer=optimizer, schedule=schedule)
    scheduler = diffusers.DDPMScheduler(**SCHEDULER)  # adds the noise
    flip = SHAPES[pictures.shape[1]].flip
    for epoch in run.epochs():
        model.train()
        running = 0.0
        order = torch.randperm(len(pictures), generator=run.generator)[: steps * args.batch]
        for batch in tqdm(order.split(args.batch), desc=f"epoch {epoch + 1}/{args.epochs}", mininterval=20):
            x = batch_of(pictures[batch], flip, run.generator).to(args.device)
            loss = loss_of(model, scheduler, x, labels[batch].to(args.device), run.generator)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            ema.update_parameters(model)
            running += loss.item() / steps
        run.note(loss=running)
        rows = torch.arange(classes).repeat(5)
        sheet(sample(ema.module.eval(), rows, seed=0), args.runs / f"epoch-{epoch + 1:03d}.png", columns=classes)
    parameters = sum(p.numel() for p in model.parameters())
    told = {
        "loss": f"{run.history[-1]['loss']:.4f}",
        "minutes": f"{run.minutes:.1f}",
        "epochs": len(run.history),
        "parameters": parameters,
    }
    export(ema.module, config, told, args.out)


if __name__ == "__main__":
    main()
