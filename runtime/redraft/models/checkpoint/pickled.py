"""What a pickle's instructions give, and why its reading ends: plain values, never looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ForbiddenGlobalError(Exception):
    """The pickle names something that is not on the list; ``name`` is what it names."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class MalformedPickleError(Exception):
    """The bytes are not a whole, well-formed pickle."""


@dataclass(frozen=True)
class Opaque:
    """A harmless value whose content does not matter here; ``name`` is its type's name."""

    name: str


class Instance(dict[Any, Any]):
    """An object of a class that is not known: a table of its items, and the name of its class.

    The class is not looked up. Only objects that are made without arguments are taken so, for a
    function that is called with none does nothing worth a file's trouble, and gets no items.
    """

    def __init__(self, dotted: str) -> None:
        super().__init__()
        self.dotted = dotted
        self.filled = False


@dataclass(frozen=True)
class Pickled:
    """What a pickle describes, and whether values lie in it that torch's safe loader refuses."""

    value: Any
    foreign: bool = False


@dataclass(frozen=True)
class Name:
    """A name in the pickle, never resolved to what it names."""

    dotted: str
    known: bool = True
