"""The server: one page, one socket for each tab, and files that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from threading import Event

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from redraft.errors import ArtifactError, CancelledError, PlanError
from redraft.show.metadata import recipe_in_picture
from redraft.studio import share
from redraft.studio.answers import answered
from redraft.studio.failing import said
from redraft.studio.masks import from_file
from redraft.studio.session import Session
from redraft.studio.text.document import Document
from redraft.studio.web.door import Door, Keys
from redraft.studio.web.hub import Box
from redraft.studio.web.messages import REQUEST

PAGE = Path(__file__).parent.parent / "page"
MOST_MESSAGE = 8 << 20
"""Bytes of one message of a page."""


def make_app(session: Session, keys: Keys) -> ASGIApp:
    """The server of a session, behind its door."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        session.close()

    routes = [
        Route("/", partial(_page)),
        WebSocketRoute("/socket", partial(_socket, session)),
        Route("/mask", partial(_mask, session), methods=["POST"]),
        Route("/drop", partial(_drop, session), methods=["POST"]),
        Route("/share/edit", partial(_edit, session)),
        Route("/share/sheet", partial(_sheet, session)),
        Route("/share/pack", partial(_pack, session)),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    return Door(Starlette(routes=routes, lifespan=lifespan), keys)


async def _page(_request: Request) -> Response:
    return FileResponse(PAGE / "index.html", media_type="text/html")


async def _socket(session: Session, socket: WebSocket) -> None:
    await socket.accept()
    loop = asyncio.get_running_loop()
    box = Box(loop)
    await loop.run_in_executor(session.desk, session.welcome, box)
    sending = loop.create_task(_send(socket, box))
    try:
        while True:
            await _answer(session, box, await socket.receive_text())
    except (WebSocketDisconnect, RuntimeError, KeyError):
        pass  # a tab was closed, perhaps in the middle, or sent bytes, which no page does
    finally:
        session.hub.leave(box)
        sending.cancel()


async def _send(socket: WebSocket, box: Box) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        while True:
            message = await box.take()
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)


async def _answer(session: Session, box: Box, text: str) -> None:
    """Answer one message; whatever is wrong with it is said, and the socket stays open."""
    number = 0
    try:
        number = _number_of(text)
        request = REQUEST.validate_json(text)
        work = partial(answered, session, request.body)
        found = await asyncio.get_running_loop().run_in_executor(session.desk, work)
        box.put(json.dumps({"reply": number, **found}), "")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        refused = {"code": "RD801", "message": f"{where}: {first['msg']}", "help": None}
        box.put(json.dumps({"reply": number, "failure": refused}), "")
    except Exception as error:
        box.put(json.dumps({"reply": number, "failure": said(error)}), "")


def _number_of(text: str) -> int:
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("id"), int):
            return int(found["id"])
    return 0


async def _at_desk(session: Session, work: Callable[[], Response]) -> Response:
    try:
        return await asyncio.get_running_loop().run_in_executor(session.desk, work)
    except Exception as error:
        return JSONResponse({"failure": said(error)}, status_code=409)


async def _drop(session: Session, request: Request) -> Response:
    """A file was dropped on the page."""
    return await _of_file(session, request, partial(_dropped, session))


async def _mask(session: Session, request: Request) -> Response:
    """A picture was dropped: what it marks, or nothing where a recipe is inside."""
    return await _of_file(session, request, partial(_marked, session))


async def _of_file(
    session: Session, request: Request, work: Callable[[bytes, str], Response]
) -> Response:
    name = request.query_params.get("name", "")[:200]
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > share.MOST_DROPPED:
            most = share.MOST_DROPPED >> 20
            failure = ArtifactError("RD813", "the file is too large", f"at most {most} MB are read")
            return JSONResponse({"failure": said(failure)}, status_code=413)
    return await _at_desk(session, partial(work, bytes(data), name))


def _marked(session: Session, data: bytes, name: str) -> Response:
    with contextlib.suppress(ArtifactError):
        recipe_in_picture(data)
        return Response(status_code=204)
    if session.model is None:
        raise PlanError("RD819", "the model is not open yet", "wait until its pictures come")
    image = session.model.opened.base.facts.image_size
    return Response(from_file(data, Path(name).name, image), media_type="image/png")


def _dropped(session: Session, data: bytes, name: str) -> Response:
    model = layer = None
    if session.document is not None and session.model is not None:
        base, layers = session.model.opened.base, session.model.layers
        model = base.name if base.name in session.known.listed else str(base.path)
        layer = layers[len(layers) // 2].name
    found = share.dropped(data, name, session.folder, model, layer)
    if found.path is not None:
        session.open(Document.opened(found.path))
    else:
        session.open(Document(found.text))
    return JSONResponse({})


async def _edit(session: Session, _request: Request) -> Response:
    text = session.document.text if session.document is not None else ""

    def work() -> Response:
        edit = session.follower.edit(text, 600)
        if edit is None:
            raise PlanError("RD817", "the text cannot be solved as it is", "mend it first")
        return _file(edit.to_bytes(), f"{edit.facts.recipe}.safetensors")

    try:  # not at the desk: solving may take a while, and the page goes on
        return await asyncio.get_running_loop().run_in_executor(None, work)
    except Exception as error:
        return JSONResponse({"failure": said(error)}, status_code=409)


async def _sheet(session: Session, _request: Request) -> Response:
    def settle() -> Response:
        session.catch_up()
        return JSONResponse({})

    def work() -> Response:
        document = session.need()
        if session.model is None:
            raise PlanError("RD819", "the model is not open yet", "wait until its pictures come")
        found = session.follower.settled(0)
        # With a mistake in the text it is the last good one that belongs to the pictures.
        text, shown = (document.text, {}) if found is None else (found.text, found.pictures)
        numbers = [each for each in session.numbers if each in shown] or list(session.numbers)
        seed = session.latents().seed
        before = session.gallery.drawn(session.model, seed, numbers)
        after = [shown.get(each, original) for each, original in zip(numbers, before, strict=True)]
        name = document.path.stem if document.path is not None else "untitled"
        return _file(share.sheet(text, numbers, before, after), f"{name}.png")

    await _at_desk(session, settle)
    # Not at the desk: solving may take a while, and the page goes on.
    await asyncio.get_running_loop().run_in_executor(None, session.follower.settled, 600)
    return await _at_desk(session, work)


async def _pack(session: Session, _request: Request) -> Response:
    halt = Event()

    def begin() -> Path:
        session.halt = halt
        return share.saved(session.need())

    def work(saved: Path) -> Response:
        try:
            path = share.packed(saved, session.folder, share.progress_of(session.hub.say, halt))
        except CancelledError:
            session.hub.say({"event": "packed", "stopped": True}, "running")
            return Response(status_code=204)
        session.hub.say({"event": "packed", "name": path.name}, "running")
        return _file(path.read_bytes(), path.name)

    loop = asyncio.get_running_loop()
    try:  # not at the desk: a run may take a while, and can be stopped
        return await loop.run_in_executor(
            None, work, await loop.run_in_executor(session.desk, begin)
        )
    except Exception as error:
        return JSONResponse({"failure": said(error)}, status_code=409)


def _file(data: bytes, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    kind = "image/png" if name.endswith(".png") else "application/octet-stream"
    return Response(data, media_type=kind, headers=headers)
