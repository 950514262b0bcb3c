"""Architectures that installed packages add, by the entry point group ``redraft.generators``.

Only what a user installed can add one; a recipe or a model file never can. Names are read from
the packages' metadata. The code behind one is imported when a file is asked for that none of the
built-in architectures knows, or when a recipe names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from redraft.errors import ModelError
from redraft.explain.words import first_line

GROUP = "redraft.generators"
BROKEN = "RD619"
"""Code of the error of a package that does not do what it should."""
_NAME = re.compile(r"[^\W\d][\w\-]*")


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group.

    Attributes:
        name: as recipes call the architecture.
        origin: the package and its version, as in ``"inkpot 1.0"``.
        entry: what it names.
        fault: why it is not used; None where nothing is known against it.

    """

    name: str
    origin: str
    entry: EntryPoint
    fault: str | None = None


def installed(taken: Collection[str]) -> tuple[Plugin, ...]:
    """Every entry point of the group, sorted by name; nothing is imported.

    Args:
        taken: names of the built-in architectures.

    """
    found = entry_points(group=GROUP)
    # One installation may be seen twice where folders of the search path overlap.
    distinct = {(entry.name, entry.value, _origin(entry)): entry for entry in found}
    counts = Counter(name for name, _, _ in distinct)
    return tuple(
        Plugin(name, origin, distinct[name, value, origin], _fault(name, counts[name], taken))
        for name, value, origin in sorted(distinct)
    )


def imported(plugin: Plugin) -> object:
    """What the entry point names.

    Raises:
        ModelError: it is not used, or its code cannot be imported.

    """
    if plugin.fault is not None:
        raise broken(plugin, plugin.fault)
    with blamed(plugin):
        return plugin.entry.load()


def broken(plugin: Plugin, reason: str) -> ModelError:
    """The error of an architecture whose package does not do what it should."""
    return ModelError(
        BROKEN,
        f"the generator plug-in `{plugin.name}` of {plugin.origin} cannot be used: {reason}",
        f"repair or remove the package; its entry point is {plugin.entry.value}",
    )


@contextmanager
def blamed(plugin: Plugin) -> Iterator[None]:
    """A block of the package's code: what it raises, except ModelError, is reported as its fault.

    Raises:
        ModelError: the block failed.

    """
    try:
        yield
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise broken(plugin, _in_words(error)) from error


def _in_words(error: BaseException) -> str:
    """An exception of foreign code, as one line."""
    return f"{type(error).__name__}: {first_line(error)}"


def _origin(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _fault(name: str, count: int, taken: Collection[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return "a recipe cannot write such a name"
    if name in taken:
        return "that is the name of a built-in architecture"
    if count > 1:
        return f"{count} packages use that name"
    return None
