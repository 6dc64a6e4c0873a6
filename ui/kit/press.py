"""Who pressed what, which presses were stopped or replaced, and whether somebody still listens to their runs."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MOST_PRESSES = 4096  # remembered


class Audience:
    """Which streams of answers somebody reads (ui/layers.py tells), by event or session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers, self._left = Counter[str](), OrderedDict[str, float]()

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Somebody reads the stream until the block ends."""
        with self._lock:
            self._readers[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= Counter([name])
                self._left[name] = time.monotonic()
                while len(self._left) > MOST_PRESSES:
                    self._left.popitem(last=False)

    def silence(self, names: Sequence[str], since: float) -> float:
        """Seconds for which nobody has read one of these streams, at most those since the moment `since`."""
        with self._lock:
            if any(self._readers[name] for name in names):
                return 0.0
            return time.monotonic() - max([since, *(self._left.get(name, since) for name in names)])


class Press:
    """One press of a button, by `visitor`. `quiet`: a setting that acts at once, which no button stands beside.
    `streams`: where its answers are read; (): by somebody who waits for them, as MCP does."""

    def __init__(self, quiet: bool = False, visitor: str = "", streams: Sequence[str] = ()) -> None:
        self.quiet, self.visitor, self.streams = quiet, visitor, streams
        self.stopped = False  # keep what is there
        self.replaced = False  # by a later press in the same tab: show nothing more

    @property
    def over(self) -> bool:
        """Whether the run need not go on."""
        return self.stopped or self.replaced


class Presses:
    """The latest press of every visitor's tabs, and which were stopped; Stop may arrive before what it stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: OrderedDict[tuple[str, str], Press] = OrderedDict()
        self._stopped: OrderedDict[str, None] = OrderedDict()
        self._by_token: OrderedDict[str, Press] = OrderedDict()
        self.closed = False

    def close(self) -> None:
        """Stop every run after the step in flight, and those that wait before their first: the server ends."""
        with self._lock:
            self.closed = True
            for press in self._latest.values():
                press.stopped = True

    def begin(self, visitor: str, tab: str, token: str = "") -> Press:
        """The press that `token` names ("": a quiet one), now the latest of its tab."""
        press = Press(not token, visitor, [visitor] if visitor else [])
        with self._lock:
            press.stopped = self.closed or (bool(token) and token in self._stopped)
            if (before := self._latest.get((visitor, tab))) is not None:
                before.replaced = True
            self._latest[visitor, tab] = press
            self._latest.move_to_end((visitor, tab))
            if token:
                self._by_token[token] = press
            for kept in (self._latest, self._by_token):
                while len(kept) > MOST_PRESSES:
                    kept.popitem(last=False)
        return press

    def end(self, visitor: str, tab: str, press: Press) -> None:
        """The press has ended; the tab has none that runs."""
        with self._lock:
            if self._latest.get((visitor, tab)) is press:
                del self._latest[visitor, tab]

    def latest(self, visitor: str, tab: str) -> Press | None:
        """What waits or runs in that tab."""
        with self._lock:
            return self._latest.get((visitor, tab))

    def cancel(self, event: str) -> None:
        """Stop a program's run."""
        press = self.latest("", api_run(event))
        if press is not None:
            press.stopped = True

    def stop(self, visitor: str, tab: str, token: str) -> None:
        """Stop what `token` names, and what a setting of the tab has begun."""
        with self._lock:
            self._stopped[token[:64]] = None
            while len(self._stopped) > MOST_PRESSES:
                self._stopped.popitem(last=False)
            for press in (self._by_token.get(token), self._latest.get((visitor, tab))):
                if press is not None and (press.quiet or press is self._by_token.get(token)):
                    press.stopped = True


def api_run(event: str) -> str:
    """What a program's run is called in place of a tab: by its event, since a program may begin several at once."""
    return f"api {event}"
