"""What a joined edit says of its recipe: no recipe has made it, several have made its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redraft.edit.artifact import Edit
from redraft.memory.marked import masks
from redraft.models.listed.catalog import known_models
from redraft_dsl import Checked, loads
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.model import Recipe
from redraft_dsl.report.terminal import visible

VERSION = "1.0.0"
"""Of a joined edit."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Part:
    """One of the edits to join; ``source`` is what the user called it."""

    source: str
    edit: Edit

    def checked(self) -> Checked:
        """The recipe that the edit holds; its paths start in the edit's folder."""
        source = Path(self.source)
        folder = source if source.is_dir() else source.parent
        return loads(self.edit.recipe_text, known_models(), folder=folder)


def join_recipes(
    parts: Sequence[Part], names: Sequence[Sequence[str]]
) -> tuple[str, str, str | None]:
    """The recipe text of a joined edit, its name, and what keeps the recipes apart.

    The text is one recipe with the rules of all where that is possible (the third value is None
    then), and holds their texts as comments otherwise. Its first lines say what it is.

    Args:
        parts: the edits, in order.
        names: the names that the rules of each part have in the joined edit.

    """
    facts = [part.edit.facts for part in parts]
    name = "-and-".join(dict.fromkeys(each.recipe for each in facts))
    name = name if len(name) <= LONGEST_NAME else "combination"
    head = "# Joined by `redraft combine`: the changes of these edits, each made on the unedited\n"
    head += "# model, are added.\n"
    for number, each in enumerate(facts, 1):
        source = f"{each.recipe} {each.version}, recipe sha256 {each.recipe_digest}"
        # What an edit says of itself may hold line ends, and must not leave the comment.
        head += f"#   {number}. {visible(source)}\n"
    found = [recipe_in(part) for part in parts]
    recipes = [recipe for recipe, _ in found if recipe is not None]
    apart = next((reason for _, reason in found if reason), None) or _different(recipes)
    if apart is None:
        head += "# Run as one recipe, the rules below are solved one after the other, each on\n"
        head += "# what those before it have left: that gives a similar edit, not this one.\n\n"
        return head + print_recipe(_joined(name, recipes, names)), name, None
    head += f"# Their recipes follow as comments: {visible(apart)}.\n"
    for part in parts:
        head += "#\n" + "".join(
            f"# {line}".rstrip() + "\n" for line in part.edit.recipe_text.splitlines()
        )
    return head, name, apart


def recipe_in(part: Part) -> tuple[Recipe | None, str | None]:
    """The recipe that an edit holds, or why it does not stand for itself."""
    recipe = part.checked().recipe
    if recipe is None:
        return None, f"the recipe in {part.source} cannot be read by itself"
    if masks(recipe.rules):
        return None, f"the recipe in {part.source} needs mask files, which an edit does not hold"
    if recipe.name != part.edit.facts.recipe:
        return None, f"the recipe in {part.source} has another name than the edit gives it"
    if [rule.name for rule in recipe.rules] != [rule.name for rule in part.edit.facts.rules]:
        return None, f"the recipe in {part.source} has other rules than the edit"
    return recipe, None


def _different(recipes: Sequence[Recipe]) -> str | None:
    """What keeps recipes from being one recipe."""
    first = recipes[0]
    for other in recipes[1:]:
        if (first.edition, first.model) != (other.edition, other.model):
            return "they name the model in different ways"
        if first.latents[0] != other.latents[0]:
            return "their first latents differ"
        named = {each.name: each for each in first.latents}
        if any(named.get(each.name, each) != each for each in other.latents):
            return "latents of one name differ"
    return None


def _joined(name: str, recipes: Sequence[Recipe], names: Sequence[Sequence[str]]) -> Recipe:
    rules = [
        rule.model_copy(update={"name": new})
        for recipe, own in zip(recipes, names, strict=True)
        for rule, new in zip(recipe.rules, own, strict=True)
    ]
    blocks = {each.name: each for recipe in recipes for each in recipe.latents}
    title = " + ".join(dict.fromkeys(recipe.title for recipe in recipes))
    update = {"name": name, "version": VERSION, "title": title, "rules": tuple(rules)}
    return recipes[0].model_copy(update={**update, "latents": tuple(blocks.values())})
