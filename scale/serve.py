"""Start the replicas: `python -m scale.serve --replicas 2`, then `python app.py --engine ray` on the same machine.

On several machines: `ray start --head` on one, `ray start --address=HEAD:6379` on the others, each with Atelier in the
same folder and environment; then this on the head, which takes the cluster that is there. It ends with a signal.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from typing import Any

import ray
from ray import serve

from scale.replica import APPLICATION, NAMESPACE, deploy, importable


def arguments() -> argparse.Namespace:
    """Flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=1, help="fewest (default 1)")
    parser.add_argument("--most", type=int, help="most, where many runs wait (default: as many as the fewest)")
    parser.add_argument("--cpus", type=float, default=1, help="of a machine's, for one replica (default 1)")
    parser.add_argument("--gpus", type=float, default=0, help="for one replica; 0.25: four on each GPU (default 0)")
    flags = parser.parse_args()
    flags.most = flags.most or flags.replicas
    if not 1 <= flags.replicas <= flags.most:
        parser.error(f"--replicas {flags.replicas} and --most {flags.most}: give at least 1, and no fewer at most")
    return flags


def begin() -> None:
    """Connect to the Ray that runs here, or start one that ends with this process."""
    options: dict[str, Any] = {"namespace": NAMESPACE, "logging_level": logging.WARNING, "runtime_env": importable()}
    try:
        ray.init(address="auto", **options)
    except ConnectionError:
        ray.init(include_dashboard=False, **options)


def main() -> None:
    """Deploy, and stay until a signal."""
    flags = arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    begin()
    deploy((flags.replicas, flags.most), flags.cpus, flags.gpus)
    print(f"{flags.replicas} to {flags.most} replicas are there: python app.py --engine ray", flush=True)
    ended.wait()
    serve.delete(APPLICATION)
    ray.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    main()
