"""Places as lines of the recipe: those that a person marks, and those that a search has given."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from redraft.errors import PlanError
from redraft.live.model import Model
from redraft.studio.gallery import TOP, Sought
from redraft.studio.masks import painted, written
from redraft.studio.session import Session
from redraft.studio.text.edits import changed, fresh_name, grown
from redraft.studio.text.numbers import in_short
from redraft.studio.text.view import images_named
from redraft.studio.web import messages as m
from redraft_dsl.geometry.regions import Coverage
from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import parse

TEMPORARY = ".redraft-search-"
"""How the folder begins that holds a painted mask while it is searched with."""
STALE = 3600.0
"""Seconds after which such a folder was left by a studio that was killed."""
_BOX = re.compile(r"box\([^()]*\)")


# ---- marking ----------------------------------------------------------------------------------


def mark(session: Session, asked: m.Mark) -> dict[str, Any]:
    """Write a place into a rule; into a new one where none is named."""
    document, latents = session.need(), session.latents()
    if asked.image >= latents.count:
        raise PlanError("RD811", f"there is no image {asked.image}", "choose one of the sheet")
    rule = asked.rule or fresh_name(document.text, "rule-1")
    region = _region(session, asked.region, asked.mask, f"{rule}-{asked.image}")
    line = f"{asked.word:<7} {latents.name}[{asked.image}] {region}"
    if not asked.rule:
        layers = session.model.layers if session.model is not None else ()
        if not layers:
            raise PlanError("RD819", "the model is not open yet", "wait until its pictures come")
        layer = layers[len(layers) // 2].name
        text, words = changed(
            document.text,
            [m.Add(kind="add", text=f"rule {rule} at {layer} {{\n  {line}\n}}")],
        )
    else:
        _known_word(document.text, rule, asked.word)
        target = asked.target or _single(document.text, rule, asked.word)
        changes = [_line_change(document.text, rule, target, line)]
        alone = _without(document.text, target, asked.image) if asked.target else None
        if isinstance(alone, m.Replace):
            # One of several images gets a line of its own; the others stay as they are.
            number = target.rpartition(".")[2]
            changes = [alone, m.Add(kind="add", owner=rule, text=line, after=number)]
        text, words = changed(document.text, changes)
    if words:
        words = f"Mark {asked.word} in {asked.image}"
    session.take(text, words, asked.drag)
    if asked.mask:
        clear_masks(session)
    return {"rule": rule, "region": region, "target": _address(text, rule, asked.word, line)}


def clear_masks(session: Session) -> None:
    """Remove painted files of this session that no text, snapshot or step of the history names."""
    snapshots = (each.text for each in session.snapshots.held)
    session.masks.clear((*session.need().texts, *snapshots, *session.follower.texts))


def _address(text: str, rule: str, word: str, line: str) -> str:
    """Where a line stands that was just written."""
    lines = [each for each in _items(text, rule) if each.key.text == word]
    same = [n for n, each in enumerate(lines) if text[each.span.start : each.span.end] == line]
    return f"{rule}.{word}[{same[-1]}]" if same else ""


def unmark(session: Session, asked: m.Unmark) -> dict[str, Any]:
    """Take one image out of a line, and the line with it where it names no other."""
    text = session.need().text
    edited, words = changed(text, [_without(text, asked.target, asked.image)])
    session.take(edited, words and f"Remove {asked.image} from {asked.target.rpartition('.')[2]}")
    return {}


def _without(text: str, target: str, image: int) -> m.AnyChange:
    """A line without one of its images."""
    rule, _, rest = target.rpartition(".")
    word, _, number = rest.rstrip("]").partition("[")
    lines = [each for each in _items(text, rule) if each.key.text == word]
    if not number.isdecimal() or int(number) >= len(lines):
        raise PlanError("RD812", f"there is no line `{target}`", "look at the text, and try again")
    line = lines[int(number)]
    place = s.place_of(line)
    found = None if place is None else images_named(parse(Source("<text>", text)).tree, place)
    if place is None or found is None or isinstance(line, s.MatchLine):
        return m.Drop(kind="drop", target=target)
    latents, numbers = found
    left = [each for each in numbers if each != image]
    if len(left) == len(numbers):
        raise PlanError("RD811", f"`{target}` does not name image {image}", "look at the text")
    if not left:
        return m.Drop(kind="drop", target=target)
    before = text[line.span.start : place.images.span.start]
    after = text[place.images.span.end : line.span.end]
    return m.Replace(
        kind="replace", target=target, text=f"{before}{latents}[{in_short(left)}]{after}"
    )


def _known_word(text: str, rule: str, word: str) -> None:
    kind = _kind(text, rule)
    if word not in LANGUAGE.lines_of(kind):
        taken = ", ".join(f"`{each}`" for each in LANGUAGE.lines_of(kind))
        raise PlanError("RD812", f"`{kind}` has no line `{word}`", f"it has {taken}")


def _kind(text: str, rule: str) -> str:
    for node in parse(Source("<text>", text)).tree.statements:
        if isinstance(node, s.Operation) and node.name.text == rule:
            return node.kind.text
    raise PlanError("RD812", f"there is no rule `{rule}` that is written here", "look at the text")


def _line_change(text: str, rule: str, target: str, line: str) -> m.AnyChange:
    if target:
        return m.Replace(kind="replace", target=target, text=line)
    order = list(LANGUAGE.lines_of(_kind(text, rule)))
    place = order.index(line.split()[0])
    items = [each for each in _items(text, rule) if isinstance(each, s.PlaceLine | s.MatchLine)]
    before = [each for each in items if order.index(each.key.text) <= place]
    if before:
        word = before[-1].key.text
        last = sum(each.key.text == word for each in before) - 1
        return m.Add(kind="add", owner=rule, text=line, after=f"{word}[{last}]")
    if items:
        old = text[items[0].span.start : items[0].span.end]
        number = f"{rule}.{items[0].key.text}[0]"
        return m.Replace(kind="replace", target=number, text=f"{line}\n  {old}")
    return m.Add(kind="add", owner=rule, text=line)


def _items(text: str, rule: str) -> tuple[s.Item, ...]:
    for node in parse(Source("<text>", text)).tree.statements:
        if isinstance(node, s.Operation) and node.name.text == rule:
            return node.block.items
    return ()


def _single(text: str, rule: str, word: str) -> str:
    """The line that a new one takes the place of, where a rule has but one of its word."""
    line = LANGUAGE.lines_of(_kind(text, rule)).get(word)
    if line is None or not line.single:
        return ""
    return f"{rule}.{word}[0]" if any(i.key.text == word for i in _items(text, rule)) else ""


def _region(session: Session, region: str, mask: str, name: str) -> str:
    """A region as the text writes it; a painted one is written to a file first."""
    if not mask:
        return region
    return f'mask("{session.masks.write(painted(mask), session.home, name)}")'


# ---- searching --------------------------------------------------------------------------------


def search(session: Session, asked: m.Search) -> dict[str, Any]:
    """Look for places like one; what was painted becomes no file of the folder."""
    latents, home = session.latents(), session.home
    last = min(asked.last, latents.count - 1)
    if last < asked.first:
        raise PlanError("RD811", "the range of pictures is empty", "write it like `0..199`")
    area = painted(asked.mask) if asked.mask else None
    sought = Sought(asked.image, asked.region, area, (asked.first, last))
    head = regions_of(session)

    def run(model: Model, cancel: Event) -> dict[str, Any]:
        with _lent(area, home) as region:
            found = model.match(
                f"{latents.name}[{asked.image}] {region or asked.region}",
                layer=asked.layer,
                top=min(TOP, last - asked.first + 1),
                among=(asked.first, last),
                seed=latents.seed,
                count=latents.count,
                folder=home,
                cancel=cancel,
                head=head,
            )
        for each in found:
            sought.found[each.index] = each.box()
        session.gallery.originals(latents.seed, [each.index for each in found])
        results = [
            {"index": each.index, "score": each.score, "box": list(each.box())} for each in found
        ]
        about = {"image": asked.image, "layer": asked.layer, "among": list(sought.among)}
        return {"results": results, **about}

    session.sought = sought
    session.gallery.search(run)
    return {}


@contextmanager
def _lent(area: Coverage | None, home: Path) -> Iterator[str]:
    """A region for a painted mask, as long as it is searched with; empty where there is none."""
    if area is None:
        yield ""
        return
    with TemporaryDirectory(prefix=TEMPORARY, dir=home) as name:
        folder = Path(name)
        yield f'mask("{folder.name}/{written(area, folder, "search")}")'


def sweep_up(folder: Path) -> None:
    """Remove what a studio that was killed in a search has left."""
    with suppress(OSError):
        for left in folder.glob(f"{TEMPORARY}*"):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)


def gather(session: Session, asked: m.Gather) -> dict[str, Any]:
    """Write what the last search has found as a line: one image, or the best of all."""
    document, latents, sought = session.need(), session.latents(), session.sought
    if sought is None or not sought.found:
        raise PlanError("RD824", "nothing was searched for yet", "press F, then add what it finds")
    _known_word(document.text, asked.rule, "context")
    if asked.index is not None and asked.index not in sought.found:
        raise PlanError("RD811", f"image {asked.index} was not found", "choose one of the list")
    if asked.index is not None and _BOX.fullmatch(sought.region):
        x0, y0, x1, y1 = sought.found[asked.index]
        line = f"context {latents.name}[{asked.index}] box(x {x0}..{x1}, y {y0}..{y1})"
    else:
        region = sought.region
        if sought.area is not None:
            name = f"{asked.rule}-{sought.image}"
            region = f'mask("{session.masks.write(sought.area, session.home, name)}")'
        first, last = sought.among if asked.index is None else (asked.index, asked.index)
        top = 1 if asked.index is not None else min(asked.top, last - first + 1)
        place = f"{latents.name}[{sought.image}] {region}"
        line = f"context like {place} top {top} among {first}..{last}"
        if asked.index is None:
            more = grown(document.text, asked.rule, place, (first, last), top)
            if more is not None:
                session.take(more, "Find more contexts")
                return {}
    text, words = changed(document.text, [m.Add(kind="add", owner=asked.rule, text=line)])
    session.take(text, words)
    return {}


def regions_of(session: Session) -> str:
    """The lines of the text that name regions."""
    text, checked = session.need().text, session.checked
    nodes = checked.tree.statements if checked is not None else ()
    return "".join(
        f"{text[node.span.start : node.span.end]}\n"
        for node in nodes
        if isinstance(node, s.RegionStatement)
    )
