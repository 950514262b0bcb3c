"""The language server itself: what the protocol asks, answered by the modules beside this one."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from redraft_dsl.editor.complete import complete
from redraft_dsl.editor.documents import Document, Documents, Examined, FileFacts, path_of
from redraft_dsl.editor.fixes import Edit, Fix, fixes
from redraft_dsl.editor.hover import hover
from redraft_dsl.editor.names import Occurrence, at, elsewhere, objection, same
from redraft_dsl.editor.problems import problems
from redraft_dsl.editor.symbols import folds, symbols
from redraft_dsl.editor.used import used_as, used_from
from redraft_dsl.facts import KnownModels
from redraft_dsl.source import Span
from redraft_dsl.syntax.format import format_text
from redraft_dsl.syntax.tree import UseLine

DELAY = 0.002
"""Seconds that a check waits for the next keystroke; only the newest state is checked."""

IDLE = 2.0
"""Seconds without a check after which memory is tidied up."""

T = TypeVar("T")


class Protocol(LanguageServerProtocol):
    """The protocol with the server's own documents.

    pygls' documents end lines at characters that the protocol does not count as line ends, so a
    change could go to a wrong place.
    """

    _server: Server

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """A document is there."""
        self._server.documents.open(params.text_document)
        self._server.check_soon(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document is another."""
        if self._server.documents.change(params):
            self._server.check_soon(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """A document is gone, and what was said about it too."""
        uri = params.text_document.uri
        self._server.documents.close(uri)
        self._server.publish(uri, None, [])


class Server(LanguageServer):
    """Everything that an editor may ask about recipes."""

    def __init__(self, version: str, models: KnownModels, file_facts: FileFacts) -> None:
        super().__init__("redraft", version, protocol_cls=Protocol)
        self.documents = Documents(models, file_facts)
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._tidying: asyncio.TimerHandle | None = None

    @property
    def ended_well(self) -> bool:
        """Whether the editor said that it is done before it left."""
        return self.protocol._shutdown

    def check_soon(self, uri: str) -> None:
        """Check a document in a moment, as it will be then."""
        if uri not in self._waiting:
            loop = asyncio.get_running_loop()
            self._waiting[uri] = loop.call_later(DELAY, self._check, uri)

    def check_all(self) -> None:
        """Check everything anew: files beside the documents may have changed."""
        self.documents.forget_checks()
        for document in self.documents:
            self.check_soon(document.uri)

    def _check(self, uri: str) -> None:
        self._waiting.pop(uri, None)
        document = self.documents.get(uri)
        if document is not None:
            self.publish(uri, document.version, problems(self.documents.examine(document)))
        if self._tidying is not None:
            self._tidying.cancel()
        self._tidying = asyncio.get_running_loop().call_later(IDLE, _tidy)

    def publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        """Show what is wrong with a document."""
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def ask(self, uri: str, answer: Callable[[Examined], T]) -> T | None:
        """Answer a question about a document; None where it is not open."""
        document = self.documents.get(uri)
        if document is None:
            return None
        with self.documents.at_hand():
            return answer(self.documents.examine(document))


def _tidy() -> None:
    """Collect what is lost; what is left is not looked through again."""
    gc.collect()
    gc.freeze()


def make_server(version: str, models: KnownModels, file_facts: FileFacts) -> Server:
    """A server that is ready to be started.

    Args:
        version: redraft's, which editors show.
        models: the model list.
        file_facts: reads the head of a model file; None when that fails.

    """
    # The collector would walk the remembered trees in the middle of a keystroke; what it finds can
    # wait until nobody types.
    gc.disable()
    server = Server(version, models, file_facts)
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_news)
    for feature, handler, options in _FEATURES:
        server.feature(feature, options)(_bound(handler, server))
    _tidy()
    return server


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record of pygls is worth a line; a request that is refused is no fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException))


def _bound(handler: Callable[[Server, Any], Any], server: Server) -> Callable[[Any], Any]:
    def bound(params: Any) -> Any:
        return handler(server, params)

    return bound


def _initialize(server: Server, params: types.InitializeParams) -> None:
    encoding = server.protocol.workspace.position_encoding
    if encoding is not None:
        server.documents.encoding = str(getattr(encoding, "value", encoding))
    roots = [folder.uri for folder in params.workspace_folders or ()]
    home = path_of(roots[0] if roots else params.root_uri or "")
    server.documents.home = home or Path.cwd()


def _files_changed(server: Server, _params: Any) -> None:
    server.check_all()


def _completion(server: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    def answer(examined: Examined) -> list[types.CompletionItem]:
        offset = examined.document.text.offset(params.position)
        return complete(examined, offset, server.documents.models)

    return server.ask(params.text_document.uri, answer) or []


def _hover(server: Server, params: types.HoverParams) -> types.Hover | None:
    def answer(examined: Examined) -> types.Hover | None:
        text = examined.document.text
        found = hover(examined, text.offset(params.position), server.documents.models)
        if found is None:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, found[0])
        return types.Hover(content, text.range(found[1]))

    return server.ask(params.text_document.uri, answer)


