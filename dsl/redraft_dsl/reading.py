"""From a file or a text to a checked recipe, in one call."""

from __future__ import annotations

import gc
import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from redraft_dsl.check import Checked, Opened, Written, check
from redraft_dsl.check.parameters import Given
from redraft_dsl.facts import FileFacts, KnownModels, ModelFacts
from redraft_dsl.report.diagnostics import Diagnostic, error
from redraft_dsl.source import Source, Span, normalise
from redraft_dsl.syntax.editions import SHIPPED, Editions
from redraft_dsl.syntax.parse import parse
from redraft_dsl.syntax.tree import Tree

MAX_BYTES = 2**20
"""A recipe of a thousand rules has a fifth of this."""


def load(
    path: str | Path,
    models: KnownModels,
    *,
    facts: ModelFacts | FileFacts | None = None,
    given: Given = (),
    editions: Editions = SHIPPED,
) -> Checked:
    """Read and check the recipe at ``path``; its folder is where its own paths start.

    ``facts`` are those of a model given by file, or what reads them. ``given`` are values for its
    parameters, and for ``RULE.SETTING``; ``editions`` are those of the language that are known.

    Never raises for anything in the file, nor for a file that is missing or unreadable: that
    comes back as a diagnostic too.
    """
    source, problems = read(path)
    if problems:
        return Checked(None, problems, {}, source, Tree(()))
    return _checked(source, Path(path), models, facts, given, editions)


def loads(
    text: str,
    models: KnownModels,
    *,
    folder: str | Path = ".",
    path: str = "<text>",
    facts: ModelFacts | FileFacts | None = None,
    given: Given = (),
    editions: Editions = SHIPPED,
) -> Checked:
    """Check a recipe text; ``path`` is the name under which it is reported."""
    source = Source(path, normalise(text))
    if len(text) > MAX_BYTES:
        return Checked(None, (_too_large(path, f"{len(text)} characters"),), {}, source, Tree(()))
    return _checked(source, Path(folder) / Path(path).name, models, facts, given, editions)


def _checked(
    source: Source,
    file: Path,
    models: KnownModels,
    facts: ModelFacts | FileFacts | None,
    given: Given,
    editions: Editions,
) -> Checked:
    """Check a text that lies, or might lie, in a file."""
    with _collection_paused():
        parsed = parse(source, editions.language)
        own = _resolved(file)
        trail = () if own is None else (own,)
        written = Written(parsed.tree, source, file.parent, trail, given)
        return check(
            written,
            models,
            facts=facts,
            syntax=parsed.diagnostics,
            opener=partial(_open, editions),
            editions=editions,
        )


def _resolved(file: Path) -> Path | None:
    try:
        return file.resolve()
    except (OSError, RuntimeError, ValueError):
        return None  # such as a name with a NUL, which cannot be a file


def _open(editions: Editions, file: Path, shown: str) -> Opened:
    """A recipe that another one uses; ``shown`` is the name under which it is reported."""
    source, problems, data = _contents(file, shown)
    if problems:
        return Opened(source, Tree(()), problems, "")
    parsed = parse(source, editions.language)
    return Opened(source, parsed.tree, parsed.diagnostics, hashlib.sha256(data).hexdigest())


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Keep the garbage collector still for a moment.

    A long recipe is a hundred thousand small objects without cycles. Left alone, the collector
    walks all of them again and again, which takes a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read(path: str | Path) -> tuple[Source, tuple[Diagnostic, ...]]:
    """The text of a recipe file, or what stands in the way of reading it."""
    source, problems, _ = _contents(path, str(path))
    return source, problems


def _contents(path: str | Path, shown: str) -> tuple[Source, tuple[Diagnostic, ...], bytes]:
    """As ``read``, with the bytes that the text was decoded from."""
    try:
        file = Path(path)
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            return _unreadable(shown, "it is a folder", "name the recipe file in it")
        if not stat.S_ISREG(status.st_mode):
            return _unreadable(shown, "it is not a regular file", "name a recipe file")
        if status.st_size > MAX_BYTES:
            return Source(shown, ""), (_too_large(shown, f"{status.st_size} bytes"),), b""
        data = file.read_bytes()
        return *decode(shown, data), data
    except FileNotFoundError:
        return _unreadable(shown, "there is no such file", "check the spelling of the path")
    except (OSError, ValueError) as problem:
        reason = (getattr(problem, "strerror", None) or "it cannot be opened").lower()
        return _unreadable(shown, reason, "check the path and its permissions")


def _too_large(path: str, size: str) -> Diagnostic:
    help_text = f"{size}; at most {MAX_BYTES} are read"
    return error("RD004", f"the recipe `{path}` is too large", None, "", help_text)


def _unreadable(
    path: str, reason: str, remedy: str
) -> tuple[Source, tuple[Diagnostic, ...], bytes]:
    message = f"the recipe `{path}` cannot be read: {reason}"
    return Source(path, ""), (error("RD003", message, None, "", remedy),), b""


def decode(path: str, data: bytes) -> tuple[Source, tuple[Diagnostic, ...]]:
    """A recipe's bytes as text with LF line ends and no byte order mark."""
    try:
        return Source(path, normalise(data.decode("utf-8"))), ()
    except UnicodeDecodeError as problem:
        before = normalise(data[: problem.start].decode("utf-8"))
        source = Source(path, normalise(data.decode("utf-8", errors="replace")))
        at = len(before)
        byte = data[problem.start]
        return source, (
            error(
                "RD001",
                "the text is not valid UTF-8",
                Span(at, at + 1),
                f"byte 0x{byte:02X} has no meaning here",
                "save the file as UTF-8",
            ),
        )
