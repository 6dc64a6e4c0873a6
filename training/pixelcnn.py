"""Train the gated PixelCNN of models/pixelcnn.py on MNIST, binarised anew each time a picture is seen.

    python -m training.pixelcnn --data mnist --out weights/pixelcnn-mnist.safetensors

Small batches keep a layer's activations in the processor's cache: a third of the time of batches of 64 on a CPU.
The measure is -log p in nats on the binarised test set: given the class, and without it (the sum over ten classes).
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from tqdm import tqdm

from models import pixelcnn
from models.pixelcnn import PixelCNN
from training import common
from training.pictures import labelled


def main() -> None:
    """Train, measure and write the weights."""
    parser = common.flags(__doc__, "pixelcnn-mnist", epochs=6, batch=16)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--width", type=int, default=32, help="channels of each stack")
    parser.add_argument("--layers", type=int, default=4, help="gated layers")
    parser.add_argument("--limit", type=int, default=10**9, help="use this many pictures only, for a try")
    args = parser.parse_args()
    (x, y), (test, test_y) = (thinned(*labelled(args.data, split), args.limit) for split in ("train", "test"))
    config = {"width": args.width, "layers": args.layers}
    model = PixelCNN(**config).to(args.device, memory_format=torch.channels_last)
    start_from(model, x)
    ema = common.average(model)
    optimizer = AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.99), weight_decay=1e-3)
    run = common.Run(args, model=model, average=ema, optimizer=optimizer)
    few = slice(None, None, max(1, len(test) // 500))
    for epoch in run.epochs():
        loss = train(model, ema, optimizer, x, y, epoch, args)
        network = ema.module.eval()
        held = pixelcnn.nats(network, test[few].to(args.device) / 255, test_y[few].to(args.device), seed=1).mean()
        run.note(train=loss, test=float(held))
        labels = torch.arange(10, device=args.device).repeat(4)
        common.sheet(pixelcnn.sample(network, labels, seed=0), args.runs / f"samples-{epoch + 1}.png")
    told = measure(ema.module.eval(), test.to(args.device) / 255, test_y.to(args.device))
    common.export(ema.module, config, {**told, "minutes": round(run.minutes, 1), "epochs": args.epochs}, args.out)


def thinned(x: Tensor, y: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """At most `limit` pictures, evenly taken."""
    every = -(-len(x) // limit)
    return x[::every], y[::every]


def start_from(model: PixelCNN, x: Tensor) -> None:
    """Let the untrained network say how often each place is white in `x` (N, 1, H, W) uint8."""
    nn.init.zeros_(model.last.weight)
    nn.init.zeros_(model.last.bias)  # type: ignore[arg-type]
    model.bias.data.copy_(torch.logit(x.float().mean(0) / 255 * 0.998 + 0.001))


def train(
    model: PixelCNN,
    ema: torch.optim.swa_utils.AveragedModel,
    optimizer: AdamW,
    x: Tensor,
    y: Tensor,
    epoch: int,
    args: argparse.Namespace,
) -> float:
    """One pass over the data; returns its mean nats."""
    steps = len(x) // args.batch
    order = torch.randperm(len(x))[: steps * args.batch].view(steps, args.batch)
    total, start = 0.0, time.perf_counter()
    model.train()
    for step, index in enumerate(tqdm(order, mininterval=30)):
        done = (epoch + step / steps) / args.epochs
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (epoch * steps + step + 1) / 200) * (1 + math.cos(math.pi * done)) / 2
        digits = torch.bernoulli(x[index].to(args.device).float() / 255)
        with torch.autocast(args.device.type, dtype=torch.bfloat16):
            logits = model(digits, y[index].to(args.device))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, digits, reduction="sum") / args.batch
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 50)
        optimizer.step()
        ema.update_parameters(model)
        total += loss.item()
        if step % 500 == 499:
            spent = 1e3 * (time.perf_counter() - start) / (step + 1)
            common.log.info("step %d: %.2f nats, %.0f ms a step", step + 1, total / (step + 1), spent)
    return total / steps


def measure(network: PixelCNN, x: Tensor, labels: Tensor) -> dict[str, float]:
    """Nats on the test set (N, 1, 28, 28) in [0, 1] given the class; on every fifth picture also without the class, and
    how often the class that explains a digit best is its own."""
    given = pixelcnn.nats(network, x, labels, seed=1)
    few, own = pixelcnn.binarise(x, seed=1)[::5], labels[::5]
    found = torch.cat([pixelcnn.nats_of_classes(network, one) for one in few.split(100)])
    without = math.log(found.shape[1]) - torch.logsumexp(-found, 1)
    return {
        "nats_given_class": round(given.mean().item(), 3),
        "n": len(x),
        "nats": round(without.mean().item(), 3),
        "accuracy": round((found.argmin(1) == own).float().mean().item(), 4),
        "n_without_class": len(few),
    }


if __name__ == "__main__":
    main()
