"""The house rules that a program can check: who may import whom, sizes, docstrings."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"mltracker": "mltracker", "events": "mltracker.events", "projections": "mltracker.projections"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

FOUNDATION = {"errors", "models", "series"}
INNER = FOUNDATION | {"events", "ports", "projections", "commands", "capture"}
MAY_IMPORT = {
    "errors": set(),
    "models": {"html", "errors", "ports", "capture"},
    "series": {"errors", "html"},
    "events": {"errors"},
    "ports": {"models", "series"},
    "projections": {"events", "ports"} | FOUNDATION,
    "commands": {"events", "ports", "projections"} | FOUNDATION,
    "capture": {"models", "errors", "events"},
    "html": set(),
    "tracker": INNER | {"html", "reproduce"},
    "reproduce": {"tracker", "events", "capture", "html", "mltracker"} | FOUNDATION,
    "cli": {"tracker", "events", "mltracker", "reproduce"} | FOUNDATION,
    "__main__": {"cli"},
    "mltracker": INNER | {"tracker"},
}
"""Part -> the parts it may import, besides itself. A part is the first name below `mltracker`, or that itself."""

HOMES_OF_LIBRARY = {
    "pydantic": {"events", "reproduce"},
    "tinydb": {"projections"},
    "typer": {"cli"},
    "rich": {"cli", "tracker"},
}
OPTIONAL_LIBRARIES = {"numpy", "pandas", "polars", "sklearn", "torch", "jax", "scipy", "zstandard"}


def module_name(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in rest if part != "__init__")])


SOURCES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}
each_module = pytest.mark.parametrize("module", SOURCES)


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, but for those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (inner for other in child.orelse for inner in (other, *at_run_time(other)))
            continue
        yield child
        yield from at_run_time(child)


def imports(module: str) -> set[str]:
    found: set[str] = set()
    for node in at_run_time(TREES[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found.update(f"{base}.{alias.name}" if base == "mltracker" else base for alias in node.names)
    return found


def test_every_part_has_its_arrows() -> None:
    assert {part_of(module) for module in SOURCES} <= set(MAY_IMPORT)


@each_module
def test_imports_follow_the_arrows(module: str) -> None:
    part = part_of(module)
    ours = {name for name in imports(module) if name.split(".")[0] == "mltracker"}
    parts = {part_of(name) if part_of(name) in MAY_IMPORT else "mltracker" for name in ours}
    assert parts - {part} <= MAY_IMPORT[part], f"{module} imports {sorted(ours)}"


@each_module
def test_imports_are_absolute_and_by_the_installed_name(module: str) -> None:
    relative = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom) and node.level]
    assert not relative
    assert not {name.split(".")[0] for name in imports(module)} & {"events", "projections", "tests"}


def test_a_library_is_imported_in_its_home_only() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for module in SOURCES:
        for name in imports(module):
            users[name.split(".")[0]].add(module)
    for library, homes in HOMES_OF_LIBRARY.items():
        assert {part_of(module) for module in users[library]} <= homes, library
    for library in OPTIONAL_LIBRARIES:
        assert len(users[library]) <= 1, f"{library} is imported in {users[library]}"
    known = HOMES_OF_LIBRARY.keys() | OPTIONAL_LIBRARIES | {"mltracker", "orjson"} | sys.stdlib_module_names
    assert set(users) <= known


@each_module
def test_files_are_short(module: str) -> None:
    assert len(SOURCES[module].read_text().splitlines()) < LONGEST_FILE


@each_module
def test_functions_are_short(module: str) -> None:
    functions = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: lines for node in functions if (lines := node.end_lineno - node.lineno + 1) >= LONGEST_FUNCTION}
    assert not long


def documented(kind: type[ast.ClassDef] | type[ast.FunctionDef]) -> set[str]:
    """Names of classes, or of methods, with a docstring: what bases or overrides one inherits it."""
    owners = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    nodes = owners if kind is ast.ClassDef else [node for owner in owners for node in owner.body]
    return {node.name for node in nodes if isinstance(node, kind) and ast.get_docstring(node)}


CLASSES, METHODS = documented(ast.ClassDef), documented(ast.FunctionDef)
ATTRIBUTES = ("property", "cached_property", ".setter", "overload")


INNER_WORKS = re.compile(r"mltracker\.(events\.segments|projections)\.(?!projection$|read_model$|runner$|views$)")
"""Modules that no user imports: their classes need a docstring, their functions only where the name does not say it."""


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Public functions and classes without a docstring; attributes are described by that of their class."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            inherits = any(ast.unparse(base).split("[")[0] in CLASSES for base in node.bases)
            yield from undocumented(node.body, f"{prefix}{node.name}.")
        else:
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            inherits = bool(prefix) and (node.name in METHODS or any(name.endswith(ATTRIBUTES) for name in decorators))
        if not (ast.get_docstring(node) or inherits):
            yield prefix + node.name


@each_module
def test_everything_public_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(TREES[module]) or not TREES[module].body
    missing = list(undocumented(TREES[module].body))
    if INNER_WORKS.match(module):
        missing = [name for name in missing if name[0].isupper() and "." not in name]
    assert missing == []
