"""A recipe moved to a newer edition, with the proof that it means the same.

Step by step: the next edition's words for the old ones, every default that it has otherwise written
out, its layout. The new text is read and checked like any other, and the two checked recipes are
compared. Where they differ in anything but the edition, the result is dropped: a recipe is moved
whole, or stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.language.language import Language
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import setting_of
from redraft_dsl.recipe.compare import compare
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import SHIPPED, Editions


@dataclass(frozen=True)
class Migrated:
    """The result of moving a recipe.

    Attributes:
        before: the edition that it was written in.
        after: the edition of ``text``; the same as ``before`` when there was nothing to do.
        text: the new text.
        written_out: the settings that were written out, as ``rank of glasses``.

    """

    before: int
    after: int
    text: str
    written_out: tuple[str, ...] = ()


class MigrationError(Exception):
    """A recipe cannot be moved. ``reasons`` say why; ``checked`` is a new text with errors."""

    def __init__(self, to: int, reasons: Iterable[str], checked: Checked | None = None) -> None:
        self.to = to
        self.reasons = tuple(reasons)
        self.checked = checked
        super().__init__("; ".join(self.reasons))


class NoSuchEditionError(Exception):
    """The edition that was asked for is not one that the recipe can be moved to."""


def migrate(
    checked: Checked,
    models: KnownModels,
    folder: Path,
    *,
    to: int | None = None,
    editions: Editions = SHIPPED,
) -> Migrated:
    """Move a recipe to a newer edition, by default the newest.

    Args:
        checked: the recipe, without errors.
        models: the model list.
        folder: where its paths start.
        to: the number of the edition.
        editions: the editions that there are.

    Raises:
        MigrationError: the recipe would mean something else, or nothing.
        NoSuchEditionError: ``to`` is unknown, or older than the recipe.

    """
    recipe = checked.recipe
    assert recipe is not None, "asked for only where there is one"
    target = editions.latest if to is None else to
    if target not in editions.known:
        raise NoSuchEditionError(f"there is no edition {target}")
    if target < recipe.edition:
        raise NoSuchEditionError(
            f"the recipe is written in edition {recipe.edition}, which is newer than {target}"
        )
    migrator = _Migrator(models, folder, checked.source.path, editions)
    moved = Migrated(recipe.edition, recipe.edition, checked.source.text)
    while moved.after < target:
        checked, moved = migrator.step(checked, moved)
    return moved


@dataclass(frozen=True)
class _Migrator:
    """What texts are read with while a recipe is moved."""

    models: KnownModels
    folder: Path
    path: str
    editions: Editions

    def step(self, checked: Checked, moved: Migrated) -> tuple[Checked, Migrated]:
        """From one edition to the next."""
        edition = self.editions.after(moved.after)
        assert edition is not None  # the target is known
        tree, _ = self.editions.known[moved.after].read(checked.tree)
        defaults = _Defaults(self.editions.language, moved.after, edition)
        made = [defaults.written_out(node) for node in _numbered(tree, edition).statements]
        found = self.read(replace(tree, statements=tuple(node for node, _ in made)), edition)
        self.prove(checked, found, edition)
        out = (*moved.written_out, *(key for _, keys in made for key in keys))
        return found, Migrated(moved.before, edition, found.source.text, out)

    def read(self, tree: s.Tree, edition: int) -> Checked:
        """A tree in the checker's words as the text of an edition, read again."""
        target = self.editions.known[edition]
        text = target.layout(target.write(tree))
        return loads(text, self.models, folder=self.folder, path=self.path, editions=self.editions)

    def prove(self, before: Checked, after: Checked, edition: int) -> None:
        """Raise MigrationError unless both mean the same and no comment is lost."""
        wanted, got = before.recipe, after.recipe
        assert wanted is not None  # the first was checked, each other one proved
        if got is None:
            raise MigrationError(edition, ["the new text has errors"], after)
        if got != wanted.model_copy(update={"edition": edition}):
            raise MigrationError(edition, _differences(wanted, got))
        if (before.params, before.sweeps, before.expects) != (
            after.params,
            after.sweeps,
            after.expects,
        ):
            raise MigrationError(edition, ["its parameters, sweeps or expectations would change"])
        if _comments(before) - _comments(after):
            raise MigrationError(edition, ["a comment would be lost"])


@dataclass(frozen=True)
class _Defaults:
    """The defaults of two editions."""

    language: Language
    before: int
    after: int

    def written_out(self, node: s.Statement) -> tuple[s.Statement, list[str]]:
        """A statement with the settings whose default is another now, and which these are."""
        if not isinstance(node, s.Operation | s.ModelStatement) or node.block is None:
            return node, []
        owner = node.kind.text if isinstance(node, s.Operation) else "model"
        authors = any(isinstance(n, s.Word) and n.text == "davidbau" for n in s.walk(node.block))
        block, keys = self.filled(owner, node.block, authors=authors)
        return replace(node, block=block), [f"{key} of {node.name.text}" for key in keys]

    def filled(self, owner: str, block: s.Block, *, authors: bool) -> tuple[s.Block, list[str]]:
        """A block with the settings that it does not give; ``authors`` has defaults of its own."""
        rows = self.language.block(owner)
        given = {item.key.text: item for item in block.items if isinstance(item, s.Setting)}
        settled = {rows[key].instead_of for key in given if key in rows}
        items, keys = list(block.items), list[str]()
        for row in rows.values():
            old, own = row.default(self.before), given.get(row.name)
            if own is None and (old is None or row.name in settled):
                continue
            setting, further = own or setting_of(row, old), list[str]()
            if row.kind == "group":
                setting, further = self.group(setting, authors=authors)
            if own is not None:
                items[items.index(own)] = setting
                keys += [f"{key} of {row.name}" for key in further]
            elif further or (old != row.default(self.after) and not (authors and row.davidbau)):
                items.append(setting)
                keys.append(row.name)
        return replace(block, items=tuple(items)), keys

    def group(self, setting: s.Setting, *, authors: bool) -> tuple[s.Setting, list[str]]:
        """A setting with settings of its own, those filled in."""
        block = setting.block or s.Block(())
        block, keys = self.filled(setting.value.text, block, authors=authors)
        return replace(setting, block=block if keys else setting.block), keys


def _differences(wanted: r.Recipe, got: r.Recipe) -> list[str]:
    """In the words of the language; all but the edition."""
    same = got.model_copy(update={"edition": wanted.edition})
    return [" ".join(found.sentence().split()) for found in compare(wanted, same)]


def _comments(checked: Checked) -> Counter[str]:
    return Counter(comment.text for comment in s.comments_of(checked.tree))


def _numbered(tree: s.Tree, edition: int) -> s.Tree:
    """The tree with another edition in its first line."""
    value = s.Number(str(edition))
    statements = tuple(
        replace(node, value=value) if isinstance(node, s.EditionLine) else node
        for node in tree.statements
    )
    return replace(tree, statements=statements)
