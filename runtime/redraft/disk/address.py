"""Where a file lies on the web, and what it must be."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class HttpFile:
    """A file on a web server.

    Attributes:
        url: http or https; its last part is the file's name.
        sha256_head: what the file's SHA-256 starts with, as hexadecimal digits. Eight of them
            show a damaged or another file, but not one that was made to have the same.

    """

    url: str
    sha256_head: str

    @property
    def filename(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.url).netloc
