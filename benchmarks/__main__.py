"""`python -m benchmarks [NAME] [--quick]`: a line about the machine, and a markdown table for each benchmark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks import common, diffusion, explore, gatys, memory, pixelcnn, serve, startup, stylize

BENCHMARKS: dict[str, Callable[[bool], str]] = {
    "startup": lambda quick: startup.report(startup.measure(quick)),
    "gatys": lambda quick: gatys.report(gatys.measure(quick)),
    "stylize": lambda quick: stylize.report(stylize.measure(quick)),
    "explore": lambda quick: explore.report(explore.measure(quick)),
    "memory": lambda quick: memory.report(memory.measure(quick)),
    "pixelcnn": lambda quick: pixelcnn.report(pixelcnn.measure(quick)),
    "serve": lambda quick: serve.report(serve.measure(quick)),
    "diffusion": lambda quick: diffusion.report(diffusion.compare(quick=quick)),
}


def main() -> None:
    """Progress goes to standard error, so that standard output can be pasted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*BENCHMARKS], help="only this one (default: all)")
    parser.add_argument("--quick", action="store_true", help="toy sizes: tries the code, the numbers mean nothing")
    flags = parser.parse_args()
    print(f"{common.machine()}{' (--quick: the numbers mean nothing)' if flags.quick else ''}", flush=True)
    if common.busy() and not flags.quick:
        print("Something else keeps this machine busy: run again when it is idle.", file=sys.stderr)
    for name in [flags.name] if flags.name else BENCHMARKS:
        print(f"\n### {name}\n\n{BENCHMARKS[name](flags.quick)}", flush=True)


if __name__ == "__main__":
    main()
