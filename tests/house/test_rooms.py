"""The order of the rooms of both wings: imports point downward, and nothing goes in a circle.

Every import counts: those inside functions, and those for type checkers alone. A room is a folder
or a module right below its wing.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME, LANGUAGE = "redraft", "redraft_dsl"
WINGS = {RUNTIME: ROOT / "runtime", LANGUAGE: ROOT / "dsl"}

FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    RUNTIME: (
        ("errors",),
        ("explain",),  # shows errors, and gives everybody the words for them
        ("disk",),
        ("models",),
        ("memory",),
        ("solve",),
        ("edit",),
        ("judge",),
        ("rivals",),
        ("plans",),
        ("runs",),
        ("world", "chains"),
        ("show",),
        ("live",),
        ("sweep", "share", "notebook"),
        ("verbs",),
        ("dsl", "__init__"),  # the face: it may name whatever a user reaches through it
        ("studio",),
        ("bench",),  # below the command line, which prints what it measures
        ("cli",),  # starts studio too
        ("__main__",),
    ),
    LANGUAGE: (
        ("source", "facts", "files"),
        ("language",),
        ("colours",),
        ("report",),
        ("syntax",),
        ("recipe",),
        ("geometry",),
        ("check",),
        ("reading", "flatten", "builder_values"),
        ("builder", "migrate", "davidbau"),
        ("editor",),
        ("__init__",),
    ),
}
MODELS = (
    ("checkpoint",),
    (
        "generator",
        "latents",
        "device",
        "arithmetic",
        "elsewhere",
    ),  # what every architecture speaks of
    ("samplers", "partners"),
    ("arch",),
    ("hooked",),
    ("kinds", "code"),
    ("listed",),  # the list names architectures
    ("locate",),
    ("batches",),
    ("open",),
)
"""The floors of the room of models, which has rooms of its own."""
LAZY = {
    ("redraft.cli", "redraft.cli.process"): "Ctrl-C is quiet while the program is being loaded",
    ("redraft.cli.arguments.generators", "redraft.models.code.reference"): "few commands need it",
    ("redraft.models.code.given", "redraft.models.hooked.memory"): "loads torch",
    ("redraft.notebook", "redraft.notebook.magic"): "loads IPython",
    ("redraft.notebook.magic", "redraft.notebook.running"): "loads torch",
    ("redraft.plans.obeying", "redraft.models.checkpoint.weights"): "loads torch",
    ("redraft.verbs", "redraft.models.arithmetic"): "loads torch",
    ("redraft.verbs", "redraft.runs.verify"): "loads torch",
    ("redraft.verbs", "redraft.show.report.outputs"): "loads torch",
    ("redraft_dsl.editor.figures", "redraft_dsl.geometry.regions"): "loads numpy",
    ("redraft_dsl.geometry.measure", "redraft_dsl.geometry.regions"): "loads numpy",
    ("redraft_dsl.report.html", "redraft_dsl.colours.highlight"): "loads Pygments",
}
"""Imports inside functions, the commands' apart, each with its reason."""
MOST_LAZY = 12


@dataclass(frozen=True)
class Import:
    """One import of one module by another; ``lazy`` where it stands in a function."""

    by: str
    of: str
    line: int
    lazy: bool

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


@cache
def modules(wing: str) -> dict[str, Path]:
    found = {}
    for path in sorted((WINGS[wing] / wing).rglob("*.py")):
        parts = path.relative_to(WINGS[wing]).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def imports(wing: str) -> tuple[Import, ...]:
    """Every import of a module of either wing by a module of this one."""
    return tuple(chain.from_iterable(_imports(name, path) for name, path in modules(wing).items()))


def _imports(name: str, path: Path) -> Iterator[Import]:
    known = modules(RUNTIME) | modules(LANGUAGE)

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import | ast.ImportFrom):
                for target in _targets(child):
                    whole, _, _ = target.rpartition(".")
                    of = target if target in known else whole
                    if of in known:
                        yield Import(name, of, child.lineno, inside)
            yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), lazy=False)


def _targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"{alias.name}." for alias in node.names]
    assert node.level == 0, "imports are written in full"
    return [f"{node.module}.{alias.name}" for alias in node.names]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def inner_room(module: str) -> str:
    return (module.split(".") + ["__init__"] * 2)[2]


def order(floors: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    return {name: height for height, names in enumerate(floors) for name in names}


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@pytest.mark.parametrize("wing", [RUNTIME, LANGUAGE])
def test_every_room_has_a_floor(wing: str) -> None:
    rooms = {room(name) for name in modules(wing)}
    assert rooms - set(order(FLOORS[wing])) == set()


@pytest.mark.parametrize("wing", [RUNTIME, LANGUAGE])
def test_no_room_imports_one_of_its_own_floor_or_above(wing: str) -> None:
    height = order(FLOORS[wing])
    own = [each for each in imports(wing) if each.of.split(".")[0] == wing]
    upward = {
        (each.by, each.of)
        for each in own
        if room(each.by) != room(each.of) and height[room(each.by)] <= height[room(each.of)]
    }
    assert upward == set()


def test_the_rooms_of_the_models_are_in_order_too() -> None:
    height = order(MODELS)
    inside = [
        each
        for each in imports(RUNTIME)
        if each.by.startswith("redraft.models.") and each.of.startswith("redraft.models.")
    ]
    assert [
        str(each)
        for each in inside
        if inner_room(each.by) != inner_room(each.of)
        and height[inner_room(each.by)] <= height[inner_room(each.of)]
    ] == []


@pytest.mark.parametrize("wing", [RUNTIME, LANGUAGE])
def test_no_modules_import_each_other_in_a_circle(wing: str) -> None:
    graph: dict[str, set[str]] = {}
    for each in imports(wing):
        graph.setdefault(each.by, set()).add(each.of)
    assert circle(graph) == []


def test_imports_inside_functions_are_few_and_have_a_reason() -> None:
    found = {
        (each.by, each.of)
        for each in (*imports(RUNTIME), *imports(LANGUAGE))
        if each.lazy and not each.by.startswith("redraft.cli.commands.")
    }
    assert found == set(LAZY)
    assert len(LAZY) <= MOST_LAZY


def test_the_language_never_imports_torch_or_the_runtime() -> None:
    for path in modules(LANGUAGE).values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                first = {target.split(".")[0] for target in _targets(node)}
                assert not first & {"torch", RUNTIME}, path


def test_what_says_that_it_needs_no_torch_loads_none() -> None:
    without = [
        name
        for name, path in modules(RUNTIME).items()
        if "No torch." in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    ]
    assert len(without) >= 10
    code = (
        "import sys\n"
        "from importlib import import_module\n"
        "for name in sys.argv[1:]:\n"
        "    import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *without], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
