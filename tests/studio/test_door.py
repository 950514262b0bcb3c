"""Who may come in, and what becomes of requests that no page makes."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2 as httpx
import pytest
import websockets.exceptions
import websockets.sync.client as sockets

Page = Any
Studio = Any


def refused(studio: Studio, **options: Any) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as problem:
        sockets.connect(f"ws://127.0.0.1:{studio.server.keys.port}/socket", proxy=None, **options)
    assert problem.value.response.status_code == 403


def sent_and_read(page: Page, message: str) -> None:
    page.socket.send(message)
    while True:
        page.socket.recv(timeout=60)


def test_the_token_is_exchanged_for_a_cookie_of_this_site_alone(studio: Studio) -> None:
    with httpx.Client(base_url=studio.base) as client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=guess").status_code == 403
        answer = client.get(studio.server.keys.address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert studio.server.keys.token not in cookie
        page = client.get("/")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/page/main.js", "/share/edit", "/share/sheet", "/share/pack"])
def test_nothing_is_given_without_the_cookie(studio: Studio, path: str) -> None:
    assert httpx.get(f"{studio.base}{path}").status_code == 403
    assert httpx.get(f"{studio.base}{path}?token={studio.server.keys.token}").status_code == 403


def test_another_host_or_origin_is_refused(studio: Studio) -> None:
    with studio.client() as client:
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        assert client.get("/", headers={"Origin": "http://evil.example"}).status_code == 403
        assert client.post("/drop?name=a.redraft", content=b"edition 2026").status_code == 403
        foreign = {"Origin": "http://127.0.0.1:1"}
        assert client.post("/drop?name=a.redraft", content=b"", headers=foreign).status_code == 403


def test_sockets_need_cookie_and_origin(studio: Studio) -> None:
    cookie = {"Cookie": studio.cookie()}
    refused(studio, origin=studio.base)
    refused(studio, additional_headers=cookie)
    refused(studio, origin="http://evil.example", additional_headers=cookie)
    refused(studio, origin=studio.base, additional_headers={"Cookie": f"{studio.cookie()}x"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[1, 2]",
        "{",
        "[" * 5000,
        '{"id": 7}',
        '{"id": -7, "body": {"ask": "stop"}}',
        '{"id": 7, "body": {"ask": "rm"}}',
        '{"id": 7, "body": {"ask": "stop", "more": 1}}',
        '{"id": 7, "body": {"ask": "change", "changes": []}}',
        '{"id": 7, "body": {"ask": "history", "step": 1e400}}',
        '{"id": 7, "body": {"ask": "look", "numbers": 5}}',
    ],
)
def test_what_is_no_request_is_said_so_and_the_socket_lives(page: Page, text: str) -> None:
    page.socket.send(text)
    failed = page.until(lambda event: "failure" in event)
    assert failed["failure"]["code"] == "RD801"
    assert "revision" in page.ask(ask="change", changes=[
        {"kind": "put", "owner": "first", "key": "rank", "value": "1"}
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../out.redraft", "RD802"),
        ("/tmp/out.redraft", "RD802"),
        ("a/../../out.redraft", "RD802"),
        (".hidden.redraft", "RD802"),
        ("..\\out.redraft", "RD802"),
        ("a\0b.redraft", "RD802"),
        ("out.py", "RD803"),
        ("link/out.redraft", "RD802"),
    ],
)
def test_paths_do_not_leave_the_folder(studio: Studio, page: Page, path: str, code: str) -> None:
    outside = studio.folder.parent / "elsewhere"
    outside.mkdir(exist_ok=True)
    (outside / "out.redraft").write_text("secret")
    link = studio.folder / "link"
    if not link.exists():
        link.symlink_to(outside)
    before = sorted(studio.folder.parent.rglob("*"))
    assert page.ask(ask="save", path=path)["failure"]["code"] == code
    assert page.ask(ask="open", path=path)["failure"]["code"] == code
    assert sorted(studio.folder.parent.rglob("*")) == before
    assert page.state["path"] == "small.redraft"


def test_a_mask_of_100_mb_ends_one_socket_and_nothing_else(studio: Studio, page: Page) -> None:
    other = studio.page()
    body = {"ask": "mark", "rule": "first", "word": "context", "image": 1, "mask": "A" * 10**8}
    with pytest.raises(websockets.exceptions.ConnectionClosed):
        sent_and_read(page, json.dumps({"id": 1, "body": body}))
    assert "revision" in other.ask(ask="change", changes=[
        {"kind": "put", "owner": "first", "key": "rank", "value": "1"}
    ])  # fmt: skip
    large = "A" * 4_000_001
    assert other.ask(**{**body, "mask": large})["failure"]["code"] == "RD801"
    other.socket.close()


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a" + b"\0" * 40]
)
def test_a_mask_that_is_no_png_is_refused(page: Page, data: bytes) -> None:
    mask = base64.b64encode(data).decode() or "===="
    failed = page.ask(ask="mark", rule="first", word="context", image=1, mask=mask)
    assert failed["failure"]["code"] == "RD809"
    assert page.state["revision"] == 0


def test_a_dropped_file_that_is_too_large_is_refused(studio: Studio) -> None:
    with studio.client() as client:
        origin = {"Origin": studio.base}
        answer = client.post(
            "/drop?name=a.redraft", content=(b"\0" * 2**20 for _ in range(70)), headers=origin
        )
        assert answer.status_code == 413
        answer = client.post("/drop?name=a.bin", content=b"\xff\xfe\0", headers=origin)
        assert answer.json()["failure"]["code"] == "RD813"
