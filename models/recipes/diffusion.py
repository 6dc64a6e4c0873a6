"""The recipe of the denoising network: v-prediction (arXiv:2202.00512) over 1,000 steps of linear betas.

One picture in eight is shown without its class, so that the same network learns both halves of classifier-free guidance
(arXiv:2207.12598). Each batch takes its times from all over their distribution, one from each of equal parts: less
noise in the loss than independent ones. Linear betas spend half of their steps where next to nothing of the picture is
left; "normal" draws the noise's logarithm from a normal distribution instead, as Karras et al. 2022 do
(arXiv:2206.00364, table 1), where digits take their shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from models import device, diffusion
from models.diffusion import Denoiser
from models.recipes import Losses, Recipe, one_cycle

SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "clip_sample": True,
}
DROP = 1 / 8  # share of pictures shown without their class
LOG_SIGMA = (-0.4, 1.4)  # mean and deviation of "normal"; pixels in [-1, 1]
WARM = 300  # steps until the rate of `fall` is reached
EVEN = 1 / 8  # share of its times that are spread evenly all the same: the solvers visit the ends too
RATE, BATCH = 2e-3, 64
WIDTHS: dict[int, tuple[int, ...]] = {1: (48, 64), 3: (64, 96, 160)}  # by number of colours: channels of each level
PATCH, LAYERS = 2, 1  # side of a patch in pixels, blocks a level
Noise = Literal["even", "normal"]


def configure(channels: int, side: int, classes: int, widths: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Arguments of Denoiser for (channels, side, side) pictures; attention at the lowest level only."""
    widths = widths or WIDTHS[channels]
    unet = {
        "sample_size": side // PATCH,
        "in_channels": channels * PATCH**2,
        "out_channels": channels * PATCH**2,
        "block_out_channels": list(widths),
        "layers_per_block": LAYERS,
        "down_block_types": ["DownBlock2D"] * len(widths),
        "up_block_types": ["UpBlock2D"] * len(widths),
        "norm_num_groups": 8,
        "attention_head_dim": 32,
        "num_class_embeds": classes + 1,
    }
    return {"unet": unet, "scheduler": SCHEDULER, "patch": PATCH, "classes": classes}


def times(n: int, random: torch.Generator, noise: Noise, alphas: Tensor) -> Tensor:
    """(n,) training steps, one from each n-th of their distribution, in random order.

    Args:
        noise: "even" over the schedule, or "normal" in log sigma, sigma^2 = (1 - alpha_bar) / alpha_bar.
        alphas: (T,) alpha_bar, falling.
    """
    place = (torch.arange(n) + torch.rand(n, generator=random)) / n
    t = (place * len(alphas)).long().clamp(max=len(alphas) - 1)  # `place` may round to 1
    if noise == "normal":
        mean, deviation = LOG_SIGMA
        wanted = mean + deviation * torch.special.ndtri(place)
        sigmas = ((1 - alphas) / alphas).sqrt().log()
        drawn = torch.searchsorted(sigmas, wanted).clamp(max=len(alphas) - 1)
        t = torch.where(torch.rand(n, generator=random) < EVEN, t, drawn)
    return t[torch.randperm(n, generator=random)]


class Learner(Recipe):
    """Mean squared error of the predicted velocity."""

    clip, held = 1.0, 200

    def __init__(
        self,
        first: Tensor,
        config: dict[str, Any],
        rate: float = RATE,
        noise: Noise = "even",
        fall: float | None = None,
        decay: float = 0.9985,
    ) -> None:
        """Args: pictures, for their device alone; arguments of Denoiser, from `configure`; highest rate; distribution
        of the times; the last share of the work over which a constant rate falls to 0 (None: one cycle); how much the
        average keeps of itself in a step."""
        import diffusers

        model = Denoiser(**config).to(first.device)
        if device.fast_dtype(first.device) != torch.float32:  # in float32 the layout only costs
            model = model.to(memory_format=torch.channels_last)
        options: dict[str, Any] = {"lr": rate, "warm": WARM if fall else 1}
        optimizer = torch.optim.AdamW([{"params": model.parameters(), **options}], betas=(0.9, 0.99), weight_decay=0.01)
        super().__init__(model, config, optimizer, decay)
        self.noise, self.fall, self.classes = noise, fall, config["classes"]
        self.scheduler = cast(Any, diffusers).DDPMScheduler(**config["scheduler"])

    def course(self, done: float) -> float:
        if self.fall:
            return min(1.0, (1 - done) / self.fall)
        share, momentum = one_cycle(done, 0.1)
        for group in self.optimizer.param_groups:
            group["betas"] = (momentum, 0.99)
        return share

    @override
    def losses(self, x: Tensor, labels: Tensor, done: float, random: torch.Generator) -> tuple[Tensor, Losses]:
        loss = self.loss_of(self.model, x, labels, random)
        return loss, {"loss": loss}

    def loss_of(self, model: Any, pictures: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """The error on (N, C, H, W) in [0, 1]."""
        x = pictures * 2 - 1
        t = times(len(x), random, self.noise, self.scheduler.alphas_cumprod.cpu()).to(x.device)
        noise = torch.randn(x.shape, generator=random).to(x.device)
        dropped = torch.rand(len(x), generator=random).to(x.device) < DROP
        shown = labels.masked_fill(dropped, model.classes)
        with device.autocast(x.device):
            output = model(self.scheduler.add_noise(x, noise, t), t, shown)
        return F.mse_loss(output.float(), self.scheduler.get_velocity(x, noise, t))

    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        return {"held-out": float(self.loss_of(self.network, pictures, labels, torch.Generator().manual_seed(1)))}

    @torch.no_grad()
    def samples(self, seed: int) -> Iterator[Tensor]:
        """Step by step, each time the picture that is expected."""
        network, (labels, _) = self.network, self.row_by_row(2)
        sources = diffusion.generators_of([seed + i for i in range(len(labels))])
        plan = diffusion.plan("dpm++", network.scheduler, 10)
        x = diffusion.noise_of(network.shape, sources).to(self.where) * plan.init_noise_sigma
        moment = None
        for moment in diffusion.denoise(network, plan, x, labels.to(self.where), diffusion.GUIDANCE, sources):
            if moment.whole:
                yield diffusion.pixels(moment.expected)
        if moment is not None:
            yield diffusion.pixels(moment.x)
