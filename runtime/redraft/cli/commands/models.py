"""``redraft models``: the models that recipes can name."""

from __future__ import annotations

import json

from redraft.cli.app import command as make_command
from redraft.cli.app import format_option
from redraft.cli.screen import Column, Screen


@make_command(name="models", example="models")
@format_option()
def command(form: str) -> None:
    """List the models that recipes can name.

    A model is fetched from the Python package index when it is first used.
    """
    from redraft.cache import cache_root
    from redraft.models.catalog import CATALOG
    from redraft.models.download import cached_path

    screen = Screen.current()
    found = [
        {
            "name": entry.name,
            "title": entry.title,
            "arch": entry.arch,
            "image_size": list(entry.facts.image_size),
            "layers": list(entry.facts.layer_names()),
            "bytes": entry.source.member_bytes,
            "sha256": entry.source.member_sha256,
            "package": entry.source.requirement,
            "licence": entry.licence,
            "homepage": entry.homepage,
            "description": entry.description,
            "cached": cached_path(entry, cache_root()).is_file(),
        }
        for entry in CATALOG
    ]
    if form == "json":
        screen.say(json.dumps(found, indent=1, ensure_ascii=False))
        return
    screen.table(
        [Column(title) for title in ("name", "title", "arch", "size", "licence", "here already")],
        [
            [
                entry.name,
                entry.title,
                entry.arch,
                f"{entry.source.member_bytes / 1e6:.0f} MB",
                entry.licence,
                "yes" if told["cached"] else "no, fetched when first used",
            ]
            for entry, told in zip(CATALOG, found, strict=True)
        ],
    )
