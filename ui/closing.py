"""How the server ends: no new work, runs stopped after their step, listeners told, the process gone within seconds."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gradio.server_messages import ProcessCompletedMessage

from ui.layers import STOPPING
from ui.trust import Page

log = logging.getLogger(__name__)

RUNS_SECONDS, STREAMS_SECONDS, SERVER_SECONDS = 5.0, 0.5, 1.5  # together well under the 10 that a service manager gives


def close(page: Page, folder: Path) -> NoReturn:
    """End the process with status 0; `folder` is its temp folder, which is removed.

    Not by way of the interpreter's own end: threads that are inside of PyTorch then end in SIGABRT.
    """
    log.info("Stopping")
    page.shared.presses.close()  # new requests get 503 from here on
    queue = page._queue
    wait_until(lambda: not any(queue.active_jobs) and not len(queue), RUNS_SECONDS)
    if page.loop is not None:
        page.loop.call_soon_threadsafe(tell_listeners, page)
    time.sleep(STREAMS_SECONDS)  # for the last events to be sent
    queue.close()  # type: ignore[no-untyped-call]
    page.is_running = False
    if page.loop is not None:
        page.loop.call_soon_threadsafe(page.app.stop_event.set)
    if page.server is not None:
        page.server.should_exit = True
        page.server.thread.join(SERVER_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Return when `done()`, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def tell_listeners(page: Page) -> None:
    """Tell whoever still waits for a run that it will not come; on the server's own loop."""
    queue = page._queue
    for session, events in list(queue.pending_event_ids_session.items()):
        messages = queue.pending_messages_per_session.get(session)
        for event in list(events):
            if messages is not None:
                output = {"error": STOPPING, "duration": 10, "visible": True, "title": "Error"}
                messages.put_nowait(ProcessCompletedMessage(output=output, success=False, event_id=event))
