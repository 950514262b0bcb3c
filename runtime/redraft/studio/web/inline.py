"""Studio in a notebook: the same page, in a frame below the cell that opens it."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError, PlanError
from redraft.models.listed.catalog import known_models
from redraft.studio.web.serve import Server

HEIGHT = 800
WAIT = 60.0
"""Seconds that a question to the page's state may take."""
_FRAME = """
<div class="redraft-studio"><iframe title="redraft studio" style="width: 100%; height: {height}px;
border: 1px solid #8884; border-radius: 8px" allow="clipboard-write"></iframe>
<p style="font-size: 12px">Nothing here? <a target="_blank" rel="noopener">Open it in a tab</a>.</p>
<script>{{
  const box = document.currentScript.parentElement, at = new URL({address});
  // Cookies of a frame are those of the notebook's own host, so the frame must be of that host.
  if (["localhost", "127.0.0.1"].includes(location.hostname)) at.hostname = location.hostname;
  box.querySelector("iframe").src = box.querySelector("a").href = at.href;
}}</script></div>
"""
T = TypeVar("T")


class Studio:
    """Studio, shown below the cell whose last line it is.

    It listens on this machine alone, from when it is made until :meth:`close`. Each look at it,
    also in a tab of its own, shows the same state.

    Args:
        recipe: the file of a recipe, the name of a listed model, or None to choose on the page.
        folder: that files are opened and saved in; by default the recipe's, or the present one.
        device: auto, cpu, cuda or cuda:N.
        height: of the frame, in pixels.

    Raises:
        ArtifactError: the recipe cannot be read, or lies outside of the folder.

    """

    def __init__(
        self,
        recipe: str | Path | None = None,
        *,
        folder: str | Path | None = None,
        device: str = "auto",
        height: int = HEIGHT,
    ) -> None:
        listed = str(recipe) in known_models().listed and not Path(str(recipe)).exists()
        path = None if recipe is None or listed else Path(recipe)
        where = Path(folder) if folder is not None else Path() if path is None else path.parent
        name = None if path is None else _within(path, where)
        self.height = height
        self._server = Server(where, name, device=device)
        if listed:
            self._server.session.desk.submit(self._server.session.begin, str(recipe))
        self._thread = threading.Thread(
            target=self._server.run, name="redraft-studio-server", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """To be opened in a browser of this machine; it holds the token."""
        return self._server.address

    @property
    def text(self) -> str:
        """The recipe as it is now; empty where none is open."""
        document = self._asked(lambda: self._server.session.document)
        return "" if document is None else document.text

    @property
    def path(self) -> Path | None:
        """The recipe's file; None where it was not saved yet."""
        document = self._asked(lambda: self._server.session.document)
        return None if document is None else document.path

    def edit(self, timeout: float = 600.0) -> Edit:
        """The edit of the recipe as it is now, once it is solved.

        Args:
            timeout: seconds to wait for it.

        Raises:
            PlanError: no recipe is open, or it cannot be solved as it is.
            RedraftError: solving it failed.
            TimeoutError: it takes longer.

        """
        self._asked(self._server.session.need)
        found = self._server.session.follower.edit(self.text, timeout)
        if found is None:
            raise PlanError("RD817", "the text cannot be solved as it is", "mend it first")
        return found

    def close(self) -> None:
        """End it; what was not saved is offered the next time."""
        self._server.stop()
        self._thread.join(20)

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """Where it is."""
        return f"<Studio at {self.address}>"

    def _repr_html_(self) -> str:
        """The frame, whose host is that of the notebook."""
        address = json.dumps(self.address).replace("<", "\\u003c")
        return _FRAME.format(height=html.escape(str(self.height)), address=address)

    def _asked(self, work: Callable[[], T]) -> T:
        """Something that the page's own thread knows."""
        return self._server.session.desk.submit(work).result(WAIT)


def _within(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise ArtifactError(
            "RD802", f"{path} lies outside of {folder}", "name a folder that holds it"
        ) from None
