"""A described module as it lies in memory: looked at, checked, its weights noted."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from redraft.disk.digest import tensors_digest
from redraft.models.checkpoint.header import Header, Stamp, TensorInfo
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.checkpoint.weights import State
from redraft.models.hooked.checks import SEEN, check
from redraft.models.hooked.described import Generator, blamed
from redraft.models.hooked.hooked import HookedGenerator


@dataclass(frozen=True, eq=False)
class InMemory:
    """A module in memory, with its weights as they were when it was given.

    Attributes:
        generator: ready to be cut.
        state: the weights, on the CPU.
        sha256: of module and weights: equal only where pictures are.
        warnings: what its owner should know.

    """

    generator: HookedGenerator
    state: State
    sha256: str
    warnings: tuple[str, ...]

    def copied(self) -> InMemory:
        """The same with a module of its own."""
        return replace(self, generator=copy.deepcopy(self.generator))

    def restore(self) -> None:
        """Put the weights back, bit for bit."""
        self.generator.restore(self.state.bare())


def in_memory(described: Generator) -> InMemory:
    """Look at a described module, and check what can be checked.

    Raises:
        ModelError: it cannot be used; says why.

    """
    with blamed(described.name):
        generator = HookedGenerator(described, around=partial(blamed, described.name))
        warnings = check(generator, generator.sampler.some(SEEN))
        state = state_of(described)
    return InMemory(generator, state, _identity(generator, state), tuple(warnings))


def state_of(described: Generator) -> State:
    """Copies of a module's weights, as if a file held them."""
    tensors = {
        name: tensor.detach().cpu().clone()
        for name, tensor in described.module.state_dict().items()
        if isinstance(tensor, Tensor)
    }
    infos = {name: TensorInfo(tuple(each.shape), _dtype(each)) for name, each in tensors.items()}
    path = Path(f"{described.name} in memory")
    header = Header(path, "safetensors", infos, (), shared_prefix(tensors), Stamp(0, 0))
    return State(tensors, header)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _identity(generator: HookedGenerator, state: State) -> str:
    """A digest of weights, of what the module is made of, and of how it is used."""
    described = generator.described
    classes = {type(part) for part in described.module.modules()}
    fields = {
        "weights": tensors_digest(state.bare()),
        "module": str(described.module),
        "code": sorted(map(_source, classes)),
        "latents": [generator.sampler.kind, *generator.shape.latent],
        "labels": described.labels,
        "range": described.range,
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _source(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.startswith("torch."):
        return name
    try:
        return f"{name} {hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()}"
    except (OSError, TypeError):
        return name
