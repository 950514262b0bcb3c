"""A recipe that stands alone: what it takes from other recipes and from outside written into it."""

from __future__ import annotations

from pathlib import PurePath

from redraft_dsl.check import Checked
from redraft_dsl.recipe.as_tree import print_recipe


def flatten(checked: Checked) -> str:
    """The resolved recipe as canonical text: rules included, values bound, defaults written out.

    What is expected of its figures stands after the rules. Paths start in the folder of the recipe
    that was checked. A comment on top says what the text was made from; it means nothing, and the
    text reads back as an equal recipe.

    Raises:
        ValueError: the recipe has errors.

    """
    if checked.recipe is None:
        raise ValueError("a recipe with errors cannot be flattened")
    head = [f"# resolved from {PurePath(checked.source.path).name}", *_made_from(checked)]
    # A path may hold characters that a comment in a terminal should not.
    shown = ("".join(c if c.isprintable() else "?" for c in line) for line in head)
    expects = "".join(f"\nexpect {each.written}" for each in checked.expects)
    text = print_recipe(checked.recipe) + (f"{expects}\n" if expects else "")
    return "".join(f"{line}\n" for line in shown) + "\n" + text


def _made_from(checked: Checked) -> list[str]:
    lines = [f"# with {name} = {value}" for name, value in dict(checked.given).items()]
    uses = [f"# and {each.path} {each.version}" for each in checked.imports]
    return [*lines, *uses]


def standing_alone(checked: Checked) -> str:
    """The recipe's own text if that says everything, and else the flattened one."""
    return checked.source.text if checked.stands_alone else flatten(checked)
