"""What differs between two checked recipes, in the words of the language.

Recipes are compared by what they mean: layout, comments, named regions and defaults that are
written out or left out make no difference. Two recipes compare as equal exactly when they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import tree_of
from redraft_dsl.syntax import format as layout
from redraft_dsl.syntax import tree as s

Kind = Literal["added", "removed", "moved", "renamed", "changed"]
Lines = Mapping[str, tuple[str, ...]]
"""What a rule says: texts by key, as in ``rank`` -> ``4`` or ``context`` -> several places."""


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: what happened on the way from the first recipe to the second.
        what: the thing in the language's words: ``rule hat``, ``rank of glasses``.
        before: in the first recipe; None where it has none.
        after: in the second recipe; None where it has none.

    """

    kind: Kind
    what: str
    before: str | None = None
    after: str | None = None

    def sentence(self) -> str:
        """One line for a reader."""
        match self.kind:
            case "added":
                return f"added    {self.what}{_shown(self.after)}"
            case "removed":
                return f"removed  {self.what}{_shown(self.before)}"
            case _:
                return f"{self.kind:<8} {self.what}: {self.before} -> {self.after}"


def compare(before: r.Recipe, after: r.Recipe) -> tuple[Difference, ...]:
    """Every difference, in the order in which a recipe says things; empty when there is none.

    A rule is the same rule when it has the same name. One that has another name and is otherwise
    equal counts as renamed.
    """
    first, second = tree_of(before), tree_of(after)
    return (
        *_heads(before, after),
        *_settings("the model", _model(first), _model(second)),
        *_parts_compared("latents", _latents(first), _latents(second), {}),
        *_rules(_operations(first), _operations(second)),
        *_masks(before, after),
    )


def _shown(text: str | None) -> str:
    return f": {text}" if text else ""


def _heads(before: r.Recipe, after: r.Recipe) -> Iterator[Difference]:
    for field in ("edition", "name", "version", "title"):
        old, new = str(getattr(before, field)), str(getattr(after, field))
        if old != new:
            yield Difference("changed", f"the recipe's {field}", old, new)


def _model(tree: s.Tree) -> Lines:
    found = next(each for each in tree.statements if isinstance(each, s.ModelStatement))
    items = found.block.items if found.block else ()
    return {"name": (found.name.text,), **_lines(items)}


@dataclass(frozen=True)
class _Part:
    """Latents or a rule: what it is, in a few words, and everything that it says."""

    kind: str
    summary: str
    owner: str
    lines: Lines


Parts = Mapping[str, _Part]
"""By their names."""


def _latents(tree: s.Tree) -> Parts:
    found = {}
    for node in tree.statements:
        if isinstance(node, s.LatentsStatement):
            name, lines = node.name.text, _lines(node.block.items)
            summary = ", ".join(f"{key} {text}" for key, (text,) in lines.items())
            found[name] = _Part("latents", summary, f"latents {name}", lines)
    return found


def _operations(tree: s.Tree) -> Parts:
    found = {}
    for node in tree.statements:
        if isinstance(node, s.Operation):
            kind, name, layer = node.kind.text, node.name.text, node.layer.text
            lines = {"kind": (kind,), "layer": (layer,), **_lines(node.block.items)}
            found[name] = _Part(kind, f"at {layer}", name, lines)
    return found


def _rules(before: Parts, after: Parts) -> Iterator[Difference]:
    renamed = _renamed(before, after)
    for old, new in renamed.items():
        yield Difference("renamed", f"{before[old].kind} {old}", old, new)
    yield from _parts_compared("rule", before, after, renamed)


def _renamed(before: Parts, after: Parts) -> dict[str, str]:
    """Rules of one side that the other has under another name only."""
    found: dict[str, str] = {}
    for old in (name for name in before if name not in after):
        same = (new for new, part in after.items() if part.lines == before[old].lines)
        new = next((name for name in same if name not in (*before, *found.values())), None)
        if new is not None:
            found[old] = new
    return found


