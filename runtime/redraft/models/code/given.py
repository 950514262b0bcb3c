"""What a caller means by a generator: code that is named, or a module in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redraft.models.code.reference import TIMEOUT, Code, code_at

if TYPE_CHECKING:
    from redraft.models.hooked.described import Generator
    from redraft.models.hooked.memory import InMemory


def given(generator: str | Generator | Code | InMemory | None) -> Code | InMemory | None:
    """Code by its name, and a described module looked at now; whatever is known stays.

    Raises:
        ModelError: the code cannot be read, or the module cannot be used; says why.

    """
    if generator is None or isinstance(generator, Code):
        return generator
    if isinstance(generator, str):
        return code_at(generator, TIMEOUT)
    from redraft.models.hooked.memory import InMemory, in_memory

    return generator if isinstance(generator, InMemory) else in_memory(generator)
