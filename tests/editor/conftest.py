"""An editor for the tests: a real client that speaks with a real server in a second process."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

TIMEOUT = 300


class Editor:
    """Starts ``redraft lsp``; every call waits for what it asks for."""

    def __init__(self, folder: Path, encodings: list[str] | None = None) -> None:
        self.folder = folder
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.opened: set[str] = set()
        self.messages: list[str] = []
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.client = LanguageClient("tests", "1")
        self._listen()
        self._wait(self._start())
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        self.capabilities = self.ask(
            types.INITIALIZE,
            types.InitializeParams(
                capabilities=types.ClientCapabilities(general=general),
                root_uri=folder.as_uri(),
            ),
        ).capabilities
        self.notify(types.INITIALIZED, types.InitializedParams())

    def _listen(self) -> None:
        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            with self._news:
                self.published[params.uri] = params
                self._news.notify_all()

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def said(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

    async def _start(self) -> None:
        await self.client.start_io(sys.executable, "-m", "redraft", "lsp", cwd=self.folder)

    def _wait(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(TIMEOUT)

    @property
    def process(self) -> Any:
        return self.client._server

    def ask(self, method: str, params: Any) -> Any:
        """A request and its answer."""

        async def asking() -> Any:
            return await self.client.protocol.send_request_async(method, params)

        return self._wait(asking())

    def notify(self, method: str, params: Any) -> None:
        async def notifying() -> None:
            self.client.protocol.notify(method, params)

        self._wait(notifying())

    def open(self, uri: str, text: str, version: int = 1) -> None:
        item = types.TextDocumentItem(uri, "redraft", version, text)
        if uri in self.opened:
            # What is on its way about the text before would be taken for an answer to this one.
            self.close(uri)
            self.problems(uri, None)
        self.opened.add(uri)
        self.published.pop(uri, None)
        self.notify(types.TEXT_DOCUMENT_DID_OPEN, types.DidOpenTextDocumentParams(item))

    def change(self, uri: str, version: int, *changes: Any) -> None:
        named = types.VersionedTextDocumentIdentifier(version, uri)
        params = types.DidChangeTextDocumentParams(named, list(changes))
        self.notify(types.TEXT_DOCUMENT_DID_CHANGE, params)

    def close(self, uri: str) -> None:
        self.opened.discard(uri)
        params = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        self.notify(types.TEXT_DOCUMENT_DID_CLOSE, params)

    def problems(self, uri: str, version: int | None = 1) -> list[types.Diagnostic]:
        """What the server publishes on a version; waits until it does."""

        def there() -> bool:
            return uri in self.published and self.published[uri].version == version

        with self._news:
            assert self._news.wait_for(there, TIMEOUT), "nothing was published"
            return list(self.published[uri].diagnostics)

    def at(self, method: str, kind: Callable[..., Any], uri: str, place: Any, **more: Any) -> Any:
        """A request about a place, an offset-like (line, character)."""
        position = types.Position(*place)
        named = types.TextDocumentIdentifier(uri)
        return self.ask(method, kind(text_document=named, position=position, **more))

    @staticmethod
    def place(text: str, offset: int) -> tuple[int, int]:
        """An offset as line and UTF-16 column."""
        line = text.count("\n", 0, offset)
        start = text.rfind("\n", 0, offset) + 1
        return line, len(text[start:offset].encode("utf-16-le")) // 2

    def complete(self, uri: str, place: Any) -> list[types.CompletionItem]:
        return self.at(types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams, uri, place)

    def hover(self, uri: str, place: Any) -> types.Hover | None:
        return self.at(types.TEXT_DOCUMENT_HOVER, types.HoverParams, uri, place)

    def define(self, uri: str, place: Any) -> list[types.Location]:
        return self.at(types.TEXT_DOCUMENT_DEFINITION, types.DefinitionParams, uri, place)

    def rename(self, uri: str, place: Any, new: str) -> types.WorkspaceEdit | None:
        return self.at(types.TEXT_DOCUMENT_RENAME, types.RenameParams, uri, place, new_name=new)

    def about(self, method: str, kind: Callable[..., Any], uri: str, *more: Any) -> Any:
        return self.ask(method, kind(types.TextDocumentIdentifier(uri), *more))

    def format(self, uri: str) -> list[types.TextEdit] | None:
        options = types.FormattingOptions(2, True)
        params = types.DocumentFormattingParams(types.TextDocumentIdentifier(uri), options)
        return self.ask(types.TEXT_DOCUMENT_FORMATTING, params)

    def fixes(self, uri: str, area: types.Range) -> list[types.CodeAction]:
        context = types.CodeActionContext([])
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), area, context)
        return self.ask(types.TEXT_DOCUMENT_CODE_ACTION, params) or []

    def leave(self, *, politely: bool = True) -> int:
        """Shut the server down; its exit status."""
        if politely:
            self.ask(types.SHUTDOWN, None)
        self.notify(types.EXIT, None)
        status: int = self._wait(self.process.wait())
        self._end()
        return status

    def _end(self) -> None:
        self._wait(self.client.stop())
        self.errors = self._wait(self.process.stderr.read()).decode()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()


@pytest.fixture
def new_editor(tmp_path: Path) -> Iterator[Callable[..., Editor]]:
    """Makes editors, each with a server of its own; those still running are sent away."""
    made: list[Editor] = []

    def make(**options: Any) -> Editor:
        made.append(Editor(tmp_path, **options))
        return made[-1]

    yield make
    for editor in made:
        if not editor._loop.is_closed():
            editor.leave()


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One editor and one server for all tests of a module."""
    os.environ.setdefault("REDRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
    editor = Editor(tmp_path_factory.mktemp("recipes"))
    yield editor
    status = editor.leave()
    assert status == 0
    assert editor.messages == [], "the server reported an error of its own"
    assert "Traceback" not in editor.errors


HEAD = """\
edition 2026

recipe glasses 1.0.0 "Glasses"

model faces
latents z { seed 1  count 2000 }
region eyes = box(x 12..52, y 24..38)

"""
"""What every recipe of these tests begins with; the rules come on line 8."""


@pytest.fixture
def head() -> str:
    return HEAD


@pytest.fixture
def applied() -> Callable[[str, list[types.TextEdit]], str]:
    """What an editor makes of edits, as it counts: lines, and UTF-16 units in them."""

    def apply(text: str, edits: list[types.TextEdit]) -> str:
        import re

        ends = list(re.finditer(r"\r\n|\r|\n", text))
        starts = [0, *(end.end() for end in ends)]
        stops = [*(end.start() for end in ends), len(text)]

        def offset(place: types.Position) -> int:
            if place.line >= len(starts):
                return len(text)
            line = text[starts[place.line] : stops[place.line]]
            part = line.encode("utf-16-le", "surrogatepass")[: 2 * place.character]
            # A place inside a character is one before it.
            before = part.decode("utf-16-le", "surrogatepass")
            return starts[place.line] + len(before) - ("\ud800" <= before[-1:] <= "\udfff")

        spans = [(offset(e.range.start), offset(e.range.end), e.new_text) for e in edits]
        for start, end, new in sorted(spans, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    return apply


@pytest.fixture
def tiny_dcgan() -> Callable[[Path], None]:
    """Writes the weights of a small DCGAN with pictures of 64 pixels."""

    def write(path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        sizes = (16, 32, 16, 8, 8, 3)
        state = {}
        for place, (inner, outer) in enumerate(pairwise(sizes)):
            state[f"main.{3 * place}.weight"] = torch.zeros(inner, outer, 4, 4)
            if outer > 3:
                for name in ("weight", "bias", "running_mean", "running_var"):
                    state[f"main.{3 * place + 1}.{name}"] = torch.ones(outer)
        save_file(state, path)

    return write
