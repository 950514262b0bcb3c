"""From a file or a text to a checked recipe, in one call."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from redraft_dsl.check import Checked, Opened, Written, check
from redraft_dsl.check.parameters import Given
from redraft_dsl.facts import FileFacts, KnownModels, ModelFacts
from redraft_dsl.files import FileFaultError, Trouble, read_regular
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
        size = f"{len(text)} characters, at most {MAX_BYTES} are read"
        return Checked(None, (_too_large(path, size),), {}, source, Tree(()))
    return _checked(source, Path(folder) / Path(path).name, models, facts, given, editions)


def _checked(
    source: Source,
    file: Path,
    models: KnownModels,
    facts: ModelFacts | FileFacts | None,
    given: Given,
    editions: Editions,
) -> Checked:
    """Check a text that is, or might be, in a file."""
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
        data = read_regular(Path(path), MAX_BYTES)
    except FileFaultError as problem:
        return Source(shown, ""), (_unreadable(shown, problem),), b""
    return *decode(shown, data), data


_REMEDIES: Mapping[Trouble, str] = {
    "missing": "check the spelling of the path",
    "a folder": "name the recipe file in it",
    "not regular": "name a recipe file",
    "unreadable": "check the path and its permissions",
}


def _unreadable(path: str, problem: FileFaultError) -> Diagnostic:
    if problem.trouble == "too large":
        return _too_large(path, str(problem))
    return error(
        "RD003",
        f"the recipe `{path}` cannot be read: {problem}",
        None,
        "",
        _REMEDIES[problem.trouble],
    )


def _too_large(path: str, size: str) -> Diagnostic:
    return error("RD004", f"the recipe `{path}` is too large", None, "", size)


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
