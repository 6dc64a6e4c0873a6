"""How the server is set up: what sits in front of Gradio (ui/layers.py), the environment, the temp folder, versions.

    server.environment()                    # before gradio is imported
    server.check_versions(log)
    server.private_temp()
    demo.launch(app_kwargs={"middleware": server.middleware()})

Nothing here imports gradio or torch.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import importlib.metadata
import logging
import math
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from packaging.version import Version
from starlette.middleware import Middleware

from ui.answers import Names
from ui.kit import policy
from ui.kit.log import KINDS
from ui.layers import Front

log = logging.getLogger(__name__)

GRADIO_FLOOR = "6.31.0"
GRADIO_CURE = f'run `python -m pip install "gradio[mcp]>={GRADIO_FLOOR},<7"`.'
PILLOW_FLOOR = "13.0.0"
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SSR_MODE": "False",  # with it a Node process would answer in front of these layers
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


class StartError(Exception):
    """The server cannot start as it was asked to; the text is one line saying why and what to do."""


class SettingError(StartError):
    """An environment variable has a value that cannot be used."""


class VersionError(StartError):
    """An installed package is too old to run on."""


def middleware(
    max_body_mb: float | None = None, origins: Iterable[str] | None = None, max_weights_mb: float | None = None
) -> list[Middleware]:
    """The list for `demo.launch(app_kwargs={"middleware": ...})`.

    `max_body_mb`: largest request body in MiB, above 0; None reads ATELIER_MAX_BODY_MB, else the preset's.
    `origins`: other sites whose pages may call this one, as https://example.org; None reads the comma list
    ATELIER_ORIGINS (default: none, so same-origin only).
    `max_weights_mb`: largest file of weights that can be uploaded, in MiB; None: the preset's.
    Raises SettingError for a value that makes no sense.
    """
    if max_body_mb is None:
        max_body_mb = _above_zero("ATELIER_MAX_BODY_MB", policy.current().body_mb)
    if max_weights_mb is None:
        max_weights_mb = policy.current().weights_mb
    if origins is None:
        origins = (part.strip() for part in os.environ.get("ATELIER_ORIGINS", "").split(","))
    allowed = frozenset(_origin(text) for text in origins if text)
    sizes = {"max_body": int(max_body_mb * 1024 * 1024), "max_weights": int(max_weights_mb * 1024 * 1024)}
    metrics = os.environ.get("ATELIER_METRICS", "0").lower() in {"1", "on", "yes", "true"}
    return [Middleware(Front, **sizes, origins=allowed, metrics=metrics), Middleware(Names)]


def kept_seconds() -> float:
    """How long uploads and results stay on the disk (ATELIER_KEEP_MINUTES). Raises SettingError."""
    return 60 * _above_zero("ATELIER_KEEP_MINUTES", 60)


def _above_zero(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r} but must be a number: set it to {default:g}, say.") from None
    if not 0 < number < math.inf:
        raise SettingError(f"{name} is {number:g} but must be above 0: set it to {default:g}, say.")
    return number


def _origin(text: str) -> str:
    parts = urlsplit(text.lower())
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in origin or origin != text.lower():
        raise SettingError(f"ATELIER_ORIGINS holds {text!r}: write each site as https://example.org, without a path.")
    return origin


WHOLE = ("GRADIO_NUM_PORTS", "GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_ANALYTICS_CACHE_FREQUENCY")  # read on import
YES_OR_NO = ("ATELIER_OFFLINE", "HF_HUB_OFFLINE", "ATELIER_FOLDERS", "ATELIER_METRICS")
FOLDERS = ("ATELIER_WEIGHTS", "ATELIER_DATA")


def check_environment() -> None:
    """Raise SettingError for a variable whose value would be ignored, or would end in a traceback."""
    given = {name: text for name, text in os.environ.items() if text}
    kept_seconds()
    preset = given.get("ATELIER_PRESET", policy.LOCAL)
    if preset not in policy.presets():
        known = ", ".join(policy.presets())
        raise SettingError(f"ATELIER_PRESET is {preset!r} but must be one of {known}: correct it or unset it.")
    if (kind := given.get("ATELIER_LOG", KINDS[0])) not in KINDS:
        raise SettingError(f"ATELIER_LOG is {kind!r} but must be one of {', '.join(KINDS)}: correct it or unset it.")
    for name in (*WHOLE, "GRADIO_DEFAULT_CONCURRENCY_LIMIT"):
        text = given.get(name, "1")
        if not text.isdecimal() and not (name not in WHOLE and text.lower() == "none"):
            raise SettingError(f"{name} is {text!r} but must be a whole number: correct it or unset it.")
    for name in YES_OR_NO:
        if given.get(name, "1").lower() not in {"0", "1", "on", "off", "yes", "no", "true", "false"}:
            raise SettingError(f"{name} is {given[name]!r} but must be 1 or 0: correct it or unset it.")
    for name in FOLDERS:
        if name in given and not is_folder(given[name]):
            raise SettingError(f"{name} is {given[name]!r}, which is not a folder: correct it or unset it.")
    cache = given.get("ATELIER_CACHE")
    if cache and Path(cache).expanduser().exists() and not is_folder(cache):
        raise SettingError(f"ATELIER_CACHE is {cache!r}, which is not a folder: correct it or unset it.")


def is_folder(text: str) -> bool:
    """Whether a variable's value names a folder."""
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, a home that is not known, a NUL
        return False


