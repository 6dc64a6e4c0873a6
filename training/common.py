"""What training scripts share: flags, checkpoints that resume exactly, averages, curves, sheets and the export."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models import weights
from models.judge import Judge, examine, gaussian

log = logging.getLogger("training")


def flags(description: str | None, name: str, epochs: int, batch: int) -> argparse.ArgumentParser:
    """The flags that every script has; a script adds its own.

    Args:
        description: the script's docstring.
        name: of the weights file, the checkpoint and the pictures in runs/.
        epochs: default number of passes over the data.
        batch: default number of pictures a step.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", help="mnist, cifar10 (fetched by torchvision), or a folder")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --runs")
    parser.add_argument("--runs", type=Path, default=Path("runs") / name, help="checkpoint, curve and sample sheets")
    parser.add_argument("--out", type=Path, default=Path("weights") / f"{name}.safetensors")
    return parser


def average(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """An exponential moving average of `model`, buffers included (`.module` is the averaged network)."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


class Run:
    """A training run on disk: its parts, its random numbers, its history; saved after each epoch, resumed exactly.

    run = Run(args, model=model, average=ema, optimizer=optimizer, schedule=schedule)
    for epoch in run.epochs():
        ...
        run.note(loss=0.3, accuracy=0.98)      # one row of the history
    """

    def __init__(self, args: argparse.Namespace, **parts: Any) -> None:
        """Args: parsed flags; parts: whatever has `state_dict` and `load_state_dict`, by name."""
        self.args, self.parts = args, parts
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self.generator = torch.Generator().manual_seed(args.seed)
        self.file: Path = args.runs / "checkpoint.pt"
        args.runs.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        torch.manual_seed(args.seed)
        if args.resume:
            self._restore()

    def epochs(self) -> Any:
        """Numbers of the epochs that are left; saves the checkpoint and draws the curve after each."""
        for epoch in range(len(self.history), self.args.epochs):
            start = time.perf_counter()
            yield epoch
            self.seconds += time.perf_counter() - start
            self._save()
            plot(self.history, self.args.runs / "curve.png")

    def note(self, **numbers: float) -> None:
        """Add a row to the history, and log it. Once an epoch."""
        self.history.append({name: float(value) for name, value in numbers.items()})
        log.info("epoch %d/%d: %s", len(self.history), self.args.epochs, self.history[-1])

    @property
    def minutes(self) -> float:
        """Training time so far, over all resumed runs."""
        return self.seconds / 60

    def _save(self) -> None:
        saved = {name: part.state_dict() for name, part in self.parts.items()}
        state = {"history": self.history, "seconds": self.seconds}
        random = {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        part = self.file.with_suffix(".part")
        torch.save({"parts": saved, "state": state, "random": random}, part)
        part.replace(self.file)

    def _restore(self) -> None:
        saved = torch.load(self.file, map_location=self.args.device, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        self.history, self.seconds = saved["state"]["history"], saved["state"]["seconds"]
        self.generator.set_state(saved["random"]["generator"].cpu())
        torch.set_rng_state(saved["random"]["torch"].cpu())


def plot(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the history as a PNG, one curve a number, one panel a number."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for row in history for name in row))
    figure, panels = plt.subplots(1, len(names), figsize=(4 * len(names), 3), squeeze=False, layout="constrained")
    for panel, name in zip(panels[0], names, strict=True):
        points = [(i + 1, row[name]) for i, row in enumerate(history) if name in row]
        panel.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "")
        panel.set_title(name)
        panel.set_xlabel("epoch")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def sheet(x: Tensor, path: Path, columns: int = 10, scale: int = 2) -> None:
    """Write (N, 1 or 3, H, W) in [0, 1] as one PNG, enlarged `scale` times."""
    from torchvision.transforms.functional import to_pil_image
    from torchvision.utils import make_grid

    picture = to_pil_image(make_grid(x.detach().float().cpu().clamp(0, 1), nrow=columns, padding=1, pad_value=0.5))
    picture.resize((picture.width * scale, picture.height * scale), 0).save(path)


def export(model: nn.Module, config: Mapping[str, Any], told: Mapping[str, Any], path: Path) -> None:
    """Write `model`'s weights as float16 safetensors with `config` (constructor arguments) and `told` in the header.

    Logs the size and sha256 that its record in models/cards.json needs.
    """
    tensors = {  # the moments of a judge's features stay exact
        name: tensor.detach().cpu().contiguous() if name.startswith("real_") else half(tensor.detach().cpu())
        for name, tensor in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    weights.write(path, dict(config), tensors, {name: _text(value) for name, value in told.items()})
    log.info("%s: %d bytes, sha256 %s, %s", path.name, path.stat().st_size, weights.digest(path), dict(told))


def half(tensor: Tensor) -> Tensor:
    """As it is stored: float16 where it is of floating point."""
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()


@torch.no_grad()
def note_moments(model: Judge, pictures: Tensor) -> None:
    """Round `model`'s weights as `export` will, and keep the mean and covariance of its features, in place.

    Args:
        model: on the CPU, with buffers real_mean and real_covariance.
        pictures: the test set, (N, C, H, W) uint8.
    """
    model.load_state_dict({name: half(t).to(t.dtype) for name, t in model.state_dict().items()})
    mean, covariance = gaussian(examine(model.eval(), pictures.float() / 255)[0])
    model.real_mean.copy_(mean)
    model.real_covariance.copy_(covariance)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
