"""What the process does that looks at a person's generator for another: see ``probe``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from redraft.errors import RedraftError
from redraft.models.checkpoint.weights import load_state
from redraft.models.code.loading import blamed, described, fill, undisturbed
from redraft.models.code.reference import Code, Known, code_at
from redraft.models.hooked.checks import SEEN, check
from redraft.models.hooked.hooked import HookedGenerator
from redraft_dsl.recipe.model import Latents


def main(written: str, weights: str, answer: str, weights_set: str | None = None) -> None:
    """Look at a generator, and write what was seen, or why nothing was."""
    # Before the module's code may change where it is: the paths are as they were typed.
    place = Path(answer)
    try:
        code = code_at(written)
        text = look(code, Path(weights), weights_set).model_dump_json()
    except RedraftError as error:
        text = json.dumps({"code": error.code, "message": error.message, "help": error.help})
    place.write_text(text, encoding="utf-8")


def look(code: Code, weights: Path, weights_set: str | None = None) -> Known:
    """What a generator is, seen in this process.

    Raises:
        ModelError: it cannot be used; says why.

    """
    warnings: list[str] = []
    state = load_state(weights, weights_set)
    made = described(code, warnings)
    fill(made, state.bare(), str(weights))
    with blamed(code, "fails when it draws"), undisturbed(warnings):
        generator = HookedGenerator(made)
        block = Latents(name="z", seed=1, count=SEEN)
        rows = generator.sampler.rows(block, range(SEEN))
        warnings += check(generator, rows)
    refused = tuple((each.part, each.reason) for each in generator.refused)
    return Known(facts=generator.facts, refused=refused, warnings=tuple(dict.fromkeys(warnings)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
