"""Studio in a notebook: a frame in the page of another port, and what Python sees of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import redraft
from redraft.errors import ArtifactError, PlanError
from redraft.studio import Studio

StudioMaker = Any
Tab = Any


@pytest.fixture
def inline(start: StudioMaker, tmp_path: Path) -> Iterator[Studio]:
    start(None)  # puts model and recipe there
    with Studio(tmp_path / "small.redraft", device="cpu") as studio:
        yield studio


@contextmanager
def notebook(cell: str, host: str) -> Iterator[str]:
    """A page as a notebook is one: what a cell gives is inside of it."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>notebook</title>{cell}".encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host}:{server.server_port}/"
        server.shutdown()


@pytest.mark.browser
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_page_is_shown_inside_of_a_notebook_and_python_sees_its_text(
    inline: Studio, tab: Tab, host: str
) -> None:
    page = tab.page
    with notebook(inline._repr_html_(), host) as address:
        page.goto(address)
        frame = page.frame_locator("iframe")
        frame.locator(".status:has-text('Up to date')").wait_for()
        frame.locator("#slider-rank").focus()
        page.keyboard.press("Home")
        frame.locator(".slider:has(#slider-rank) .value:text-is('1')").wait_for()
    assert "rank    1" in inline.text


def test_the_edit_of_the_page_is_that_of_its_text(inline: Studio, tmp_path: Path) -> None:
    edit = inline.edit()
    run = redraft.run(str(tmp_path / "small.redraft"), tmp_path / "run", device="cpu")
    assert edit.to_bytes() == (run.folder / "edit.safetensors").read_bytes()
    assert inline.path == tmp_path / "small.redraft"
    assert inline.address in repr(inline)


def test_what_is_not_open_or_lies_elsewhere_is_said(start: StudioMaker, tmp_path: Path) -> None:
    start(None)
    (tmp_path / "other").mkdir()
    with Studio(folder=tmp_path, device="cpu") as studio:
        assert studio.text == ""
        with pytest.raises(PlanError, match="no recipe is open"):
            studio.edit()
    with pytest.raises(ArtifactError, match="outside"):
        Studio(tmp_path / "small.redraft", folder=tmp_path / "other")
