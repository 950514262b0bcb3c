"""What the process does that looks at a person's generator for another: see ``probe``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from redraft.disk.files import write_text
from redraft.errors import RedraftError
from redraft.models.checkpoint.weights import load_state
from redraft.models.code.loading import blamed, described, fill, undisturbed
from redraft.models.code.reference import WHOLE, Code, Known, code_at
from redraft.models.hooked.checks import SEEN, check
from redraft.models.hooked.hooked import HookedGenerator


def main(written: str, weights: str, answer: str, weights_set: str | None = None) -> None:
    """Look at a generator, and write what was seen, or why nothing was."""
    # Before the module's code may change where it is: the paths are as they were typed.
    place = Path(answer)
    try:
        code = code_at(written)
        text = look(code, Path(weights), weights_set).model_dump_json()
    except RedraftError as error:
        text = json.dumps({"code": error.code, "message": error.message, "help": error.help})
    write_text(place, text)


def look(code: Code, weights: Path, weights_set: str | None = None) -> Known:
    """What a generator is, seen in this process.

    Raises:
        ModelError: it cannot be used; says why.

    """
    warnings: list[str] = []
    state = load_state(weights, weights_set)
    made = described(code, warnings)
    with blamed(code, "cannot take its weights"), undisturbed(warnings):
        fill(made, state.bare(), str(weights))
    with blamed(code, "fails when it draws"), undisturbed(warnings):
        generator = HookedGenerator(made)
        rows = generator.sampler.some(SEEN)
        warnings += check(generator, rows)
        seconds = _seconds(generator, rows)
    refused = tuple((each.part, each.reason) for each in generator.refused)
    return Known(
        facts=generator.facts,
        refused=refused,
        warnings=tuple(dict.fromkeys(warnings)),
        seconds=seconds,
    )


def _seconds(generator: HookedGenerator, rows: Tensor) -> dict[str, float]:
    """How long a picture takes up to each layer, and whole: all of it seen in one pass."""
    found: dict[str, float] = {}
    parts = dict(generator.module.named_modules())

    def note(layer: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            found.setdefault(layer, (time.perf_counter() - begun) / len(rows))

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for layer in generator.facts.layer_names():
            if layer in parts and not isinstance(parts[layer], torch.jit.ScriptModule):
                hooks.callback(parts[layer].register_forward_pre_hook(note(layer)).remove)
        begun = time.perf_counter()
        generator.call(rows)
        whole = (time.perf_counter() - begun) / len(rows)
    return {layer: found.get(layer, whole) for layer in generator.facts.layer_names()} | {
        WHOLE: whole
    }


if __name__ == "__main__":
    main(*sys.argv[1:5])
    # A thread that the code has started is not waited for.
    os._exit(0)