def check_address(host: str, port: str) -> int:
    """The port as a number, where this machine can listen on it at `host`. Raises StartError otherwise."""
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise StartError(f"The port is {port!r} but must be a number from 1 to 65535 (--port, GRADIO_SERVER_PORT).")
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise StartError(f"Port {port} is in use: end what listens there, or give another with --port.") from error
        if number == errno.EACCES:
            raise StartError(f"Port {port} is not for this user: give one from 1024 up with --port.") from error
        raise StartError(f"{host!r} is no address of this machine: give --host 127.0.0.1, or 0.0.0.0.") from error
    return int(port)


def read_logins(path: str) -> list[tuple[str, str]]:
    """Names and passwords from a file with a line NAME:PASSWORD for each; empty lines and those with # do not count.

    Raises StartError for a file that cannot be read, that others can read, or that holds anything else.
    """
    place = Path(path)
    try:
        mode, lines = place.stat().st_mode, place.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise StartError(f"--auth: {place.name} cannot be read ({error}): give a text file.") from error
    if mode & 0o077:
        raise StartError(f"--auth: others can read {place.name}: run `chmod 600` on it.")
    logins = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not (name and colon and password) or name in logins:
            raise StartError(
                f"--auth: line {number} of {place.name} must be NAME:PASSWORD, each name once: correct it."
            )
        logins[name] = password
    if not logins:
        raise StartError(f"--auth: {place.name} names nobody: add a line NAME:PASSWORD.")
    return list(logins.items())


def private_temp(parent: Path | None = None) -> Path:
    """Make this process's own folder for uploads and results (mode 0700), and point GRADIO_TEMP_DIR at it.

    Folders that dead processes of this user left in `parent` (default: the system's temp folder) are removed, those
    of running ones are not; this one is removed at exit. Call it before gradio is imported. Raises StartError when no
    folder can be made.
    """
    prefix = f"atelier-{os.getuid()}-"
    try:
        parent = (parent or Path(tempfile.gettempdir())).resolve()
        _sweep(parent, prefix)
        fresh = Path(tempfile.mkdtemp(prefix=f"new-{prefix}", dir=parent))
    except OSError as error:
        raise StartError(f"No temp folder can be made ({error.strerror}): set TMPDIR to a folder with room.") from error
    _lock(fresh)  # held until the process ends, however it ends; systemd-tmpfiles leaves locked folders alone too
    folder = fresh.rename(parent / fresh.name.removeprefix("new-"))  # only now may another process's sweep see it
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked worker ends too, but owns nothing
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def _lock(folder: Path) -> int | None:
    """Lock a folder of this user; the open handle, or None when it is another's or a process holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(handle).st_uid == os.getuid():
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            pass
    os.close(handle)
    return None


def _sweep(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        handle = None
        try:
            handle = _lock(folder)
            if handle is not None:
                shutil.rmtree(folder)
        except FileNotFoundError:
            pass  # another process that is starting was quicker
        except OSError as error:
            log.warning("Could not remove the old temp folder %s: %s", folder, error)
        finally:
            if handle is not None:
                os.close(handle)


def environment() -> None:
    """Turn telemetry and look-ups off unless the person set otherwise. Call it before gradio is imported."""
    if "gradio" in sys.modules or "huggingface_hub" in sys.modules:
        log.warning("environment() was called after gradio or huggingface_hub was imported: some of it has no effect")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "ATELIER_OFFLINE" in os.environ:
        os.environ.setdefault("HF_HUB_OFFLINE", os.environ["ATELIER_OFFLINE"])


def check_versions(log: logging.Logger, installed: Callable[[str], str] = importlib.metadata.version) -> None:
    """Raise VersionError for a missing or too old Gradio; log a warning for a Pillow with known holes."""
    try:
        gradio = installed("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise VersionError(f"Gradio is not installed: {GRADIO_CURE}") from None
    if Version(gradio) < Version(GRADIO_FLOOR):
        raise VersionError(f"Gradio is {gradio} but must be {GRADIO_FLOOR} or newer: {GRADIO_CURE}")
    pillow = installed("pillow")
    if Version(pillow) < Version(PILLOW_FLOOR):
        log.warning(
            "Pillow %s has known JPEG heap overflows (GHSA-8g5g-8vmr-9782): "
            'run `python -m pip install --no-deps "pillow>=%s"`.',
            pillow,
            PILLOW_FLOOR,
        )
