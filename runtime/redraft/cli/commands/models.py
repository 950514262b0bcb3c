"""``redraft models``: the models that recipes can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redraft.cli.app import format_option, make_command
from redraft.cli.layout import Fit
from redraft.cli.screen import Column, Screen

if TYPE_CHECKING:
    from pathlib import Path

    from redraft.models.listed.entry import Entry

TITLES = ("name", "title", "size", "licence", "here")
FIT = Fit(shorter=[("name", "title", "size", "here"), ("name", "title", "here")], lines=1)
"""A narrow screen has no room for what is of least use there."""


@make_command(name="models", example="models")
@format_option()
def command(form: str) -> None:
    """List the models that recipes can name.

    Some come with redraft. Any other is fetched when it is first used, from the Python package
    index or from the web server of those who publish it.
    """
    from redraft.models.arch.families import plugin_report
    from redraft.models.listed.catalog import CATALOG
    from redraft.models.listed.download import own_path

    screen = Screen.current()
    found = [_facts(entry, own_path(entry)) for entry in CATALOG]
    if form == "json":
        screen.json(found)
        return
    screen.table([Column(title) for title in TITLES], [_row(facts) for facts in found], FIT)
    screen.say("A model that is not here yet is fetched when it is first used.")
    for plugin, fault in plugin_report():
        if fault is None:
            screen.say(f"Files of architecture `{plugin.name}` are read by {plugin.origin}.")
        else:
            screen.say(f"warning: {fault.message}")


def _facts(entry: Entry, cached: Path) -> dict[str, Any]:
    """Everything that the list knows of a model; None for what it does not."""
    from redraft.disk.cache import is_there
    from redraft.models.listed.entry import Shipped, WheelMember
    from redraft.models.listed.unpacking import shipped_file

    source = entry.source
    here = is_there(cached)
    facts: dict[str, Any] = {
        "name": entry.name,
        "title": entry.title,
        "arch": entry.arch,
        "image_size": list(entry.facts.image_size),
        "layers": list(entry.facts.layer_names()),
        "sha256_head": source.sha256_head,
        "licence": entry.licence,
        "homepage": entry.homepage,
        "description": entry.description,
        "cached": here,
    }
    found: tuple[int | None, str | None, str | None, str | None]
    if isinstance(source, WheelMember):
        found = (source.member_bytes, source.member_sha256, source.requirement, None)
    elif isinstance(source, Shipped):
        found = (shipped_file(source).stat().st_size, source.sha256, None, None)
        facts["cached"] = True
    else:
        found = (cached.stat().st_size if here else None, None, None, source.url)
    return {**facts, **dict(zip(("bytes", "sha256", "package", "url"), found, strict=True))}


def _row(facts: dict[str, Any]) -> list[str]:
    size = "unknown" if facts["bytes"] is None else f"{facts['bytes'] / 1e6:.0f} MB"
    here = "yes" if facts["cached"] else "no"
    return [facts["name"], facts["title"], size, facts["licence"], here]
