"""Start the page: `python app.py`, then http://127.0.0.1:7860."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from types import FrameType

from ui import server

log = logging.getLogger("atelier")


def arguments() -> argparse.Namespace:
    """Flags of the command line; on a Space Gradio's own variables name host and port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen on"
    )
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860")), help="port to listen on"
    )
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's relay")
    parser.add_argument("--mcp", action="store_true", help="also answer as an MCP server")
    return parser.parse_args()


def main() -> None:
    """Flags -> cache -> Blocks -> launch."""
    flags = arguments()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    server.environment()
    try:
        server.check_versions(log)
        layers = server.middleware()
        server.private_temp()
        from models import registry, weights  # torch: after the cheap checks
        from ui import page, theme, trust

        weights.clean()
        cache = registry.open_cache()
    except (server.StartError, ValueError) as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, _leave)  # so that the temp folder is removed
    demo = page.build(cache)
    demo.launch(
        server_name=flags.host,
        server_port=flags.port,
        share=flags.share,
        mcp_server=flags.mcp,
        ssr_mode=False,
        show_error=False,
        app_kwargs={"middleware": layers, "exception_handlers": trust.HANDLERS},
        enable_monitoring=False,  # anybody could read what others run
        theme=theme.theme(),
        css=theme.CSS,
        head=theme.HEAD,
        i18n=page.I18N,
        prevent_thread_lock=True,
        quiet=True,
        footer_links=["api", "settings"],
    )
    trust.answer_in_parts(demo)
    log.info("Atelier is at %s", demo.local_url)
    threading.Thread(target=registry.warm, args=(cache,), name="warm", daemon=True).start()
    demo.block_thread()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
