"""The recipe language: reading, checking, formatting and explaining ``.redraft`` files.

This package never imports torch, so that checking a recipe is quick. Names are loaded on first
use: importing the package itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redraft_dsl.check import Checked
    from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts
    from redraft_dsl.reading import load, loads
    from redraft_dsl.recipe.as_tree import print_recipe
    from redraft_dsl.recipe.model import Recipe
    from redraft_dsl.report.diagnostics import Diagnostic
    from redraft_dsl.report.explain import explain
    from redraft_dsl.report.terminal import render
    from redraft_dsl.source import Source
    from redraft_dsl.syntax.editions import format_text
    from redraft_dsl.syntax.format import format_tree
    from redraft_dsl.syntax.parse import Parsed

_HOMES = {
    "Checked": "check",
    "Diagnostic": "report.diagnostics",
    "KnownModels": "facts",
    "LayerFacts": "facts",
    "ModelFacts": "facts",
    "Parsed": "syntax.parse",
    "Recipe": "recipe.model",
    "Source": "source",
    "explain": "report.explain",
    "format_text": "syntax.editions",
    "format_tree": "syntax.format",
    "load": "reading",
    "loads": "reading",
    "print_recipe": "recipe.as_tree",
    "render": "report.terminal",
}

__all__ = [
    "Checked",
    "Diagnostic",
    "KnownModels",
    "LayerFacts",
    "ModelFacts",
    "Parsed",
    "Recipe",
    "Source",
    "explain",
    "format_text",
    "format_tree",
    "load",
    "loads",
    "print_recipe",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `redraft_dsl` has no attribute `{name}`")
    return getattr(import_module(f"redraft_dsl.{_HOMES[name]}"), name)
