"""The documents that are open in the editor, and what the checker says about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lsprotocol import types
from pygls.uris import to_fs_path

import redraft_dsl
from redraft_dsl import Checked, KnownModels, ModelFacts
from redraft_dsl.check.context import setting_value
from redraft_dsl.check.kept import Kept, keeping
from redraft_dsl.editor.positions import Text
from redraft_dsl.geometry.masks import path_fault
from redraft_dsl.reading import MAX_BYTES
from redraft_dsl.report.diagnostics import Diagnostic, error
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.parse import Pieces, remembering
from redraft_dsl.syntax.tree import Tree

FileFacts = Callable[[Path, str | None], ModelFacts | None]
"""Reads the head of a model file, given what the recipe says it is; None if that fails."""


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
    """A document with what the checker made of it, and the facts of its model if they are known."""

    document: Document
    checked: Checked
    facts: ModelFacts | None

    @property
    def tree(self) -> Tree:
        """What could be read of the text."""
        return self.checked.tree

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the text."""
        return self.checked.diagnostics


@dataclass
class Documents:
    """Everything that is open.

    ``models`` is the model list, and ``file_facts`` reads the head of a model file.
    ``home`` is where the paths of a document without a file start.
    """

    models: KnownModels
    file_facts: FileFacts
    encoding: str = types.PositionEncodingKind.Utf16.value
    home: Path = field(default_factory=Path)
    _open: dict[str, Document] = field(default_factory=dict)
    _examined: dict[str, Examined] = field(default_factory=dict)
    _heads: dict[tuple[Path, str | None, int, int], ModelFacts | None] = field(default_factory=dict)
    _kept: Kept = field(default_factory=Kept)
    _pieces: Pieces = field(default_factory=Pieces)

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
        """Files beside the documents may have changed: everything is to be checked anew."""
        self._examined.clear()

    def examine(self, document: Document) -> Examined:
        """A document checked; the last state of each is remembered."""
        known = self._examined.get(document.uri)
        if known is None or known.document is not document:
            known = self._check(document, self._guess(known))
            self._examined[document.uri] = known
        return known

    @staticmethod
    def _guess(known: Examined | None) -> ModelFacts | None:
        """The model file's facts of the state before, which are mostly those of this one."""
        return known.facts if known is not None and _model_file(known.tree) else None

    def _check(self, document: Document, guess: ModelFacts | None) -> Examined:
        if len(document.source.text) > MAX_BYTES:
            return Examined(document, _too_large(document.source), None)
        checked = self._checked(document, guess)
        facts = self._facts(document, checked.tree)
        if facts != guess and (_model_file(checked.tree) or guess is not None):
            checked = self._checked(document, facts if _model_file(checked.tree) else None)
        return Examined(document, checked, facts)

    def _checked(self, document: Document, facts: ModelFacts | None) -> Checked:
        with self.at_hand():
            return redraft_dsl.loads(
                document.text.raw,
                self.models,
                folder=document.folder,
                path=document.source.path,
                facts=facts,
            )

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Let what reads masks or parses inside use what was read before."""
        with keeping(self._kept), remembering(self._pieces):
            yield

    def _facts(self, document: Document, tree: Tree) -> ModelFacts | None:
        """The facts of the one model that a recipe names."""
        named = [node for node in tree.statements if isinstance(node, s.ModelStatement)]
        if len(named) != 1:
            return None
        if named[0].block is None:
            return self.models.listed.get(named[0].name.text)
        weights = setting_value(named[0].block, "weights")
        arch = setting_value(named[0].block, "arch")
        if not isinstance(weights, s.Text) or path_fault(weights.text) is not None:
            return None
        return self._head(document.folder / weights.text, arch.text if arch else None)

    def _head(self, path: Path, arch: str | None) -> ModelFacts | None:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        key = (path, arch, status.st_mtime_ns, status.st_size)
        if key not in self._heads:
            self._heads[key] = self.file_facts(path, arch)
        return self._heads[key]


def path_of(uri: str) -> Path | None:
    """The file of a document; None when it has none, as one that was never saved."""
    try:
        found = to_fs_path(uri)
    except ValueError:
        return None
    return Path(found) if found else None


def _model_file(tree: Tree) -> bool:
    """Whether the recipe's model is given by its file."""
    named = [node for node in tree.statements if isinstance(node, s.ModelStatement)]
    return len(named) == 1 and named[0].block is not None


def _too_large(source: Source) -> Checked:
    """As for a file of that size."""
    problem = error(
        "RD004",
        "the recipe is too large",
        None,
        "",
        f"{len(source.text)} characters; at most {MAX_BYTES} are read",
    )
    return Checked(None, (problem,), {}, source, Tree(()))
