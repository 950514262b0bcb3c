"""Who may come in: one browser, on this machine, with the token that was printed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors http://127.0.0.1:* http://localhost:*"
)
"""Nothing but the page's own files is loaded, and only a notebook of this machine may show it."""
HOSTS = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Keys:
    """What a browser must know: the token of the address, then the secret of the cookie.

    Attributes:
        port: that the server listens on.
        token: part of the printed address.
        secret: what the cookie holds, so that the token need not be sent again.

    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def address(self) -> str:
        """To be opened in a browser."""
        return f"http://{HOSTS[0]}:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """Cookies are shared by all ports of a host, so the name holds the port."""
        return f"redraft-studio-{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may call this server."""
        return tuple(f"{host}:{self.port}" for host in HOSTS)


class Door:
    """An ASGI application in front of another one, which lets nobody else through."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or socket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers, scope)
        if refusal is None and not self._is_known(headers):
            if self._brings_token(scope):
                await self._welcome()(scope, receive, send)
                return
            refusal = "this page needs the address that redraft studio printed, with its token"
        if refusal is not None:
            await _refused(scope, receive, send, refusal)
            return
        await self._app(scope, receive, _guarded(send))

    def _refusal(self, headers: Headers, scope: Scope) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._keys.hosts:
            return "this server answers to 127.0.0.1 alone"
        if origin is None:
            # A browser names the origin of every socket and of every request that changes things.
            needed = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
            return "the request does not say which page it comes from" if needed else None
        if origin != f"http://{host}":
            return "the request comes from another page"
        return None

    def _is_known(self, headers: Headers) -> bool:
        values = _cookies(headers.getlist("cookie"), self._keys.cookie)
        return any(
            hmac.compare_digest(each.encode(), self._keys.secret.encode()) for each in values
        )

    def _brings_token(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self._keys.token.encode())

    def _welcome(self) -> RedirectResponse:
        response = RedirectResponse("/", status_code=303, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._keys.cookie, self._keys.secret, httponly=True, samesite="strict", path="/"
        )
        return response


def _cookies(headers: Iterable[str], name: str) -> list[str]:
    found = []
    for header in headers:
        try:
            cookie = SimpleCookie(header)
        except CookieError:
            continue
        if name in cookie:
            found.append(cookie[name].value)
    return found


async def _refused(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    await PlainTextResponse(f"{why}\n", status_code=403)(scope, receive, _guarded(send))


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = POLICY
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return guarded
