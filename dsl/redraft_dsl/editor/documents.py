"""The documents that are open in the editor, and what the checker says about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lsprotocol import types
from pygls.uris import to_fs_path

from redraft_dsl.check import Checked
from redraft_dsl.editor.positions import Text
from redraft_dsl.facts import FileFacts, KnownModels, ModelFacts
from redraft_dsl.language.language import Language
from redraft_dsl.reading import loads
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import SHIPPED, Editions, number_of


@dataclass(frozen=True)
class Document:
    """One state of a document: its text, and the folder where its paths start."""

    uri: str
    version: int
    text: Text
    folder: Path

    @property
    def source(self) -> Source:
        """The text as the language sees it."""
        return self.text.source


@dataclass(frozen=True)
class Examined:
    """A document with what the checker made of it.

    ``models`` is the model list that it was checked with, and ``editions`` those that there are.
    """

    document: Document
    checked: Checked
    models: KnownModels
    editions: Editions = SHIPPED

    @property
    def language(self) -> Language:
        """The words that are known."""
        return self.editions.language

    @property
    def edition(self) -> int:
        """The edition whose defaults hold."""
        return self.editions.number(number_of(self.tree))

    @property
    def tree(self) -> s.Tree:
        """What could be read of the text."""
        return self.checked.tree

    @property
    def facts(self) -> ModelFacts | None:
        """Those of the model, if they are known."""
        return self.checked.facts

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the text."""
        return self.checked.diagnostics


_HeadKey = tuple[Path, str | None, str | None, int, int]
"""A file, the architecture and the weights that are asked for, and the file's time and size."""


@dataclass
class Documents:
    """Everything that is open.

    ``models`` is the model list, and ``file_facts`` reads the head of a model file.
    ``home`` is where the paths of a document without a file start.
    """

    models: KnownModels
    file_facts: FileFacts
    editions: Editions = SHIPPED
    encoding: str = types.PositionEncodingKind.Utf16.value
    home: Path = field(default_factory=Path)
    _open: dict[str, Document] = field(default_factory=dict)
    _examined: dict[str, Examined] = field(default_factory=dict)
    _heads: dict[tuple[Path, str | None, str | None, int, int], ModelFacts | None] = field(
        default_factory=dict
    )

    def __iter__(self) -> Iterator[Document]:
        return iter(tuple(self._open.values()))

    def get(self, uri: str) -> Document | None:
        """The document as it is now; None when it is not open."""
        return self._open.get(uri)

    def open(self, item: types.TextDocumentItem) -> None:
        """Take a document in."""
        path = path_of(item.uri)
        text = Text(item.text, item.uri if path is None else str(path), self.encoding)
        folder = self.home if path is None else path.parent
        self._open[item.uri] = Document(item.uri, item.version, text, folder)

    def change(self, params: types.DidChangeTextDocumentParams) -> bool:
        """Follow changes; False for a document that is not open, of which nothing is known."""
        document = self._open.get(params.text_document.uri)
        if document is None:
            return False
        text = document.text
        for change in params.content_changes:
            text = text.changed(change)
        changed = replace(document, version=params.text_document.version, text=text)
        self._open[document.uri] = changed
        return True

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)
        self._examined.pop(uri, None)

    def forget_checks(self) -> None:
        """Files beside the documents may have changed: everything is to be checked again."""
        self._examined.clear()

    def examine(self, document: Document) -> Examined:
        """A document checked as a whole; the result for the last state of each is cached.

        It may run in a thread of its own: nothing but that cache is changed.
        """
        known = self._examined.get(document.uri)
        if known is not None and known.document is document:
            return known
        found = self._check(document)
        if self._open.get(document.uri) is document:
            self._examined[document.uri] = found
        return found

    def _check(self, document: Document) -> Examined:
        checked = loads(
            document.text.raw,
            self.models,
            folder=document.folder,
            path=document.source.path,
            facts=self._head,
            editions=self.editions,
        )
        return Examined(document, checked, self.models, self.editions)

    def _head(self, path: Path, arch: str | None, weights_set: str | None) -> ModelFacts | None:
        """The facts of a model that is given by its file, read once for each state of it."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        key = (path, arch, weights_set, status.st_mtime_ns, status.st_size)
        if key not in self._heads:
            self._heads[key] = self.file_facts(path, arch, weights_set)
        return self._heads[key]


def path_of(uri: str) -> Path | None:
    """The file of a document; None when it has none, as one that was never saved."""
    try:
        found = to_fs_path(uri)
    except ValueError:
        return None
    return Path(found) if found else None
