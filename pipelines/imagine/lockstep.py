"""A function that calls back, as a generator: it runs on a thread of its own, but only while somebody waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Abandoned(BaseException):
    """Raised inside the function when nobody waits any more; no `except Exception` keeps it."""


class _Lockstep(Generic[T, R]):
    def __init__(self, function: Callable[[Callable[[T], None]], R]) -> None:
        self._function = function
        self._out: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._go = threading.Semaphore(0)
        self._over = False
        self._thread = threading.Thread(target=self._work, name="lockstep", daemon=True)

    def _work(self) -> None:
        self._go.acquire()
        with suppress(_Abandoned):
            try:
                self._out.put(("end", None if self._over else self._function(self._tell)))
            except Exception as error:  # carried over to the thread that waits, traceback and all
                self._out.put(("error", error))

    def _tell(self, value: T) -> None:
        self._out.put(("value", value))
        self._go.acquire()
        if self._over:
            raise _Abandoned

    def run(self) -> Generator[T, None, R]:
        self._thread.start()
        try:
            while True:
                self._go.release()
                kind, value = self._out.get()
                if kind == "error":
                    raise value
                if kind == "end":
                    result: R = value
                    return result
                yield value
        finally:
            self._over = True
            self._go.release()
            self._thread.join()


def steps(function: Callable[[Callable[[T], None]], R]) -> Generator[T, None, R]:
    """Yield what `function` tells, return what it returns, raise what it raises.

    `function(tell)` runs on one thread from beginning to end, so what it holds may be bound to a thread (a gradient
    mode, a stream), while the generator is resumed on any. It stands still between two values. Closing the generator
    ends it where it stands, at once, and its `finally` blocks have run when the close returns.
    """
    return _Lockstep(function).run()