def _definition(server: Server, params: types.DefinitionParams) -> list[types.Location]:
    def answer(examined: Examined) -> list[types.Location]:
        text = examined.document.text
        offset = text.offset(params.position)
        found = at(examined.tree, offset)
        other = _elsewhere(server, examined, found, offset)
        if other is not None:
            return [other]
        return [
            types.Location(examined.document.uri, text.range(each.span))
            for each in (same(examined.tree, found) if found else ())
            if each.defines
        ]

    return server.ask(params.text_document.uri, answer) or []


def _elsewhere(
    server: Server, examined: Examined, found: Occurrence | None, offset: int
) -> types.Location | None:
    """The place in another recipe that declares a name, or that a `use` line is about."""
    models, encoding = server.documents.models, examined.document.text.encoding
    if found is not None:
        alias = found.name if found.kind == "recipe" else found.of
        used = used_as(examined, alias, models) if alias else None
        span = used.declaration(found.kind, found.name) if used else None
        return used.place(span, encoding) if used and (span or found.kind == "recipe") else None
    for node in examined.tree.statements:
        if isinstance(node, UseLine) and node.path.span.start <= offset <= node.path.span.end:
            used = used_from(examined, node.path.text, models)
            return used.place(used.declaration("recipe", ""), encoding) if used else None
    return None


def _references(server: Server, params: types.ReferenceParams) -> list[types.Location]:
    wanted = params.context.include_declaration

    def answer(examined: Examined) -> list[types.Location]:
        text = examined.document.text
        found = at(examined.tree, text.offset(params.position))
        if found is None:
            return []
        places = [
            types.Location(examined.document.uri, text.range(each.span))
            for each in same(examined.tree, found)
            if wanted or not each.defines or each.of is not None
        ]
        other = _elsewhere(server, examined, found, -1) if found.of else None
        return [*places, *([other] if other is not None and wanted else [])]

    return server.ask(params.text_document.uri, answer) or []


def _prepare_rename(server: Server, params: types.PrepareRenameParams) -> types.Range | None:
    def answer(examined: Examined) -> types.Range | None:
        text = examined.document.text
        found = at(examined.tree, text.offset(params.position))
        if found is not None:
            _refuse(elsewhere(found, _declared_in(server, examined, found)))
        return text.range(found.span) if found else None

    return server.ask(params.text_document.uri, answer)


def _rename(server: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    def answer(examined: Examined) -> types.WorkspaceEdit | None:
        found = at(examined.tree, examined.document.text.offset(params.position))
        if found is None:
            raise JsonRpcInvalidParams("there is no name here that can be changed")
        _refuse(elsewhere(found, _declared_in(server, examined, found)))
        _refuse(objection(examined.tree, found, params.new_name))
        every = same(examined.tree, found)
        return _changes(examined.document, tuple((e.span, params.new_name) for e in every))

    return server.ask(params.text_document.uri, answer)


def _refuse(why: str | None) -> None:
    if why is not None:
        raise JsonRpcInvalidParams(why)


def _declared_in(server: Server, examined: Examined, found: Occurrence) -> str | None:
    """The file and the line that declare a name of another recipe."""
    if found.of is None:
        return None
    used = used_as(examined, found.of, server.documents.models)
    span = used.declaration(found.kind, found.name) if used else None
    if used is None or span is None:
        return None
    return f"{used.where}, line {used.checked.source.position(span.start).line}"


def _changes(document: Document, edits: tuple[Edit, ...]) -> types.WorkspaceEdit:
    changed = [types.TextEdit(document.text.range(span), new) for span, new in edits]
    return types.WorkspaceEdit(changes={document.uri: changed})


def _formatting(
    server: Server, params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return None
    old = document.source.text
    with server.documents.at_hand():
        new = format_text(document.text.raw).text
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


def _code_action(server: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    def answer(examined: Examined) -> list[types.CodeAction]:
        wanted = examined.document.text.span(params.range)
        shown = problems(examined)
        return [
            _action(fix, examined.document, published)
            for problem, published in zip(examined.diagnostics, shown, strict=True)
            if problem.span and problem.span.start <= wanted.end
            if problem.span.end >= wanted.start
            for fix in fixes(problem, examined)
        ]

    if not _wants_fixes(params.context):
        return None
    return server.ask(params.text_document.uri, answer)


def _wants_fixes(context: types.CodeActionContext) -> bool:
    only = context.only
    return only is None or any(str(getattr(k, "value", k)) in ("", "quickfix") for k in only)


def _action(fix: Fix, document: Document, mends: types.Diagnostic) -> types.CodeAction:
    return types.CodeAction(
        title=fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[mends],
        is_preferred=fix.preferred,
        edit=_changes(document, fix.edits),
    )


def _symbols(
    server: Server, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol] | None:
    return server.ask(params.text_document.uri, symbols)


def _folding(server: Server, params: types.FoldingRangeParams) -> list[types.FoldingRange] | None:
    return server.ask(params.text_document.uri, folds)


_FEATURES: tuple[tuple[str, Callable[[Server, Any], Any], Any], ...] = (
    (types.INITIALIZE, _initialize, None),
    (types.TEXT_DOCUMENT_DID_SAVE, _files_changed, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, _files_changed, None),
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
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols, None),
    (types.TEXT_DOCUMENT_FOLDING_RANGE, _folding, None),
)
