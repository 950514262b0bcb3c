"""What a page asks, and who answers it: one row for each kind of request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from redraft.errors import CancelledError, PlanError
from redraft.studio import share
from redraft.studio.locating import Trial
from redraft.studio.marking import clear_masks, gather, mark, regions_of, search, unmark
from redraft.studio.masks import on_layer, painted
from redraft.studio.session import Session
from redraft.studio.text.assist import completions, hovered
from redraft.studio.text.document import Document
from redraft.studio.text.edits import changed, named_after, of_kind
from redraft.studio.text.view import outline
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
    session.take(text, words, asked.drag)
    return {"revision": document.revision}


def _type(session: Session, asked: m.Type) -> Answer:
    document = session.need()
    document.type(asked.base, asked.start, asked.end, asked.insert)
    session.refresh(typed=True)
    return {"revision": document.revision}


def _fix(session: Session, asked: m.Fix) -> Answer:
    document, checked = session.need(), session.checked
    try:
        assert checked is not None
        fix = checked.diagnostics[asked.problem].fixes[asked.fix]
    except IndexError:
        raise PlanError("RD812", "the text has changed meanwhile", "look, and try again") from None
    session.take(apply(document.text, fix.edits), fix.title)
    return {}


def _kind(session: Session, asked: m.Kind) -> Answer:
    document = session.need()
    text = of_kind(document.text, asked.rule, asked.to)
    session.take(text, f"{asked.rule} becomes {asked.to}")
    return {}


def _history(session: Session, asked: m.History) -> Answer:
    session.need().go(asked.step)
    session.refresh()
    return {}


def _restore(session: Session, asked: m.Restore) -> Answer:
    kept = session.snapshots.of(asked.number)
    session.take(kept.text, f"Back to snapshot {asked.number}")
    return {}


def _snapshot_text(session: Session, _asked: m.Snapshot) -> Answer:
    return {"number": session.snapshot()}


# ---- looking ----------------------------------------------------------------------------------


def _look(session: Session, asked: m.Look) -> Answer:
    session.look(asked.numbers)
    return {}


def _see(session: Session, asked: m.See) -> Answer:
    latents = session.latents()
    numbers = [each for each in asked.numbers if each < latents.count]
    session.gallery.originals(latents.seed, numbers)
    return {}


def _stop(session: Session, asked: m.Stop) -> Answer:
    {
        "solve": session.follower.stop,
        "search": session.gallery.stop,
        "locate": session.locator.stop,
        "run": session.halt.set,
    }[asked.what]()
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
    tree = parse(Source("<region>", f"{regions_of(session)}{text}")).tree
    found = resolve_all(s.walk(tree.statements), session.home).named.get("probe")
    if found is None:
        raise PlanError("RD820", "this region cannot be read", "mark it anew")
    grid = on_grid(found.region, facts.image_size, layer.key_size, session.home)
    return {
        "grid": grid.round(4).tolist(),
        **outline(found.region, facts.image_size, session.home),
    }


def _locate(session: Session, asked: m.Locate) -> Answer:
    model, latents = session.model, session.latents()
    if model is None:
        raise PlanError("RD819", "the model is not open yet", "wait until its pictures come")
    found = session.solvable()
    if found is None:
        raise PlanError("RD817", "the text cannot be solved as it is", "mend it first")
    text, left = found
    if asked.rule in [each.rule for each in left]:
        raise PlanError("RD817", f"`{asked.rule}` cannot be solved as it is", "mend it first")
    text, _ = changed(text, [m.Switch(kind="switch", target=asked.rule, on=True)])
    image = min(asked.image, latents.count - 1)
    rules = session.state()["rules"]
    lines = tuple(
        line["text"] for each in rules if each["name"] == asked.rule for line in each["lines"]
    )
    session.locator.start(Trial(model, text, asked.rule, session.home, latents, image, lines))
    return {}


# ---- files ------------------------------------------------------------------------------------


def _save(session: Session, asked: m.Save) -> Answer:
    unnamed = session.need().path is None
    path = session.save(asked.path)
    text = session.need().text
    named = named_after(text, Path(path).stem) if unnamed else text
    if named != text:
        session.take(named, "Name the recipe")
        session.save("")
    clear_masks(session)
    return {"path": path}


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
    session.snapshots.forget(asked.number)
    session.say_state()
    return {}


def _recover(session: Session, asked: m.Recover) -> Answer:
    session.recover(bring_back=asked.bring_back)
    return {}


def _run(session: Session, _asked: m.Run) -> Answer:
    path, folder = share.saved(session.need()), session.folder
    halt = session.halt = Event()
    progress = share.progress_of(session.hub.say, halt)

    def work() -> Answer:
        try:
            return {"folder": share.run(path, folder, progress).relative_to(folder).as_posix()}
        except CancelledError:
            return {"stopped": True}

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
    m.Mark: mark,
    m.Unmark: unmark,
    m.Gather: gather,
    m.Locate: _locate,
    m.Look: _look,
    m.See: _see,
    m.Stop: _stop,
    m.Again: _again,
    m.Complete: _complete,
    m.Hover: _hover,
    m.Keys: _keys,
    m.Search: search,
    m.Save: _save,
    m.Open: _open,
    m.Begin: _begin,
    m.Cards: _cards,
    m.Leave: _leave,
    m.Recover: _recover,
    m.Run: _run,
}
