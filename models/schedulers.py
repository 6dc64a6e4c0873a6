"""diffusers' schedulers, all started the same way: from the last training step, in steps of equal length.

Each scheduler has ideas of its own about where to start and where to stop (`timestep_spacing`, see arXiv:2305.08891);
only with "trailing" do all of them begin at pure noise, also with one step, so that the same noise can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

Name = Literal["ddpm", "ddim", "dpm++", "euler", "heun", "unipc"]
NAMES: tuple[Name, ...] = get_args(Name)
CLASSES: dict[Name, str] = {
    "ddpm": "DDPMScheduler",
    "ddim": "DDIMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
}
INVERSE = "DDIMInverseScheduler"
NOISY = {CLASSES["ddpm"], CLASSES["ddim"]}  # draw noise on the way
EVEN = {CLASSES["ddim"], INVERSE}  # take all steps to be of one length
CLIPPED = {"ddpm", "ddim", "heun"}  # can keep the guess of the picture within the range of pixels
KEPT = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")
CLIPPING = ("clip_sample", "clip_sample_range")


def build(name: Name, config: Mapping[str, Any], steps: int) -> Any:
    """A scheduler ready for `steps` steps.

    Args:
        config: arguments of any of diffusers' schedulers; what describes the training is kept, the rest is ours.
        steps: 1 to the number of training steps.

    Raises:
        ValueError: for more steps than the network was trained with.
    """
    import diffusers

    clipped = {key: config[key] for key in CLIPPING if key in config} if name in CLIPPED else {}
    kind = getattr(diffusers, CLASSES[name])
    return _planned(kind(**_kept(config), **clipped, timestep_spacing="trailing"), steps)


def build_inverse(config: Mapping[str, Any], steps: int) -> Any:
    """DDIM backwards, from a picture to the noise that gives it; arguments as `build`. Nothing is clipped: that has no
    way back."""
    import diffusers

    kind: Any = diffusers.DDIMInverseScheduler
    return _planned(kind(**_kept(config), clip_sample=False, timestep_spacing="trailing"), steps)


def _kept(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in KEPT if config.get(key) is not None}


def _planned(scheduler: Any, steps: int) -> Any:
    """Set the times; drop one before the first, which rounding adds in diffusers for 61, 103, 121, ... steps."""
    trained = len(scheduler)
    if not 1 <= steps <= trained:
        raise ValueError(f"steps is {steps}, but the network was trained with {trained} steps: choose 1 to {trained}.")
    scheduler.set_timesteps(steps)
    extra = int((scheduler.timesteps < 0).sum())
    if extra:
        scheduler.timesteps = scheduler.timesteps[scheduler.timesteps >= 0]
        if hasattr(scheduler, "sigmas"):  # the last one is that of the clean picture
            scheduler.sigmas = torch.cat([scheduler.sigmas[: -extra - 1], scheduler.sigmas[-1:]])
    return scheduler


def advance(
    scheduler: Any, output: Tensor, t: Tensor, x: Tensor, generators: Sequence[torch.Generator] = (), eta: float = 0.0
) -> Tensor:
    """One step of `scheduler` at its time t: the next x, (N, C, H, W).

    Args:
        output: what the network predicts. x: the scheduler's sample, not scaled for the network.
        generators: one a picture, for the schedulers that draw noise.
        eta: DDIM's share of DDPM's noise, 0 to 1.
    """
    kind = type(scheduler).__name__
    extra: dict[str, Any] = {"generator": list(generators)} if kind in NOISY else {}
    if kind == CLASSES["ddim"]:
        extra["eta"] = eta
    if kind in EVEN:  # they step by the whole number T // steps, wherever the next time lies: 300 short at 700 of 1,000
        scheduler.num_inference_steps = Fraction(len(scheduler), int(t) - _below(scheduler, t))
    return cast(Tensor, scheduler.step(output, t, x, **extra).prev_sample)


def _below(scheduler: Any, t: Tensor) -> int:
    """The highest time under t in the plan; -1, the clean picture, under the lowest."""
    lower = scheduler.timesteps[scheduler.timesteps < t]
    return int(lower.max()) if len(lower) else -1


def seen_at(scheduler: Any, t: Tensor) -> int:
    """The training step of what the network sees at the plan's time t: t itself, or, on the way back to noise, the time
    before it (0 for a clean picture)."""
    return max(0, _below(scheduler, t)) if type(scheduler).__name__ == INVERSE else int(t)


def alpha_bar(scheduler: Any, t: int) -> float:
    """Share of the picture in the variance of x_t, in (0, 1); t: 0 to the last training step."""
    return float(scheduler.alphas_cumprod[t])


def guess(scheduler: Any, output: Tensor, seen: Tensor, t: int) -> Tensor:
    """The picture that the network expects at the end: x0 in [-1, 1], from what it predicted for `seen` at time t.

    Not every scheduler tells it. Equations: arXiv:2010.02502 (12), arXiv:2202.00512 (appendix D).
    """
    a = alpha_bar(scheduler, t)
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return output
    signal, noise = math.sqrt(a), math.sqrt(1 - a)
    return signal * seen - noise * output if kind == "v_prediction" else (seen - noise * output) / signal
