"""``redraft recipes``: the recipes that come with redraft."""

from __future__ import annotations

from redraft.cli.app import format_option, make_command
from redraft.cli.screen import Column, Screen
from redraft.plans.shipped import all_shipped


@make_command(name="recipes", example="recipes")
@format_option()
def command(form: str) -> None:
    """List the recipes that come with redraft.

    Their names stand for their files: `redraft run NAME`.
    """
    from redraft.plans.loading import load

    screen = Screen.current()
    found = []
    for shipped in all_shipped():
        recipe = load(shipped.path).recipe
        found.append(
            {
                "name": shipped.name,
                "group": shipped.group,
                "title": recipe.title if recipe else "(has errors)",
                "version": recipe.version if recipe else None,
                "model": recipe.model.name if recipe else None,
                "rules": [rule.name for rule in recipe.rules] if recipe else [],
                "file": str(shipped.path),
            }
        )
    if form == "json":
        screen.json(found)
        return
    if not found:
        screen.say("this installation comes without recipes")
        return
    for group in dict.fromkeys(str(each["group"]) for each in found):
        if group:
            screen.heading(group)
        screen.table(
            [Column("name"), Column("title"), Column("model"), Column("rules")],
            [
                [str(r["name"]), str(r["title"]), str(r["model"]), ", ".join(r["rules"] or ())]
                for r in found
                if r["group"] == group
            ],
        )
