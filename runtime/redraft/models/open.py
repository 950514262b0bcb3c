"""From a located model to a generator with its weights on a device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from redraft.disk.digest import tensors_digest
from redraft.models.arch.families import family_named
from redraft.models.batches import device_of
from redraft.models.checkpoint.weights import State, load_state
from redraft.models.device import device_name
from redraft.models.generator import Generator
from redraft.models.locate import Base


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
    state = load_state(base.path)
    bare = state.bare()
    family = family_named(base.facts.arch)
    found = {name: tensor for name, tensor in state.beside.items() if name in family.beside}
    made = {"attributes": base.header.attributes} if family.attributes else {}
    generator: Generator = family.build({**found, **bare}, base.layout, base.truncation, **made)
    generator.module.to(device)
    return OpenModel(base, state, generator, tensors_digest(bare))


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device to run on; raises as :func:`redraft.models.device.device_name`."""
    return torch.device(device_name(name))
