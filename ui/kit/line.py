"""The line for the models: who has them, who waits, how long a run is expected to take."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines.base import Pipeline
from pipelines.params import Params
from ui.kit import policy
from ui.kit.session import Busy

MOST_WAITING = 64
MOST_VISITORS = 4096  # whose last minute is remembered
UNKNOWN_SECONDS = 5.0  # what a method's first run counts


class Ticket:
    """A place in the line. `visitor`: whose; `forecast`: seconds that its run will take, None: not known;
    `seconds_left`: what it still needs, once it has its turn and that is known. `tag`: see Turns."""

    def __init__(self, turns: Turns, visitor: str, forecast: float | None) -> None:
        self._turns = turns
        self.visitor, self.forecast = visitor, forecast
        self.seconds_left: float | None = None
        self.tag = 0.0

    @property
    def seconds(self) -> float | None:
        """What it still needs, or will; None: not known."""
        return self.forecast if self.seconds_left is None else self.seconds_left

    @property
    def ahead(self) -> int:
        """How many runs come before this one, as the line is now; 0: it is its turn."""
        return self._turns.ahead(self)

    @property
    def seconds_ahead(self) -> float | None:
        """Until its turn, where what each run before it needs is known."""
        return self._turns.seconds_ahead(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the turn, at most `seconds`; whether it has come."""
        return self._turns.wait(self, seconds)


class Turns:
    """Who has the models, and who waits for them: fair among visitors, by the seconds that their runs take.

    Self-clocked fair queueing (Golestani, INFOCOM 1994, equations 4 and 5): a run's tag is its forecast added to the
    tag of the visitor's run before it, or of the run that has the models if that is later; the smallest tag is next.
    So a visitor's fifty runs stand behind another's one, a short run before long ones of others, and nobody for ever.
    """

    def __init__(self, most: int = MOST_WAITING, slots: int = 1) -> None:
        """Args: runs that may wait; runs that may have the models at once: one, or one for each replica elsewhere."""
        self._most, self._slots, self._line = most, slots, list[Ticket]()
        self._began: OrderedDict[str, deque[float]] = OrderedDict()  # visitor -> when, of the last minute
        self._change = threading.Condition()

    @contextmanager
    def take(self, visitor: str = "", forecast: float | None = None) -> Iterator[Ticket]:
        """A place in the line, given up at the end. Raises Busy when the line is full, or this visitor has too many."""
        ticket, allowed = Ticket(self, visitor, forecast), policy.current()
        with self._change:
            mine = [other.tag for other in self._line if other.visitor == visitor]
            again = f"try again in about {math.ceil(self._needed(self._line))} s."
            if len(self._line) >= self._most + self._slots:
                raise Busy(f"{self._most} runs are waiting already: {again}")
            if visitor and len(mine) >= allowed.each:
                raise Busy(f"{len(mine)} of your runs are waiting, and this server takes no more of a visitor: {again}")
            if visitor:
                self._count(visitor, allowed.runs_a_minute)
            ticket.tag = max([self._clock, *mine]) + (UNKNOWN_SECONDS if forecast is None else forecast)
            self._line.append(ticket)
            self._line[self._slots :] = sorted(self._line[self._slots :], key=lambda one: one.tag)
        try:
            yield ticket
        finally:
            with self._change:
                self._line.remove(ticket)
                self._change.notify_all()

    def _count(self, visitor: str, most: float) -> None:
        """Remember that a visitor begins a run. Raises Busy where there were `most` in the last minute."""
        now, began = time.monotonic(), self._began.setdefault(visitor, deque())
        self._began.move_to_end(visitor)
        while len(self._began) > MOST_VISITORS:
            self._began.popitem(last=False)
        while began and now - began[0] > 60:
            began.popleft()
        if len(began) >= most:
            seconds = math.ceil(60 - now + began[0])
            raise Busy(f"This server begins {most:g} runs a minute of a visitor: try again in about {seconds} s.")
        began.append(now)

    @property
    def _clock(self) -> float:
        """The tag of the run that has had the models longest. When the line is empty, time begins anew."""
        return self._line[0].tag if self._line else 0.0

    @staticmethod
    def _needed(tickets: Sequence[Ticket]) -> float:
        return sum(UNKNOWN_SECONDS if one.seconds is None else one.seconds for one in tickets)

    @property
    def length(self) -> int:
        """How many run or wait."""
        return len(self._line)

    @property
    def seconds(self) -> float:
        """What all that run and wait will still need, as far as it is known."""
        with self._change:
            return self._needed(self._line)

    def ahead(self, ticket: Ticket) -> int:
        """How many have to end before it is the turn of `ticket`."""
        with self._change:
            return max(0, self._line.index(ticket) + 1 - self._slots)

    def seconds_ahead(self, ticket: Ticket) -> float | None:
        """What the runs before `ticket` still need, shared by all slots; None where it is not known of one."""
        with self._change:
            before = self._line[: self._line.index(ticket)]
            return None if any(one.seconds is None for one in before) else self._needed(before) / self._slots

    def wait(self, ticket: Ticket, seconds: float | None) -> bool:
        """Wait until `ticket` has a slot; whether it has."""
        with self._change:
            return self._change.wait_for(lambda: ticket in self._line[: self._slots], seconds)


class Pace:
    """How many seconds a unit of a method's work takes here, by its last run (pipelines/cost.py has the units)."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def forecast(self, pipeline: Pipeline[Any], p: Params) -> float | None:
        """Seconds; None before the method's first run."""
        pace = self._seconds.get(pipeline.name)
        return None if pace is None else pace * pipeline.work(p)

    def learn(self, pipeline: Pipeline[Any], p: Params, seconds: float) -> None:
        """Remember what a whole run took."""
        self._seconds[pipeline.name] = seconds / pipeline.work(p)
