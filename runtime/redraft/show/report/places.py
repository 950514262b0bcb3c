"""Names of folders and files in the commands of a report, and others in their place. No torch.

They are marked on the page, so that a report that goes to other people names none of its maker's
folders.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from redraft.models.code.reference import PLACEHOLDER

if TYPE_CHECKING:
    from redraft.plans.planner import Plan

Place = Literal["run", "model", "recipe", "code"]
"""The run folder, the model as commands name it, the recipe's file, and the code of a model."""
RUN, MODEL = "RUN", "MODEL"
"""What stands for the first two where nothing better is known."""
_MARKED = re.compile(r'<span data-place="(\w+)">[^<]*</span>')


def model_words(plan: Plan) -> tuple[str, str | None]:
    """How commands name a plan's model, and the code that makes it; None where it needs none."""
    base = plan.base
    if base.given is not None:
        return MODEL, PLACEHOLDER  # it is in memory, where no command finds it
    code = None if base.code is None else base.code.written
    return base.name if plan.recipe.model.kind == "listed" else str(base.path), code


def marked(place: Place, name: str) -> Markup:
    """A name as what it names; in commands it is quoted for a shell."""
    shown = name if place == "recipe" else shlex.quote(name)
    return Markup('<span data-place="{}">{}</span>').format(place, shown)


def moved(page: str, names: dict[Place, str]) -> str | None:
    """A report with other names in all of these places; None where it marks none of them.

    Reports of older versions mark nothing.
    """
    found = {match[1] for match in _MARKED.finditer(page)}
    if not found or not found <= set(names):
        return None
    texts = {str(place): str(marked(place, name)) for place, name in names.items()}
    return _MARKED.sub(lambda match: texts[match[1]], page)
