"""The server on this machine: started, found, and stopped."""

from __future__ import annotations

import socket
from pathlib import Path

import uvicorn

from redraft.errors import RunError
from redraft.studio.marking import sweep_up
from redraft.studio.session import Session
from redraft.studio.text.document import Document
from redraft.studio.web.app import MOST_MESSAGE, make_app
from redraft.studio.web.confine import inside
from redraft.studio.web.door import HOSTS, Keys


class Server:
    """The page of one folder, from when it listens to when it is stopped.

    Args:
        folder: that files are opened and saved in.
        recipe: one of that folder to open, or None.
        port: to listen on; 0 for any that is free.
        device: to compute on.

    Raises:
        RunError: the port is taken.
        ArtifactError: the recipe cannot be read.

    """

    def __init__(
        self, folder: Path, recipe: str | None = None, *, port: int = 0, device: str = "auto"
    ) -> None:
        sweep_up(folder)
        session = Session(folder, device)
        document = None
        try:
            if recipe is not None:
                document = Document.opened(inside(session.folder, recipe))
            self._listening = _listening(port)
        except BaseException:
            session.close()
            raise
        if document is not None:
            session.desk.submit(session.open, document)
        self.session = session
        self.keys = Keys(self._listening.getsockname()[1])
        config = uvicorn.Config(
            make_app(session, self.keys),
            log_level="error",
            ws="websockets-sansio",
            ws_max_size=MOST_MESSAGE,
            ws_per_message_deflate=False,
            # A tab of this machine is gone when its socket is; one that is only busy must stay.
            ws_ping_interval=None,
            ws_ping_timeout=None,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        """To be opened in a browser; it holds the token."""
        return self.keys.address

    def run(self) -> None:
        """Serve until it is stopped."""
        with self._listening:
            self._server.run(sockets=[self._listening])

    def stop(self) -> None:
        """End, from any thread."""
        self._server.should_exit = True


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOSTS[0], port))
    except OSError as error:
        listening.close()
        raise RunError(
            "RD821", f"port {port} is taken", "choose another one, or leave `--port` out"
        ) from error
    listening.listen(128)
    return listening
