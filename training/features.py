"""Train `vgg-lite`, the feature network that every style method here looks through.

    python -m training.features --data tiny-imagenet-200 --out weights/vgg-lite.safetensors

The layout is VGG-19's (arXiv:1409.1556) without its last two convolutions, narrower, with batch norm while it trains.
Pictures grow during training (32, 48, 64 px; "progressive resizing"), at a third of the cost of 64 px all along.
At the end batch norm is folded into the convolutions and every layer is scaled to a mean activation of 1 over
validation pictures, as Gatys et al. (arXiv:1508.06576) did with VGG-19.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from models.vgg import Features, vgg_lite
from models.weights import write
from training.pictures import random_resized_crops, tiny_imagenet

log = logging.getLogger("features")
DEPTHS = (2, 2, 4, 4, 2)
MEAN, STD = (0.480, 0.448, 0.398), (0.277, 0.269, 0.282)  # of Tiny ImageNet's training pictures


class Classifier(nn.Module):
    """VGG with batch norm, global average pooling and one linear layer."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
        c = 3
        for block, (depth, width) in enumerate(zip(DEPTHS, widths, strict=True), 1):
            for i in range(1, depth + 1):
                name = f"conv{block}_{i}"
                self.convs[name] = nn.Conv2d(c, width, 3, padding=1, bias=False)
                self.norms[name] = nn.BatchNorm2d(width)
                c = width
        self.head = nn.Linear(c, classes)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # (N, 3, H, W) in [0, 1]
        x = (x - self.mean) / self.std
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(self.norms[name](conv(x)))
        return self.head(x.mean((2, 3)))  # (N, classes)


@torch.no_grad()
def accuracy(model: nn.Module, pictures: Tensor, labels: Tensor, size: int, device: torch.device) -> float:
    """Share of `pictures` (N, 3, H, W) uint8 whose best class is right, each resized to `size` pixels."""
    model.eval()
    right = 0
    for x, y in zip(pictures.split(250), labels.split(250), strict=True):
        x = x.to(device).float().div(255).contiguous(memory_format=torch.channels_last)
        if size != x.shape[-1]:
            x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            right += int((model(x).argmax(1).cpu() == y).sum())
    model.train()
    return right / len(labels)


@torch.no_grad()
def fold(model: Classifier) -> dict[str, tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution with its batch norm folded in: the same outputs from half the layers."""
    folded = {}
    for name, conv in model.convs.items():
        norm = model.norms[name]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        folded[name] = (conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale)
    return folded


@torch.no_grad()
def normalise(network: Features, pictures: Tensor) -> None:
    """Scale every layer of `network`, in place, to a mean activation of 1 over `pictures` (N, 3, H, W) in [0, 1].

    Gatys et al., section 2: the ReLU is homogeneous, so the next layer undoes the scale. Average pooling is used, as in
    style transfer. Channels that never fire are left as they are.
    """
    before = torch.ones(3)
    for name in network.layers:
        conv = network.steps[name][0]
        conv.weight.mul_(before.view(1, -1, 1, 1))
        found = torch.cat([network(x, [name], "average")[name].mean((0, 2, 3))[None] for x in pictures.split(100)])
        mean = found.mean(0)
        mean = torch.where(mean > 1e-3, mean, torch.ones_like(mean))
        conv.weight.div_(mean.view(-1, 1, 1, 1))
        conv.bias.div_(mean)
        before = mean


def export(model: Classifier, pictures: Tensor, widths: tuple[int, ...], metadata: dict[str, str], out: Path) -> None:
    """Write the folded, normalised network as float16 safetensors that describe themselves."""
    config = {"widths": list(widths), "depths": list(DEPTHS), "mean": list(MEAN), "std": list(STD)}
    network = vgg_lite(widths, DEPTHS, MEAN, STD)
    for name, (weight, bias) in fold(model).items():
        network.steps[name][0].load_state_dict({"weight": weight, "bias": bias})
    normalise(network, pictures)
    write(out, config, {name: t.half() for name, t in network.state_dict().items()}, metadata)


def stages(text: str) -> list[tuple[int, int]]:
    """`"32x8,64x2"` -> [(32, 8), (64, 2)]: pixels and epochs of each stage."""
    return [(int(size), int(epochs)) for size, epochs in (part.split("x") for part in text.split(","))]


def numbers(text: str) -> tuple[int, ...]:
    """`"24,64"` -> (24, 64)."""
    return tuple(int(part) for part in text.split(","))


def arguments() -> argparse.Namespace:
    """Flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder tiny-imagenet-200")
    parser.add_argument("--epochs", type=stages, default="32x9,48x3,64x1", help="pixels x epochs of each stage")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.12, help="highest learning rate")
    parser.add_argument("--widths", type=numbers, default="24,64,128,256,256", help="channels of each block")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--resume", action="store_true", help="go on from --checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/features.pt"))
    parser.add_argument("--out", type=Path, default=Path("weights/vgg-lite.safetensors"))
    return parser.parse_args()


