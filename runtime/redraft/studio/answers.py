"""What a page asks, and who answers it: one row for each kind of request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from redraft.errors import PlanError
from redraft.live.model import Model
from redraft.studio import share
from redraft.studio.assist import completions, hovered
from redraft.studio.document import Document
from redraft.studio.edits import changed, fresh_name, of_kind
from redraft.studio.gallery import TOP
from redraft.studio.masks import on_layer, painted, written
from redraft.studio.session import Session
from redraft.studio.view import outline
from redraft.studio.web import messages as m
from redraft.studio.web.confine import inside
from redraft_dsl.check.resolve import resolve_all
from redraft_dsl.geometry.regions import on_grid
from redraft_dsl.source import Source, apply
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import parse

Answer = dict[str, Any]


def answered(session: Session, asked: m.Ask) -> Answer:
    """Do what is asked, and say what came of it; raises RedraftError where it cannot be done."""
    if not (isinstance(asked, m.Change) and asked.drag):
        session.catch_up()
    return _ANSWERS[type(asked)](session, asked)


# ---- changing the text ------------------------------------------------------------------------


def _change(session: Session, asked: m.Change) -> Answer:
    document = session.need()
    text, words = changed(document.text, asked.changes)
    if document.change(text, words, f"{words.split()[0]} {asked.drag}" if asked.drag else ""):
        if asked.drag:
            session.refresh_soon()
        else:
            session.refresh()
    return {"revision": document.revision}


def _type(session: Session, asked: m.Type) -> Answer:
    document = session.need()
    document.type(asked.base, asked.start, asked.end, asked.insert)
    session.refresh()
    return {"revision": document.revision}


def _fix(session: Session, asked: m.Fix) -> Answer:
    document, checked = session.need(), session.checked
    try:
        assert checked is not None
        fix = checked.diagnostics[asked.problem].fixes[asked.fix]
    except IndexError:
        raise PlanError("RD812", "the text has changed meanwhile", "look, and try again") from None
    if document.change(apply(document.text, fix.edits), fix.title):
        session.refresh()
    return {}


def _kind(session: Session, asked: m.Kind) -> Answer:
    document = session.need()
    text = of_kind(document.text, asked.rule, asked.to)
    if document.change(text, f"{asked.rule} becomes {asked.to}"):
        session.refresh()
    return {}


def _history(session: Session, asked: m.History) -> Answer:
    session.need().go(asked.step)
    session.refresh()
    return {}


def _restore(session: Session, asked: m.Restore) -> Answer:
    kept = session.snapshot_of(asked.number)
    if session.need().change(kept.text, f"Back to snapshot {asked.number}"):
        session.refresh()
    return {}


def _snapshot_text(session: Session, _asked: m.Snapshot) -> Answer:
    return {"number": session.snapshot()}


def _mark(session: Session, asked: m.Mark) -> Answer:
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
        target = asked.target or _single(document.text, rule, asked.word)
        text, words = changed(document.text, [_line_change(document.text, rule, target, line)])
    if document.change(text, f"Mark {asked.word} in {asked.image}" if words else words):
        session.refresh()
    return {"rule": rule, "region": region}


def _line_change(text: str, rule: str, target: str, line: str) -> m.AnyChange:
    if target:
        return m.Replace(kind="replace", target=target, text=line)
    first = next((each for each in _items(text, rule) if each.key.text != "copy"), None)
    if line.startswith("copy") and first is not None and isinstance(first, s.PlaceLine):
        old = text[first.span.start : first.span.end]
        number = f"{rule}.{first.key.text}[0]"
        return m.Replace(kind="replace", target=number, text=f"{line}\n  {old}")
    places = [each for each in _items(text, rule) if isinstance(each, s.PlaceLine | s.MatchLine)]
    if not places:
        return m.Add(kind="add", owner=rule, text=line)
    word = places[-1].key.text
    last = sum(each.key.text == word for each in places) - 1
    return m.Add(kind="add", owner=rule, text=line, after=f"{word}[{last}]")


def _items(text: str, rule: str) -> tuple[s.Item, ...]:
    for node in parse(Source("<text>", text)).tree.statements:
        if isinstance(node, s.Operation) and node.name.text == rule:
            return node.block.items
    return ()


def _single(text: str, rule: str, word: str) -> str:
    """The line that a new one takes the place of, where a rule has but one of its word."""
    if word != "copy":
        return ""
    return f"{rule}.copy[0]" if any(i.key.text == "copy" for i in _items(text, rule)) else ""


def _region(session: Session, region: str, mask: str, name: str) -> str:
    """A region as the text writes it; a painted one is written to a file first."""
    if not mask:
        return region
    return f'mask("{written(painted(mask), session.home, name)}")'


# ---- looking ----------------------------------------------------------------------------------


def _look(session: Session, asked: m.Look) -> Answer:
    session.look(asked.numbers)
    return {}


def _see(session: Session, asked: m.See) -> Answer:
    latents = session.latents()
    numbers = [each for each in asked.numbers if each < latents.count]
    session.gallery.originals(latents.seed, numbers)
    return {}


def _stop(session: Session, _asked: m.Stop) -> Answer:
    session.gallery.stop()
    session.follower.stop()
    return {}


def _again(session: Session, _asked: m.Again) -> Answer:
    session.ask()
    return {}


def _complete(session: Session, asked: m.Complete) -> Answer:
    offset = _offset(session, asked.base, asked.offset)
    if offset is None or session.checked is None:
        return {"options": []}
    return {"options": completions(session.checked, session.home, offset)}


def _hover(session: Session, asked: m.Hover) -> Answer:
    offset = _offset(session, asked.base, asked.offset)
    if offset is None or session.checked is None:
        return {"hover": None}
    return {"hover": hovered(session.checked, session.home, offset)}


def _offset(session: Session, base: int, offset: int) -> int | None:
    place = session.need().carried(base, offset, offset)
    return None if place is None else place[0]


def _keys(session: Session, asked: m.Keys) -> Answer:
    facts = session.scene.facts
    layer = None if facts is None else facts.layer(asked.layer)
    if layer is None or facts is None:
        raise PlanError("RD401", f"there is no layer `{asked.layer}`", "choose another layer")
    if asked.mask:
        return {"grid": on_layer(painted(asked.mask), layer.key_size).round(4).tolist()}
    text = f"region probe = {asked.region}\n"
    tree = parse(Source("<region>", f"{_regions(session)}{text}")).tree
    found = resolve_all(s.walk(tree.statements), session.home).named.get("probe")
    if found is None:
        raise PlanError("RD820", "this region cannot be read", "mark it anew")
    grid = on_grid(found.region, facts.image_size, layer.key_size, session.home)
    return {
        "grid": grid.round(4).tolist(),
        **outline(found.region, facts.image_size, session.home),
    }


def _regions(session: Session) -> str:
    text, checked = session.need().text, session.checked
    nodes = checked.tree.statements if checked is not None else ()
    return "".join(
        f"{text[node.span.start : node.span.end]}\n"
        for node in nodes
        if isinstance(node, s.RegionStatement)
    )


def _search(session: Session, asked: m.Search) -> Answer:
    latents, home = session.latents(), session.home
    image = asked.place.split("]")[0].rpartition("[")[2]
    place = asked.place
    if asked.mask:
        place = f"{place} {_region(session, '', asked.mask, f'search-{image}')}"
    last = min(asked.last, latents.count - 1)
    head = _regions(session)
    if last < asked.first:
        raise PlanError("RD811", "the range of pictures is empty", "write it like `0..199`")

    def run(model: Model, cancel: Event) -> Answer:
        found = model.match(
            place,
            layer=asked.layer,
            top=min(TOP, last - asked.first + 1),
            among=(asked.first, last),
            seed=latents.seed,
            count=latents.count,
            folder=home,
            cancel=cancel,
            head=head,
        )
        numbers = [each.index for each in found]
        session.gallery.originals(latents.seed, numbers)
        results = [
            {"index": each.index, "score": each.score, "box": list(each.box())} for each in found
        ]
        among = [asked.first, last]
        return {"results": results, "place": place, "layer": asked.layer, "among": among}

    session.gallery.search(run)
    return {"place": place}


# ---- files ------------------------------------------------------------------------------------


def _save(session: Session, asked: m.Save) -> Answer:
    return {"path": session.save(asked.path)}


def _open(session: Session, asked: m.Open) -> Answer:
    session.open(Document.opened(inside(session.folder, asked.path)))
    return {}


def _begin(session: Session, asked: m.Begin) -> Answer:
    session.begin(asked.model)
    return {}


def _cards(session: Session, _asked: m.Cards) -> Answer:
    return session.cards()


def _leave(session: Session, asked: m.Leave) -> Answer:
    session.leave(drop=asked.drop)
    return {}


def _forget(session: Session, asked: m.Forget) -> Answer:
    session.forget(asked.number)
    return {}


def _run(session: Session, _asked: m.Run) -> Answer:
    document = session.need()
    if document.path is None or document.is_changed:
        raise PlanError("RD817", "the recipe has changes that are not saved", "save it first")
    path, folder, say = document.path, session.folder, session.hub.say

    def progress(what: str, done: int, total: int) -> None:
        say({"event": "running", "what": what, "done": done, "total": total}, "running")

    def work() -> Answer:
        return {"folder": share.run(path, folder, progress).relative_to(folder).as_posix()}

    session.later(work, "ran")
    return {}


_ANSWERS: Mapping[type[Any], Callable[[Session, Any], Answer]] = {
    m.Change: _change,
    m.Type: _type,
    m.Fix: _fix,
    m.Kind: _kind,
    m.History: _history,
    m.Restore: _restore,
    m.Snapshot: _snapshot_text,
    m.Forget: _forget,
    m.Mark: _mark,
    m.Look: _look,
    m.See: _see,
    m.Stop: _stop,
    m.Again: _again,
    m.Complete: _complete,
    m.Hover: _hover,
    m.Keys: _keys,
    m.Search: _search,
    m.Save: _save,
    m.Open: _open,
    m.Begin: _begin,
    m.Cards: _cards,
    m.Leave: _leave,
    m.Run: _run,
}
