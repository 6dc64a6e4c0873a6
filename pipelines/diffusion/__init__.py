"""Denoising diffusion: Ho, Jain and Abbeel 2020, with guidance by class and any of six schedulers."""

from __future__ import annotations

from models.cache import Lender
from pipelines.base import Pipeline, Steps
from pipelines.diffusion.params import DiffusionParams
from pipelines.diffusion.source import borrow
from pipelines.diffusion.views import VIEWS
from pipelines.params import ParamError


def generate(p: DiffusionParams, cache: Lender) -> Steps:
    """Borrow the network and make the view that was asked for."""
    model = p.model.strip()
    if model and p.label is not None:
        raise ParamError(f"label is {p.label}, but {model} knows no classes: leave the class out.")
    with borrow(p.dataset, model, p.weights, p.label, cache) as source:
        most = source.trained_steps
        if p.steps > most:
            raise ParamError(f"steps is {p.steps}, but {source.name} was trained with {most}: choose 1 to {most}.")
        return (yield from VIEWS[p.view](p, source))


def work(p: DiffusionParams) -> float:
    """Measured: a call of the network costs as much as 10 pictures, before the first; guidance asks for two of each."""
    calls = p.steps * (2 if p.scheduler == "heun" else 1)
    return calls * (10 + p.count * (1 if p.guidance == 1 else 2)) * 7e-4


PIPELINE = Pipeline("diffusion", "Diffusion", DiffusionParams, generate, work=work)