class Trainer:
    """Model, average, optimiser and schedule, with what is needed to stop and go on exactly."""

    def __init__(self, args: argparse.Namespace, steps: int) -> None:
        self.args, self.steps = args, steps  # steps an epoch
        self.plan = [size for size, epochs in args.epochs for _ in range(epochs)]
        self.model = Classifier(args.widths, 200).to(args.device, memory_format=torch.channels_last)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
        groups = [
            {"params": [p for p in self.model.parameters() if p.ndim > 1], "weight_decay": 5e-4},
            {"params": [p for p in self.model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=args.rate, momentum=0.9, nesterov=True)
        self.generator = torch.Generator().manual_seed(args.seed)
        self.state: dict[str, Any] = {"epoch": 0, "seconds": 0.0, "history": []}
        if args.resume:
            self.restore()
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            args.rate,
            total_steps=steps * len(self.plan),
            pct_start=0.2,
            last_epoch=steps * self.state["epoch"] - 1,
        )

    def parts(self) -> dict[str, Any]:
        """What has a state_dict, by its name in the checkpoint."""
        return {"model": self.model, "average": self.average, "optimizer": self.optimizer}

    def restore(self) -> None:
        """Read the checkpoint."""
        saved = torch.load(self.args.checkpoint, map_location=self.args.device, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        self.generator.set_state(saved["generator"].cpu())
        self.state = saved["state"]

    def save(self) -> None:
        """Write the checkpoint."""
        self.args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: part.state_dict() for name, part in self.parts().items()}
        extra = {"generator": self.generator.get_state(), "state": self.state, "widths": self.args.widths}
        torch.save({**parts, **extra}, self.args.checkpoint)

    def epoch(self, pictures: Tensor, labels: Tensor) -> float:
        """One pass over the pictures (N, 3, 64, 64) uint8; returns the running loss."""
        number, size, running = self.state["epoch"], self.plan[self.state["epoch"]], 0.0
        order = torch.randperm(len(pictures), generator=self.generator)[: self.steps * self.args.batch]
        title = f"epoch {number + 1}/{len(self.plan)} at {size} px"
        for i, batch in enumerate(tqdm(order.split(self.args.batch), desc=title, mininterval=20)):
            x = random_resized_crops(pictures[batch], size, (0.3, 1.0), self.generator).to(self.args.device)
            with torch.autocast(self.args.device.type, dtype=torch.bfloat16):
                logits = self.model(x)
            loss = F.cross_entropy(logits.float(), labels[batch].to(self.args.device), label_smoothing=0.1)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.model)
            if i % 20 == 0:
                running += (loss.item() - running) * (0.1 if i else 1.0)
        return running


def main() -> None:
    """Train, checkpoint after each epoch, export the averaged weights."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(args.seed)
    x_train, y_train = tiny_imagenet(args.data, "train")
    x_val, y_val = tiny_imagenet(args.data, "val")
    trainer = Trainer(args, len(x_train) // args.batch)
    state = trainer.state
    while state["epoch"] < len(trainer.plan):
        start = time.perf_counter()
        size = trainer.plan[state["epoch"]]
        loss = trainer.epoch(x_train, y_train)
        state["seconds"] += time.perf_counter() - start
        top1 = accuracy(trainer.average.module, x_val, y_val, size, args.device)
        state["epoch"] += 1
        state["history"].append({"size": size, "loss": loss, "top1": top1})
        log.info("epoch %d: %s", state["epoch"], {**state["history"][-1], "minutes": state["seconds"] / 60})
        trainer.save()
    best = trainer.average.module.cpu().eval()
    sample = x_val[torch.randperm(len(x_val), generator=trainer.generator)[:1000]].float() / 255
    last = state["history"][-1]
    told = {"top1": f"{last['top1']:.4f}", "n": str(len(y_val)), "minutes": f"{state['seconds'] / 60:.0f}"}
    export(best, sample, args.widths, told, args.out)


if __name__ == "__main__":
    main()
