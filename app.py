"""Start the page: `python app.py`, then http://127.0.0.1:7860."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ui import server
from ui.kit import log as logs
from ui.kit import policy
from ui.server import StartError

if TYPE_CHECKING:
    from gradio import Blocks

    from models.cache import ModelCache

log = logging.getLogger("atelier")

MOST_SESSIONS = 1000  # visitors whose values are remembered; of more, those that were here longest ago are forgotten


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message} (see `python app.py --help`)")


def arguments() -> argparse.Namespace:
    """Flags of the command line; on a Space Gradio's own variables name host and port. Raises StartError."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen on"
    )
    parser.add_argument("--port", default=os.environ.get("GRADIO_SERVER_PORT", "7860"), help="port to listen on")
    root = os.environ.get("GRADIO_ROOT_PATH", "")
    parser.add_argument("--root-path", default=root, help="path that a proxy serves the page under, as /atelier")
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's relay")
    presets = list(policy.presets())
    parser.add_argument("--preset", choices=presets, help="what visitors may do (ui/kit/presets.json); default: local")
    parser.add_argument("--mcp", action="store_true", help="also answer as an MCP server")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="who runs methods: this process, or scale.serve's"
    )
    parser.add_argument("--auth", metavar="FILE", help="ask for a login: a line NAME:PASSWORD for each person")
    flags = parser.parse_args()
    if flags.auth and flags.mcp:
        raise StartError("--auth and --mcp exclude each other: MCP clients know no login, and would go round it.")
    flags.auth = server.read_logins(flags.auth) if flags.auth else None
    if flags.preset:
        os.environ["ATELIER_PRESET"] = flags.preset
    flags.port = server.check_address(flags.host, flags.port)
    return flags


class Signals:
    """SIGTERM and SIGINT: at once while the server starts, in order once it runs."""

    def __init__(self) -> None:
        self.running = False
        self.ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._arrive)

    def _arrive(self, _signal: int, _frame: FrameType | None) -> None:
        self.ended.set()
        if not self.running:
            sys.exit(0)  # by way of atexit, where the temp folder is removed


def main() -> None:
    """Flags -> checks -> cache -> Blocks -> launch; status 2 and one line for what cannot be started."""
    signals = Signals()
    logs.configure(os.environ.get("ATELIER_LOG", ""))
    try:
        flags = arguments()
        server.check_environment()
        server.environment()
        os.environ.setdefault("ATELIER_FOLDERS", "0")  # visitors name models of the hub, and what they uploaded
        server.check_versions(log)
        layers = server.middleware()
        folder = server.private_temp()
        cache = open_models(flags.engine)
        from ui import closing, page, trust

        demo = page.build(cache)
        launch(demo, flags, {"middleware": layers, "exception_handlers": trust.HANDLERS})
    except StartError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    trust.answer_in_parts(demo)
    signals.running = True
    log.info("Atelier is at %s", demo.local_url)
    threading.Thread(target=warm, args=(cache,), name="warm", daemon=True).start()
    signals.ended.wait()
    closing.close(demo, folder)


def open_models(engine: str) -> ModelCache:
    """The cache, once every bundled file is what it should be; with `engine` "ray", methods run elsewhere. Raises
    StartError."""
    from models import registry, weights  # torch: after the cheap checks

    try:
        registry.check_bundled()
        weights.clean()
        cache = registry.open_cache()
        if engine == "ray":
            from scale.engine import connect

            cache.elsewhere = connect()
        return cache
    except ImportError as error:
        raise StartError(f"--engine ray needs requirements-ray.txt: python -m pip install -r it ({error}).") from error
    except (ValueError, OSError, weights.WeightsError, weights.WeightsMissing) as error:
        raise StartError(str(error)) from error


def warm(cache: ModelCache) -> None:
    """Load what the first visitor needs; what is there then stays, and is no longer searched for garbage."""
    from models import registry

    if cache.elsewhere is None:
        registry.warm(cache)
    gc.collect()
    gc.freeze()


def launch(demo: Blocks, flags: argparse.Namespace, app_kwargs: dict[str, Any]) -> None:
    """Serve the page on a thread of its own. Raises StartError where the port was taken meanwhile."""
    from ui import theme
    from ui.kit.i18n import I18N
    from ui.kit.run import THREADS
    from ui.kit.session import Sessions

    try:
        demo.launch(
            server_name=flags.host,
            server_port=flags.port,
            share=flags.share,
            auth=flags.auth,
            root_path=flags.root_path,
            mcp_server=flags.mcp,
            ssr_mode=False,
            show_error=False,
            max_file_size=f"{policy.current().weights_mb:g}mb",  # ui/layers.py has the smaller limit of a picture
            app_kwargs=app_kwargs,
            enable_monitoring=False,  # anybody could read what others run
            theme=theme.theme(),
            css=theme.CSS,
            head=theme.HEAD,
            i18n=I18N,
            prevent_thread_lock=True,
            quiet=True,
            footer_links=["api", "settings"],
            state_session_capacity=MOST_SESSIONS,
            max_threads=THREADS,
        )
    except OSError as error:
        raise StartError(f"Port {flags.port} of {flags.host} cannot be listened on: {error}") from error
    demo.app.state_holder = Sessions(demo)


if __name__ == "__main__":
    main()
