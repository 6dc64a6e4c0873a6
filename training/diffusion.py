"""Train the denoising network of `diffusion` (models/diffusion.py), conditional on the class.

    python -m training.diffusion --data mnist --epochs 3 --batch 64
    python -m training.diffusion --data mnist --start weights/diffusion-mnist.safetensors --noise normal \
        --epochs 8 --batch 64 --rate 1e-3 --fall 0.5 --decay 0.999
    python -m training.diffusion --data cifar10 --epochs 12 --batch 64 --rate 1.5e-3

v-prediction (arXiv:2202.00512) over 1,000 steps of linear betas, which all of diffusers' schedulers know. One picture
in eight is shown without its class, so that the same network learns both halves of classifier-free guidance
(arXiv:2207.12598). Each batch takes its times from all over their distribution, one from each of equal parts: less
noise in the loss than independent ones. Linear betas spend half of their steps where next to nothing of the picture is
left; `--noise normal` draws the noise's logarithm from a normal distribution instead, as Karras et al. 2022 do
(arXiv:2206.00364, table 1), where digits take their shape.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models import device, weights
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
LOG_SIGMA = (-0.4, 1.4)  # mean and deviation of --noise normal; pixels in [-1, 1]
WARM = 300  # steps until the rate of `--fall` is reached
EVEN = 1 / 8  # share of its times that are spread evenly all the same: the solvers visit the ends too
Noise = Literal["even", "normal"]


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


def times(n: int, generator: torch.Generator, noise: Noise, alphas: Tensor) -> Tensor:
    """(n,) training steps, one from each n-th of their distribution, in random order.

    Args:
        noise: "even" over the schedule, or "normal" in log sigma, sigma^2 = (1 - alpha_bar) / alpha_bar.
        alphas: (T,) alpha_bar, falling.
    """
    place = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    t = (place * len(alphas)).long().clamp(max=len(alphas) - 1)  # `place` may round to 1
    if noise == "normal":
        mean, deviation = LOG_SIGMA
        wanted = mean + deviation * torch.special.ndtri(place)
        sigmas = ((1 - alphas) / alphas).sqrt().log()
        drawn = torch.searchsorted(sigmas, wanted).clamp(max=len(alphas) - 1)
        t = torch.where(torch.rand(n, generator=generator) < EVEN, t, drawn)
    return t[torch.randperm(n, generator=generator)]


def loss_of(
    model: Denoiser, scheduler: Any, x: Tensor, labels: Tensor, generator: torch.Generator, spread: Noise = "even"
) -> Tensor:
    """Mean squared error of the predicted velocity for (N, C, H, W) in [-1, 1]."""
    t = times(len(x), generator, spread, scheduler.alphas_cumprod.cpu()).to(x.device)
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


def scheduled(optimizer: torch.optim.Optimizer, highest: float, steps: int, fall: float | None) -> Any:
    """The learning rate's course over `steps`: one cycle, or constant and at last, over a share `fall`, down to zero.

    The latter knows `steps` only at its end, so that a run can be resumed with another number of epochs.
    """
    if fall is None:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=steps, pct_start=0.1)

    def share(step: int) -> float:
        return min((step + 1) / WARM, 1.0, max(0.0, (steps - step) / (fall * steps)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)


def arguments() -> argparse.Namespace:
    """Flags of the command line; the weights are named after the data."""
    parser = flags(__doc__, "diffusion", epochs=7, batch=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="weights to go on from, instead of random ones")
    parser.add_argument("--noise", choices=get_args(Noise), default="even", help="distribution of the training times")
    parser.add_argument("--fall", type=float, help="constant rate, falling to 0 over this last share; else one cycle")
    parser.add_argument("--decay", type=float, default=0.9985, help="of the averaged weights, a step")
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
    model = Denoiser(**config).to(args.device)
    if args.start:
        model.load_state_dict(weights.read(args.start)[1])
    if device.fast_dtype(args.device) != torch.float32:  # in float32 the layout only costs
        model = model.to(memory_format=torch.channels_last)
    ema = average(model, args.decay)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01, betas=(0.9, 0.99))
    steps = len(pictures) // args.batch
    schedule = scheduled(optimizer, args.rate, steps * args.epochs, args.fall)
    run = Run(args, model=model, average=ema, optimizer=optimizer, schedule=schedule)
    scheduler = diffusers.DDPMScheduler(**SCHEDULER)  # adds the noise
    flip = SHAPES[pictures.shape[1]].flip
    for epoch in run.epochs():
        model.train()
        running = 0.0
        order = torch.randperm(len(pictures), generator=run.generator)[: steps * args.batch]
        for batch in tqdm(order.split(args.batch), desc=f"epoch {epoch + 1}/{args.epochs}", mininterval=20):
            x = batch_of(pictures[batch], flip, run.generator).to(args.device)
            loss = loss_of(model, scheduler, x, labels[batch].to(args.device), run.generator, args.noise)
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
