"""JSON files from other people, read strictly."""

from __future__ import annotations

import json
from typing import Any


class JsonFileError(Exception):
    """A file is not what it should be. ``message`` says why, ``help`` what is expected."""

    expected = ""
    """The remedy where a file is another kind of file altogether."""

    def __init__(self, message: str, help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.help = help or self.expected


def read_object(data: bytes, most: int, refused: type[JsonFileError]) -> dict[str, Any]:
    """The one object that a file of at most ``most`` bytes holds, in UTF-8.

    Raises ``refused`` for anything else, also for a name that stands twice in one object.
    """
    if len(data) > most:
        raise refused(f"it has {len(data)} bytes, and at most {most} are read")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            again = next(name for name in found if names.count(name) > 1)
            raise refused(f"it names `{again[:60]}` twice in one object", "keep one of the two")
        return found

    def no_constant(word: str) -> float:
        raise refused(f"it has the number {word}", "every number of such a file is finite")

    try:
        read = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError:
        raise refused("it is not text in UTF-8") from None
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise refused(f"it is not JSON ({place})") from None
    except (RecursionError, ValueError):
        raise refused("it is JSON that is too deep, or has a number too long") from None
    if not isinstance(read, dict):
        raise refused("it is JSON, but not an object")
    return read
