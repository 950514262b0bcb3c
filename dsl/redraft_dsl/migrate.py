"""A recipe moved to a newer edition, with the proof that it means the same.

Step by step: the next edition's words for the old ones, every default that it has otherwise written
out, its layout. The new text is read and checked like any other, and the
two checked recipes are compared. Where they differ in anything but the edition, nothing comes of
it: a recipe is moved whole, or stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import tree_of
from redraft_dsl.recipe.compare import compare
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import SHIPPED, Editions

NOWHERE = Span(0, 0)
Blocks: TypeAlias = Mapping[tuple[str, str], s.Block]
"""The block of each statement that has one, by what kind it is and its name."""

ROUNDS = 3
"""A setting in one, those in its block in the next, and one to see that nothing is left."""


@dataclass(frozen=True)
class Moved:
    """What came of moving a recipe.

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


class CannotMoveError(Exception):
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
) -> Moved:
    """Move a recipe to a newer edition, by default the newest.

    Args:
        checked: the recipe, without errors.
        models: the model list.
        folder: where its paths start.
        to: the number of the edition.
        editions: the editions that there are.

    Raises:
        CannotMoveError: the recipe would mean something else, or nothing.
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
    mover = _Mover(models, folder, checked.source.path, editions)
    moved = Moved(recipe.edition, recipe.edition, checked.source.text)
    while moved.after < target:
        checked, moved = mover.step(checked, moved)
    return moved


@dataclass(frozen=True)
class _Mover:
    """What texts are read with while a recipe is moved."""

    models: KnownModels
    folder: Path
    path: str
    editions: Editions

    def step(self, checked: Checked, moved: Moved) -> tuple[Checked, Moved]:
        """From one edition to the next."""
        edition = self.editions.after(moved.after)
        assert edition is not None  # the target is known
        tree, _ = self.editions.known[moved.after].read(checked.tree)
        tree = _numbered(tree, edition)
        written: list[str] = []
        for _ in range(ROUNDS):
            found = self.read(tree, edition)
            tree, added = self.written_out(tree, checked, found)
            if not added:
                break
            written += added
        self.prove(checked, found, edition)
        out = (*moved.written_out, *written)
        return found, Moved(moved.before, edition, found.source.text, out)

    def read(self, tree: s.Tree, edition: int) -> Checked:
        """A tree in the checker's words as the text of an edition, read again."""
        target = self.editions.known[edition]
        text = target.layout(target.write(tree))
        return loads(text, self.models, folder=self.folder, path=self.path, editions=self.editions)

    def written_out(
        self, tree: s.Tree, before: Checked, after: Checked
    ) -> tuple[s.Tree, list[str]]:
        """The tree with the settings that another default has changed, and which these are."""
        if before.recipe is None or after.recipe is None:
            return tree, []
        wanted, got = _blocks(before.recipe), _blocks(after.recipe)
        statements: list[s.Statement] = []
        added: list[str] = []
        for node in tree.statements:
            made, keys = _filled(node, wanted, got)
            statements.append(made)
            added += keys
        return replace(tree, statements=tuple(statements)), added

    def prove(self, before: Checked, after: Checked, edition: int) -> None:
        """Raise CannotMoveError unless both mean the same and no comment is lost."""
        wanted, got = before.recipe, after.recipe
        assert wanted is not None  # the first was checked, each other one proved
        if got is None:
            raise CannotMoveError(edition, ["the new text has errors"], after)
        if got != wanted.model_copy(update={"edition": edition}):
            raise CannotMoveError(edition, _differences(wanted, got))
        if (before.params, before.sweeps) != (after.params, after.sweeps):
            raise CannotMoveError(edition, ["its parameters or sweeps would change"])
        if _comments(before) - _comments(after):
            raise CannotMoveError(edition, ["a comment would be lost"])


def _filled(node: s.Statement, wanted: Blocks, got: Blocks) -> tuple[s.Statement, list[str]]:
    """A statement with the settings that another default has changed, and which these are."""
    owner = _owner(node)
    if not isinstance(node, s.Operation | s.ModelStatement) or node.block is None:
        return node, []
    if owner is None or owner not in wanted or owner not in got:
        return node, []
    items, keys = _completed(node.block.items, wanted[owner].items, got[owner].items)
    filled = replace(node, block=replace(node.block, items=items))
    return filled, [f"{key} of {node.name.text}" for key in keys]


def _differences(wanted: r.Recipe, got: r.Recipe) -> list[str]:
    """In the words of the language; all but the edition."""
    same = got.model_copy(update={"edition": wanted.edition})
    return [" ".join(found.sentence().split()) for found in compare(wanted, same)]


def _comments(checked: Checked) -> Counter[str]:
    return Counter(comment.text for comment in s.comments_of(checked.tree))


def _numbered(tree: s.Tree, edition: int) -> s.Tree:
    """The tree with another edition in its first line."""
    value = s.Number(str(edition), NOWHERE)
    statements = tuple(
        replace(node, value=value) if isinstance(node, s.EditionLine) else node
        for node in tree.statements
    )
    return replace(tree, statements=statements)


def _owner(node: s.Statement) -> tuple[str, str] | None:
    """What tells the block of a statement from all others."""
    if isinstance(node, s.Operation):
        return node.kind.text, node.name.text
    return ("model", node.name.text) if isinstance(node, s.ModelStatement) else None


def _blocks(recipe: r.Recipe) -> Blocks:
    """The blocks of a recipe, with everything written out in them."""
    found: dict[tuple[str, str], s.Block] = {}
    for node in tree_of(recipe, whole=True).statements:
        owner = _owner(node)
        block = getattr(node, "block", None)
        if owner is not None and isinstance(block, s.Block):
            found[owner] = block
    return found


def _completed(
    items: tuple[s.Item, ...], wanted: tuple[s.Item, ...], got: tuple[s.Item, ...]
) -> tuple[tuple[s.Item, ...], list[str]]:
    """Items with the settings that are not written and differ; and the keys of these.

    Args:
        items: as the recipe has them.
        wanted: everything that they must come to mean.
        got: everything that they mean now.

    """
    written = {item.key.text: at for at, item in enumerate(items) if isinstance(item, s.Setting)}
    now = {item.key.text: item for item in got if isinstance(item, s.Setting)}
    made = list(items)
    keys: list[str] = []
    for item in wanted:
        if not isinstance(item, s.Setting) or item == now.get(item.key.text):
            continue
        key = item.key.text
        if key not in written:
            inner = item.block if now.get(key) and item.value == now[key].value else None
            made.append(replace(item, block=_differing(inner, now.get(key))))
            keys.append(key)
            continue
        own, other = made[written[key]], now.get(key)
        if isinstance(own, s.Setting) and item.block is not None and other is not None:
            block = own.block or s.Block((), NOWHERE)
            other_items = other.block.items if other.block else ()
            inner_items, inner_keys = _completed(block.items, item.block.items, other_items)
            if inner_keys:
                made[written[key]] = replace(own, block=replace(block, items=inner_items))
                keys += [f"{inner} of {key}" for inner in inner_keys]
    return tuple(made), keys


def _differing(block: s.Block | None, now: s.Setting | None) -> s.Block | None:
    """Only those settings of a block that are otherwise now; None for none."""
    if block is None:
        return None
    there = now.block.items if now is not None and now.block else ()
    items = tuple(item for item in block.items if item not in there)
    return replace(block, items=items) if items else None
