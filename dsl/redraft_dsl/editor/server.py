"""The language server itself: what the protocol asks, answered by the modules beside this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from redraft_dsl.editor.complete import complete
from redraft_dsl.editor.documents import Document, Documents, Examined, path_of
from redraft_dsl.editor.hover import hover
from redraft_dsl.editor.problems import problems
from redraft_dsl.editor.symbols import folds, symbols
from redraft_dsl.editor.used import used_as, used_from
from redraft_dsl.facts import FileFacts, KnownModels
from redraft_dsl.report.diagnostics import Fix
from redraft_dsl.source import Edit, Span
from redraft_dsl.syntax.editions import SHIPPED, Editions, format_text
from redraft_dsl.syntax.names import Occurrence, at, elsewhere, objection, same
from redraft_dsl.syntax.tree import UseLine

DELAY = 0.1
"""Seconds without a keystroke after which a document is checked, as a whole."""

T = TypeVar("T")


class Protocol(LanguageServerProtocol):
    """The protocol with the server's own documents.

    pygls' documents end lines at characters that the protocol does not count as line ends, so a
    change could go to a wrong place.
    """

    _server: Server

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """A document was opened."""
        self._server.documents.open(params.text_document)
        self._server.check_soon(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document was changed."""
        if self._server.documents.change(params):
            self._server.check_soon(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """A document is closed, and its diagnostics are withdrawn."""
        uri = params.text_document.uri
        self._server.documents.close(uri)
        self._server.publish(uri, None, [])


class Server(LanguageServer):
    """Everything that an editor may ask about recipes.

    Documents are checked, and questions answered, in a thread of their own, one after another; the
    protocol is served meanwhile.
    """

    def __init__(
        self, version: str, models: KnownModels, file_facts: FileFacts, editions: Editions
    ) -> None:
        super().__init__("redraft", version, protocol_cls=Protocol)
        self.documents = Documents(models, file_facts, editions)
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._worker = ThreadPoolExecutor(1, "redraft-check")

    @property
    def ended_well(self) -> bool:
        """Whether the editor asked for the shutdown before it left."""
        return self.protocol._shutdown

    def check_soon(self, uri: str) -> None:
        """Check a document when no keystroke has come for a moment, as it will be then."""
        if uri in self._waiting:
            self._waiting[uri].cancel()
        loop = asyncio.get_running_loop()
        self._waiting[uri] = loop.call_later(DELAY, self._begin, uri)

    def check_all(self, _params: Any) -> None:
        """Check everything again: files beside the documents may have changed."""
        self.documents.forget_checks()
        for document in self.documents:
            self.check_soon(document.uri)

    def _begin(self, uri: str) -> None:
        self._waiting.pop(uri, None)
        task = asyncio.get_running_loop().create_task(self._check(uri))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check(self, uri: str) -> None:
        document = self.documents.get(uri)
        if document is None:
            return
        found = await self._work(lambda: problems(self.documents.examine(document)))
        if self.documents.get(uri) is document:
            self.publish(uri, document.version, found)

    def publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        """Show what is wrong with a document."""
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def answering(self, answer: Callable[[Examined, Any], Any]) -> Callable[[Any], Any]:
        """A handler that answers about a document as it is now; with null where it is not open."""

        async def handle(params: Any) -> Any:
            document = self.documents.get(params.text_document.uri)
            if document is None:
                return None
            return await self._work(lambda: answer(self.documents.examine(document), params))

        return handle

    def begin(self, params: types.InitializeParams) -> None:
        """Note how the editor counts columns, and where its files lie."""
        encoding = self.protocol.workspace.position_encoding
        if encoding is not None:
            self.documents.encoding = str(getattr(encoding, "value", encoding))
        roots = [folder.uri for folder in params.workspace_folders or ()]
        home = path_of(roots[0] if roots else params.root_uri or "")
        self.documents.home = home or Path.cwd()

    async def _work(self, task: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, task)


def make_server(
    version: str, models: KnownModels, file_facts: FileFacts, editions: Editions = SHIPPED
) -> Server:
    """A server that is ready to be started.

    Args:
        version: redraft's, which editors show.
        models: the model list.
        file_facts: reads the head of a model file; None when that fails.
        editions: the editions of the language that there are.

    """
    server = Server(version, models, file_facts, editions)
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_notable)
    server.feature(types.INITIALIZE)(partial(server.begin))
    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(partial(server.check_all))
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(partial(server.check_all))
    for feature, answer, options in _ANSWERS:
        server.feature(feature, options)(server.answering(answer))
    return server


