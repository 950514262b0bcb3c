"""From a located model to a generator with its weights on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from redraft.disk.digest import tensors_digest
from redraft.errors import ModelError
from redraft.models.arch.families import family_named
from redraft.models.batches import device_of
from redraft.models.checkpoint.weights import State, computed, load_state
from redraft.models.code.loading import blamed, described, fill, guarded, undisturbed
from redraft.models.code.reference import Code, forget, key_of
from redraft.models.device import device_name
from redraft.models.generator import Generator
from redraft.models.hooked.described import Generator as Described
from redraft.models.hooked.hooked import HookedGenerator
from redraft.models.hooked.memory import in_memory
from redraft.models.locate import Base, locate_given
from redraft_dsl.facts import ModelFacts


@dataclass(frozen=True)
class OpenModel:
    """A model with its weights on a device.

    Attributes:
        base: what it was opened from.
        state: the file's tensors, on the CPU, as they were read.
        generator: holds copies of them; this is what is edited.
        digest: of the tensors, names without prefix.

    """

    base: Base
    state: State
    generator: Generator
    digest: str

    @property
    def device(self) -> torch.device:
        """Where the generator lies."""
        return device_of(self.generator)


def open_base(base: Base, device: torch.device) -> OpenModel:
    """Read a located model's weights.

    Raises:
        ModelError: a weight is damaged, or the file changed since it was located.

    """
    if base.given is not None:
        base.given.restore()
        state = base.given.state
        return OpenModel(base, state, base.given.generator, tensors_digest(state.bare()))
    state = load_state(base.path, base.header.asked)
    bare = state.bare()
    if base.code is not None:
        return OpenModel(base, state, _made(base, base.code, bare, device), tensors_digest(bare))
    family = family_named(base.facts.arch)
    found = {name: tensor for name, tensor in state.beside.items() if name in family.beside}
    made: dict[str, object] = {}
    if family.attributes:
        made["attributes"] = base.header.attributes
    if family.assumes and base.said is not None:
        made["said"] = base.said
    tensors = {name: computed(tensor) for name, tensor in {**found, **bare}.items()}
    generator: Generator = family.build(tensors, base.layout, base.truncation, **made)
    generator.module.to(device)
    return OpenModel(base, state, generator, tensors_digest(bare))


def _made(
    base: Base, code: Code, bare: Mapping[str, Tensor], device: torch.device
) -> HookedGenerator:
    """The module that a person's code makes, with the weights of the file.

    Raises:
        ModelError: the code fails, or makes another module than it did when it was looked at.

    """
    made = described(code)
    with blamed(code, "cannot take its weights"), undisturbed([]):
        fill(made, bare, str(base.path))
        made.module.to(device)
    with blamed(code, "fails when it draws"), undisturbed([]):
        generator = HookedGenerator(made, around=partial(guarded, code))
    if _sizes(generator.facts) != _sizes(base.facts):
        # A file that the code reads, such as one of latents, may be another one for good.
        forget(code, key_of(base.sha256, base.header.asked))
        raise ModelError(
            "RD675",
            f"{code.written} makes another module than when it was looked at",
            "let it make the same one each time; if a file that it reads is another one now, give "
            "the command again: the generator is then looked at anew",
        )
    return generator


def _sizes(facts: ModelFacts) -> object:
    """What may not differ between two looks at a module."""
    layers = tuple(
        each.model_copy(update={"behind": None, "joined": False}) for each in facts.layers
    )
    return facts.model_copy(update={"layers": layers})


def open_described(generator: Described, name: str | None = None) -> OpenModel:
    """Open a module in memory, where it lies; what is edited is the module itself.

    Args:
        generator: a ``redraft.Generator``.
        name: of the model, in messages and records.

    Raises:
        ModelError: the module draws no pictures, or not always the same ones.

    """
    given = in_memory(generator)
    return open_base(locate_given(given, name or generator.name), device_of(given.generator))


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device to run on; raises as :func:`redraft.models.device.device_name`."""
    return torch.device(device_name(name))
