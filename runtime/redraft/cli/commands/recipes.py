"""``redraft recipes``: the recipes that come with redraft."""

from __future__ import annotations

from redraft.cli.app import format_option, make_command
from redraft.cli.layout import Fit
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
    groups: dict[str, list[list[str]]] = {}
    for each in found:
        row = [str(each[title]) for title in ("name", "title", "model")]
        groups.setdefault(str(each["group"]), []).append([*row, ", ".join(each["rules"] or ())])
    columns = [Column(title) for title in ("name", "title", "model", "rules")]
    screen.tables(columns, groups, Fit(shorter=[("name", "title", "model")], lines=1))