def _is_notable(record: logging.LogRecord) -> bool:
    """Whether a record of pygls is worth a line; a refused request is not an error."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException))


def _completion(examined: Examined, params: types.CompletionParams) -> list[types.CompletionItem]:
    return complete(examined, examined.document.text.offset(params.position))


def _hover(examined: Examined, params: types.HoverParams) -> types.Hover | None:
    text = examined.document.text
    found = hover(examined, text.offset(params.position))
    if found is None:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, found[0])
    return types.Hover(content, text.range(found[1]))


def _named(examined: Examined, position: types.Position) -> Occurrence | None:
    return at(examined.tree, examined.document.text.offset(position))


def _location(examined: Examined, span: Span) -> types.Location:
    return types.Location(examined.document.uri, examined.document.text.range(span))


def _definition(examined: Examined, params: types.DefinitionParams) -> list[types.Location]:
    found = _named(examined, params.position)
    other = _elsewhere(examined, found, examined.document.text.offset(params.position))
    if other is not None:
        return [other]
    every = same(examined.tree, found) if found else ()
    return [_location(examined, each.span) for each in every if each.defines]


def _elsewhere(examined: Examined, found: Occurrence | None, offset: int) -> types.Location | None:
    """The place in another recipe that declares a name, or that a `use` line is about."""
    encoding = examined.document.text.encoding
    if found is not None:
        alias = found.name if found.kind == "recipe" else found.of
        used = used_as(examined, alias) if alias else None
        span = used.declaration(found.kind, found.name) if used else None
        return used.place(span, encoding) if used and (span or found.kind == "recipe") else None
    for node in examined.tree.statements:
        if isinstance(node, UseLine) and node.path.span.start <= offset <= node.path.span.end:
            used = used_from(examined, node.path.text)
            return used.place(used.declaration("recipe", ""), encoding) if used else None
    return None


def _references(examined: Examined, params: types.ReferenceParams) -> list[types.Location]:
    wanted, found = params.context.include_declaration, _named(examined, params.position)
    if found is None:
        return []
    places = [
        _location(examined, each.span)
        for each in same(examined.tree, found)
        if wanted or not each.defines or each.of is not None
    ]
    other = _elsewhere(examined, found, -1) if found.of else None
    return [*places, *([other] if other is not None and wanted else [])]


def _prepare_rename(examined: Examined, params: types.PrepareRenameParams) -> types.Range | None:
    found = _named(examined, params.position)
    if found is None:
        return None
    _refuse(elsewhere(found, _declared_in(examined, found)))
    return examined.document.text.range(found.span)


def _rename(examined: Examined, params: types.RenameParams) -> types.WorkspaceEdit | None:
    found = _named(examined, params.position)
    if found is None:
        raise JsonRpcInvalidParams("there is no name here that can be changed")
    _refuse(elsewhere(found, _declared_in(examined, found)))
    _refuse(objection(examined.tree, found, params.new_name))
    every = same(examined.tree, found)
    return _changes(examined.document, tuple(Edit(e.span, params.new_name) for e in every))


def _refuse(why: str | None) -> None:
    if why is not None:
        raise JsonRpcInvalidParams(why)


def _declared_in(examined: Examined, found: Occurrence) -> str | None:
    """The file and the line that declare a name of another recipe."""
    if found.of is None:
        return None
    used = used_as(examined, found.of)
    span = used.declaration(found.kind, found.name) if used else None
    if used is None or span is None:
        return None
    return f"{used.where}, line {used.checked.source.position(span.start).line}"


def _changes(document: Document, edits: tuple[Edit, ...]) -> types.WorkspaceEdit:
    changed = [types.TextEdit(document.text.range(span), new) for span, new in edits]
    return types.WorkspaceEdit(changes={document.uri: changed})


def _formatting(
    examined: Examined, _params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    document = examined.document
    old = document.source.text
    new = format_text(document.text.raw, editions=examined.editions).text
    if new is None or new == old:
        return None
    start = _alike(old, new)
    rest = _alike(old[start:][::-1], new[start:][::-1])
    area = document.text.range(Span(start, len(old) - rest))
    return [types.TextEdit(area, new[start : len(new) - rest])]


def _alike(first: str, second: str) -> int:
    """How many characters two texts begin with in common."""
    pairs = zip(first, second, strict=False)
    differing = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(differing, min(len(first), len(second)))


def _code_action(examined: Examined, params: types.CodeActionParams) -> list[types.CodeAction]:
    if not _asks_for_fixes(params.context):
        return []
    wanted = examined.document.text.span(params.range)
    return [
        _action(fix, examined.document, published)
        for problem, published in zip(examined.diagnostics, problems(examined), strict=True)
        if problem.span and problem.span.start <= wanted.end
        if problem.span.end >= wanted.start
        for fix in problem.fixes
    ]


def _asks_for_fixes(context: types.CodeActionContext) -> bool:
    only = context.only
    return only is None or any(str(getattr(k, "value", k)) in ("", "quickfix") for k in only)


def _action(fix: Fix, document: Document, fixed: types.Diagnostic) -> types.CodeAction:
    return types.CodeAction(
        title=fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[fixed],
        is_preferred=fix.preferred,
        edit=_changes(document, fix.edits),
    )


_ANSWERS: tuple[tuple[str, Callable[[Examined, Any], Any], Any], ...] = (
    (
        types.TEXT_DOCUMENT_COMPLETION,
        _completion,
        types.CompletionOptions(trigger_characters=['"', "/", " ", "."]),
    ),
    (types.TEXT_DOCUMENT_HOVER, _hover, None),
    (types.TEXT_DOCUMENT_DEFINITION, _definition, None),
    (types.TEXT_DOCUMENT_REFERENCES, _references, None),
    (types.TEXT_DOCUMENT_PREPARE_RENAME, _prepare_rename, None),
    (types.TEXT_DOCUMENT_RENAME, _rename, None),
    (types.TEXT_DOCUMENT_FORMATTING, _formatting, None),
    (
        types.TEXT_DOCUMENT_CODE_ACTION,
        _code_action,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    ),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, symbols, None),
    (types.TEXT_DOCUMENT_FOLDING_RANGE, folds, None),
)
"""What an editor asks, how it is answered, and what it may know of the answers beforehand."""
