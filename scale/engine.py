"""The replicas as the page's engine: `python app.py --engine ray`."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from pipelines import PIPELINES
from pipelines.base import STOP, Lost, Pipeline, Progress, Result, Run
from pipelines.params import Params
from scale.replica import APPLICATION, BOARD, NAMESPACE

log = logging.getLogger(__name__)

MOST_LOSSES = 2  # of replicas under one run, which is begun again; then it is given up


class Engine:
    """Runs methods on the replicas that `handle` reaches. pipelines.base.Elsewhere."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle, self._board = handle, ray.get_actor(BOARD, namespace=NAMESPACE)
        self.slots = ray.get(self._board.replicas.remote())
        self._free = threading.BoundedSemaphore(self.slots)  # Serve's router waits ever longer while all are busy

    def takes(self, pipeline: Pipeline[Any]) -> bool:
        """Whether the replicas have this very method: Compare's run on the page is the page's own."""
        return PIPELINES.get(pipeline.name) is pipeline

    def run(self, pipeline: Pipeline[Any], params: Params, state: Any) -> Run:
        """As `pipelines.base.run`. A run whose replica is lost is begun again, which its record notes.

        Raises:
            Lost: where that happened too often; and whatever the method raises.
        """
        with self._free:
            for losses in range(MOST_LOSSES + 1):
                try:
                    yield from self._attempt(pipeline, params, state, losses)
                    return
                except RayActorError as error:
                    log.warning("a replica was lost under %s: %s", pipeline.name, type(error).__name__)
        raise Lost("What worked on this run was lost, and again when it was begun anew: run it again later.")

    def _attempt(self, pipeline: Pipeline[Any], params: Params, state: Any, losses: int) -> Run:
        token, stopped = secrets.token_hex(8), False
        handle = self._handle.options(stream=True, multiplexed_model_id=pipeline.name)
        stream = handle.run.remote(pipeline.name, params, state, token)
        try:
            for event in stream:
                if isinstance(event, Result):
                    if losses:
                        event.record.notes.append("begun again: what worked on it was lost")
                    yield event
                    return
                assert isinstance(event, Progress)
                if not stopped and (yield event) == STOP:
                    self._board.stop.remote(token)
                    stopped = True  # what is on its way is not shown any more
        except RayTaskError as error:
            raise (error.cause or error) from None
        except GeneratorExit:
            stream.cancel()
            raise


def connect(address: str = "auto") -> Engine:
    """The engine of the Ray that runs here, or at `address`. Raises ConnectionError with one sentence without one."""
    try:
        ray.init(address=address, namespace=NAMESPACE, logging_level=logging.ERROR, ignore_reinit_error=True)
        return Engine(serve.get_app_handle(APPLICATION))
    except (ConnectionError, RayServeException, ValueError) as error:  # no Ray; no Serve in it; no actor of that name
        raise ConnectionError("No replicas can be reached: start `python -m scale.serve` first.") from error
