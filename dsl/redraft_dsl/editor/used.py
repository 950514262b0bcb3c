"""The recipes that a document uses, as an editor asks about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from redraft_dsl.check import Checked
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.positions import Text
from redraft_dsl.files import inside, path_fault
from redraft_dsl.reading import load
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import tree_of
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import format_tree, parameter, value


@dataclass(frozen=True)
class UsedRecipe:
    """A recipe file that can be read, as it stands on the disk."""

    file: Path
    checked: Checked

    @property
    def where(self) -> str:
        """The file's name."""
        return f"`{self.file.name}`"

    @property
    def header(self) -> s.RecipeLine | None:
        """The line with its name, version and title."""
        nodes = self.checked.tree.statements
        return next((node for node in nodes if isinstance(node, s.RecipeLine)), None)

    @cached_property
    def rules(self) -> Mapping[str, s.Operation | s.Include]:
        """Its rules by their names, those that it includes too."""
        nodes = self.checked.tree.statements
        return {n.name.text: n for n in nodes if isinstance(n, s.Operation | s.Include)}

    @cached_property
    def params(self) -> Mapping[str, s.ParamLine]:
        """Its parameters by their names."""
        nodes = self.checked.tree.statements
        return {node.name.text: node for node in nodes if isinstance(node, s.ParamLine)}

    @cached_property
    def resolved(self) -> Mapping[str, s.Operation]:
        """Its rules with everything written out; none where it has errors."""
        return {} if self.checked.recipe is None else written_out(self.checked.recipe)

    def rule(self, name: str) -> s.Operation | None:
        """A rule with everything written out; as it stands where the recipe has errors."""
        found = self.rules.get(name)
        return self.resolved.get(name) or (found if isinstance(found, s.Operation) else None)

    def place(self, span: Span | None, encoding: str) -> types.Location:
        """A place in the file; its beginning where it is not known."""
        text = Text(self.checked.source.text, str(self.file), encoding)
        return types.Location(self.file.as_uri(), text.range(span or Span(0, 0)))

    def declaration(self, kind: str, name: str) -> Span | None:
        """Where a rule or a parameter is declared; for anything else, the recipe's own name."""
        if kind == "recipe":
            return self.header.name.span if self.header else None
        node = self.rules.get(name) if kind == "rule" else self.params.get(name)
        return node.name.span if node is not None else None

    def about(self) -> str:
        """What the recipe is, and what can be included from it."""
        header = self.header
        lines = [f"{self.where} cannot be read as a recipe"]
        if header is not None:
            lines = [f"{self.where}: `{header.name.text}` {header.version.text}"]
            lines.append(header.title.text)
        if self.checked.errors:
            lines.append(f"It has errors: {self.checked.errors[0].message}.")
        listed = [f"- `{name}`: {short(node)}" for name, node in self.rules.items()]
        listed += [f"- `{parameter(line)}`" for line in self.params.values()]
        return "\n\n".join(line for line in (*lines, "\n".join(listed)) if line)


def short(node: s.Operation | s.Include) -> str:
    """A rule in a few words: its operation and its layer, or where it comes from in turn."""
    if isinstance(node, s.Operation):
        return f"{node.kind.text} at {node.layer.text}"
    return f"include {node.alias.text}.{node.rule.text}"


def written_out(recipe: r.Recipe) -> Mapping[str, s.Operation]:
    """The rules of a recipe as statements in which nothing is left out."""
    nodes = tree_of(recipe).statements
    return {node.name.text: node for node in nodes if isinstance(node, s.Operation)}


def text_of(operation: s.Operation) -> str:
    """An operation as a piece of Markdown."""
    return f"```redraft\n{format_tree(s.Tree((operation,))).strip()}\n```"


def values_of(operation: s.Operation | None) -> Mapping[str, str]:
    """What an operation says of its settings, and of its layer."""
    if operation is None:
        return {}
    items = (item for item in operation.block.items if isinstance(item, s.Setting))
    return {
        "layer": operation.layer.text,
        **{item.key.text: value(item.value) for item in items},
    }


def used_as(examined: Examined, alias: str) -> UsedRecipe | None:
    """The recipe that a document uses under a name; None where it cannot be read."""
    for node in examined.tree.statements:
        if isinstance(node, s.UseLine) and node.name.text == alias:
            return used_from(examined, node.path.text)
    return None


def used_from(examined: Examined, path: str) -> UsedRecipe | None:
    """The recipe at a path in a document's folder; None where it cannot be read."""
    folder = examined.document.folder
    file = inside(folder, path) if path_fault(path) is None else None
    if file is None or not file.is_file():
        return None
    checked = load(file, examined.models, facts=examined.facts, editions=examined.editions)
    return UsedRecipe(file, checked)