def _parts_compared(
    what: str, before: Parts, after: Parts, renamed: Mapping[str, str]
) -> Iterator[Difference]:
    names = {name: renamed.get(name, name) for name in before}
    for old, part in before.items():
        new = after.get(names[old])
        if new is None:
            yield Difference("removed", f"{part.kind} {old}", part.summary)
        else:
            yield from _settings(new.owner, part.lines, new.lines)
    for name, part in after.items():
        if name not in names.values():
            yield Difference("added", f"{part.kind} {name}", None, part.summary)
    # Order is meaning: rules run one after another, and the first latents have the statistics.
    yield from order_differences(what, list(names.values()), list(after))


def order_differences(
    what: str, before: Sequence[str], after: Sequence[str]
) -> Iterator[Difference]:
    """Which of the names that both have stand at another place among them."""
    old = [name for name in before if name in after]
    new = [name for name in after if name in before]
    stay = _longest_common(old, new)
    for name in new:
        if name not in stay:
            places = (f"place {side.index(name) + 1} of {len(side)}" for side in (before, after))
            yield Difference("moved", f"{what} {name}", *places)


def _longest_common(first: Sequence[str], second: Sequence[str]) -> set[str]:
    """The names of a longest common subsequence of two orders of the same names."""
    best: dict[str, list[str]] = {}
    place = {name: number for number, name in enumerate(second)}
    for name in first:
        shorter = [run for run in best.values() if place[run[-1]] < place[name]]
        best[name] = [*_longest(shorter), name]
    return set(_longest(best.values()))


def _longest(runs: Iterable[list[str]]) -> list[str]:
    nothing: list[str] = []
    return max(runs, key=len, default=nothing)


def _lines(items: Iterable[s.Item]) -> Lines:
    """Items by key; a block's settings stand under ``loss of solver``."""
    found: dict[str, tuple[str, ...]] = {}
    for item in items:
        for key, text in _texts(item):
            found[key] = (*found.get(key, ()), text)
    return found


def _texts(item: s.Item) -> Iterator[tuple[str, str]]:
    match item:
        case s.PlaceLine():
            yield (
                item.key.text,
                "each context" if item.place is None else layout.place(item.place),
            )
        case s.MatchLine():
            yield item.key.text, layout.match_tail(item)
        case s.Setting():
            yield item.key.text, layout.value(item.value)
            for key, texts in _lines(item.block.items if item.block else ()).items():
                for text in texts:
                    yield f"{key} of {item.key.text}", text


def _settings(owner: str, before: Lines, after: Lines) -> Iterator[Difference]:
    for key in {**before, **after}:
        old, new = before.get(key, ()), after.get(key, ())
        what = f"{key} of {owner}"
        if old == new:
            continue
        if len(old) == len(new) == 1:
            yield Difference("changed", what, old[0], new[0])
        elif Counter(old) == Counter(new):
            yield Difference("moved", what, "; ".join(old), "; ".join(new))
        else:
            gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
            yield from (Difference("removed", what, text) for text in gone.elements())
            yield from (Difference("added", what, None, text) for text in come.elements())
            yield from _moved_lines(what, old, new)


def _moved_lines(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    """Places that both have, where they stand in another order."""
    both = Counter(old) & Counter(new)
    sides = [[text for text in side if text in both] for side in (old, new)]
    if Counter(sides[0]) == Counter(sides[1]) and sides[0] != sides[1]:
        yield Difference("moved", what, *("; ".join(side) for side in sides))


def _masks(before: r.Recipe, after: r.Recipe) -> Iterator[Difference]:
    """Masks with the same name and another picture."""
    old, new = (dict(_pictures(side.model_dump())) for side in (before, after))
    for path in sorted(old.keys() & new.keys()):
        if old[path] != new[path]:
            shas = (f"sha256 {side[path][:12]}" for side in (old, new))
            yield Difference("changed", f'the picture of mask("{path}")', *shas)


def _pictures(data: Any) -> Iterator[tuple[str, str]]:
    """Path and sha256 of every mask in the plain data of a recipe."""
    if isinstance(data, Mapping):
        if data.get("kind") == "mask":
            yield data["path"], data["sha256"]
        for value in data.values():
            yield from _pictures(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _pictures(value)
