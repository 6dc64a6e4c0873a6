"""The methods as a deployment of Ray Serve: each replica has a ModelCache of its own, and runs one method at a time."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from ray import serve
from ray.serve.handle import DeploymentHandle

from models import registry
from pipelines import PIPELINES
from pipelines.base import Progress, Result, advance, run
from pipelines.params import Params

APPLICATION = NAMESPACE = "atelier"
BOARD = "board"  # the actor that knows which runs were stopped
MOST_STOPS = 4096  # remembered
SECONDS_BETWEEN_PREVIEWS = 0.1  # that a replica sends
SECONDS_BETWEEN_LOOKS = 0.25  # at what was stopped
ROOT = Path(__file__).resolve().parent.parent


@ray.remote(num_cpus=0)
class Board:
    """What all processes know: how many replicas there may be, and which runs were stopped, by their tokens: a run may
    be on any replica, and Stop comes from another process."""

    def __init__(self) -> None:
        self._replicas, self._stopped = 1, OrderedDict[str, None]()

    def open(self, replicas: int) -> None:
        """So many replicas there may be from now on."""
        self._replicas = replicas

    def replicas(self) -> int:
        """How many there may be."""
        return self._replicas

    def stop(self, token: str) -> None:
        """Stop that run."""
        self._stopped[token] = None
        while len(self._stopped) > MOST_STOPS:
            self._stopped.popitem(last=False)

    def stopped(self, token: str) -> bool:
        """Whether that run was stopped."""
        return token in self._stopped


class Replica:
    """Runs methods, one at a time, on the models of its own cache."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self.cache = registry.open_cache()
        self.board = ray.get_actor(BOARD, namespace=NAMESPACE)
        self.worker = ThreadPoolExecutor(1)  # a run that is cancelled is closed after its step

    async def ran(self, name: str) -> str:
        """Marks this replica as one that has run the method, and so has its models: Serve sends it the next of them."""
        return name

    ran = serve.multiplexed(max_num_models_per_replica=len(PIPELINES))(ran)

    async def run(self, name: str, params: Params, state: Any, token: str) -> AsyncIterator[Progress | Result]:
        """As `pipelines.base.run`, until `token` is stopped. Of the steps those are sent that somebody can see, and
        without what Continue needs: the Result has it."""
        await self.ran(serve.get_multiplexed_model_id())
        in_worker = partial(asyncio.get_running_loop().run_in_executor, self.worker)
        stream = run(PIPELINES[name], params, self.cache, state, registry.sha256)
        sent = looked = 0.0
        stopped = False
        try:
            event = await in_worker(next, stream, None)
            while event is not None:
                now = time.monotonic()
                if isinstance(event, Result):
                    yield event
                elif not sent or now - sent >= SECONDS_BETWEEN_PREVIEWS:
                    sent = now
                    yield shown(event)
                if now - looked >= SECONDS_BETWEEN_LOOKS:
                    looked, stopped = now, await self.board.stopped.remote(token)
                event = await in_worker(advance, stream, stopped)
        finally:
            await in_worker(stream.close)


def shown(event: Progress) -> Progress:
    """What of a step can be seen, on the CPU."""
    preview = None if event.preview is None else event.preview.cpu()
    numbers: dict[str, Any] = {name: float(value) for name, value in event.metrics.items()}
    return replace(event, preview=preview, metrics=numbers, state=None)


def importable() -> dict[str, Any]:
    """The runtime environment in which Ray's processes can import Atelier."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"env_vars": {"PYTHONPATH": paths}}


def deploy(replicas: tuple[int, int], cpus: float = 1, gpus: float = 0) -> DeploymentHandle:
    """Start the replicas on the Ray that this process is connected to.

    Args:
        replicas: fewest and most; as many between them as there are runs to be done.
        cpus, gpus: share of a machine's that one replica has; a share of a GPU below 1 puts several on it.
    """
    least, most = replicas
    board = Board.options(name=BOARD, namespace=NAMESPACE, lifetime="detached", get_if_exists=True).remote()  # type: ignore[attr-defined]
    ray.get(board.open.remote(most))
    deployment = serve.deployment(Replica).options(
        name="replica",
        max_ongoing_requests=1,
        autoscaling_config={"min_replicas": least, "max_replicas": most, "target_ongoing_requests": 1},
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus, "runtime_env": importable()},
    )
    return serve.run(deployment.bind(max(1, int(cpus))), name=APPLICATION, route_prefix=None)
