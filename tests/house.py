"""The plan of the house, measured from the code: `make house` prints it, test_layout.py keeps it.

Lines are lines of Python, JavaScript and CSS. An import is one that a module runs when it is imported or that stands in
a function; those for type checkers alone are not counted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {  # folder or file -> what of ours it may import
    "models": {"models"},
    "pipelines": {"models", "pipelines"},
    "ui": {"models", "pipelines", "ui"},
    "scale": {"models", "pipelines", "scale", "cli"},
    "training": {"models", "training"},
    "benchmarks": {"models", "pipelines", "benchmarks", "scale"},
    "examples": {"examples"},
    "app": {"models", "pipelines", "ui", "scale"},
    "atelier": {"models", "pipelines"},
    "cli": {"models", "pipelines"},
    "publish": set[str](),
}
PRODUCT = ("models", "pipelines", "ui", "scale", "app", "atelier", "cli", "publish")
SHARED = {"base", "params", "record", "images", "sheet", "metrics"}  # of pipelines: what no method is named like
# The page that `make bench` compares the start with is an empty page of Gradio's.
GRADIO = ("ui/", "app.py", "benchmarks/empty_page.py")
INSIDE_UI = {"kit": {"kit", "words"}, "tabs": {"tabs", "kit", "words"}, "words": {"words"}}
MOST_FILES = 12  # of a folder without folders in it


@dataclass(frozen=True)
class Room:
    """One source file."""

    path: Path

    @property
    def name(self) -> str:
        """Path from the top folder."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def home(self) -> str:
        """Top folder, or name of a top file."""
        return Path(self.name).parts[0].removesuffix(".py")

    @property
    def module(self) -> str:
        """Dotted name."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def imports(self) -> set[str]:
        """Dotted names that it imports: `from a import b` gives a and a.b."""
        names: set[str] = set()
        for node in run_time(ast.parse(self.text)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        return names


def run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, those under `if TYPE_CHECKING` aside."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time(node)


@cache
def rooms() -> list[Room]:
    """Every Python file of ours, tests aside."""
    files = {*ROOT.glob("*.py"), *(file for home in MAY_IMPORT for file in (ROOT / home).rglob("*.py"))}
    return [Room(file) for file in sorted(files)]


def methods() -> list[str]:
    """Names of the methods: the packages of pipelines/."""
    return sorted(path.parent.name for path in (ROOT / "pipelines").glob("*/__init__.py"))


def wrong_imports(room: Room) -> list[str]:
    """What `room` imports against the plan, in words."""
    ours = {name for name in room.imports if name.partition(".")[0] in {*MAY_IMPORT, "tests"}}
    wrong = [name for name in ours if name.partition(".")[0] not in MAY_IMPORT[room.home]]
    if "gradio" in {name.partition(".")[0] for name in room.imports} and not room.name.startswith(GRADIO):
        wrong.append("gradio")
    parts = Path(room.name).parts
    if room.home == "pipelines" and len(parts) > 2:  # a method's package: sideways never
        others = {f"pipelines.{other}" for other in methods()} - {f"pipelines.{parts[1]}"}
        wrong += [name for name in ours if any(name == other or name.startswith(f"{other}.") for other in others)]
    elif room.home == "pipelines" and room.name != "pipelines/__init__.py":  # shared: knows no method
        wrong += [name for name in ours if name.split(".")[1:2] and name.split(".")[1] in methods()]
    if room.home == "ui" and len(parts) > 2:
        allowed = INSIDE_UI[parts[1]]
        wrong += [name for name in ours if name.startswith("ui.") and name.split(".")[1] not in allowed]
    return [f"{room.name} imports {name}" for name in sorted(set(wrong))]


def circles(every: list[Room]) -> list[list[str]]:
    """Groups of files that import each other in a loop; a package and what lies in it are no loop of their own."""
    by_module = {room.module: room for room in every}
    arrows = {
        room.module: {
            name
            for name in room.imports & set(by_module)
            if name != room.module and not room.module.startswith(f"{name}.")
        }
        for room in every
    }
    reach: dict[str, set[str]] = {}
    for start in arrows:
        seen, ahead = set[str](), [start]
        while ahead:
            for name in arrows[ahead.pop()] - seen:
                seen.add(name)
                ahead.append(name)
        reach[start] = seen
    loops = {frozenset(b for b in reach[a] if a in reach[b]) for a in arrows if a in reach[a]}
    return sorted(sorted(loop) for loop in loops)


def product_files() -> list[Path]:
    """Python, JavaScript and CSS of the product."""
    files = [ROOT / f"{name}.py" for name in PRODUCT if (ROOT / f"{name}.py").exists()]
    for folder in PRODUCT:
        files += [file for kind in ("py", "js", "css") for file in (ROOT / folder).rglob(f"*.{kind}")]
    return files


def lines(files: list[Path]) -> int:
    """Lines of all files."""
    return sum(len(file.read_text("utf-8").splitlines()) for file in files)


def crowded() -> list[str]:
    """Folders of more than MOST_FILES source files that have no folders in them."""
    folders = {file.parent for file in product_files()} | {
        path for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("*.py"))
    }
    return sorted(
        f"{folder.relative_to(ROOT)} has {count} files"
        for folder in folders - {ROOT}
        if (count := sum(file.suffix in {".py", ".js", ".css"} for file in folder.iterdir())) > MOST_FILES
        and not any(path.is_dir() and path.name != "__pycache__" for path in folder.iterdir())
    )


def long_functions(most: int = 50) -> list[str]:
    """Functions of more than `most` lines, tests included."""
    found = []
    for file in [room.path for room in rooms()] + sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > most:
                    found.append(f"{file.relative_to(ROOT)}: {node.name} has {length} lines")
    return found


def rooms_of(method: str) -> dict[str, int]:
    """A method's own rooms on every floor of the product -> their lines."""
    top = [ROOT / "pipelines" / method, ROOT / "models" / f"{method}.py"]
    top += [ROOT / "ui" / "tabs" / method, ROOT / "ui" / "tabs" / f"{method}.py", ROOT / "training" / f"{method}.py"]
    files = [*product_files(), top[-1]]
    inside = {room: [file for file in files if room in (file, *file.parents) and file.exists()] for room in top}
    return {room.relative_to(ROOT).as_posix(): lines(within) for room, within in inside.items() if within}


def main() -> None:
    """Print the figures."""
    every = rooms()
    print(f"product lines: {lines(product_files())} in {len(product_files())} files")
    print("circles:", circles(every) or "none")
    print("against the plan:", [text for room in every for text in wrong_imports(room)] or "none")
    print("crowded folders:", crowded() or "none")
    print("long functions:", long_functions() or "none")
    for method in methods():
        own = rooms_of(method)
        print(
            f"  {method:10} {sum(own.values()):5} lines:", ", ".join(f"{room} {count}" for room, count in own.items())
        )


if __name__ == "__main__":
    main()
