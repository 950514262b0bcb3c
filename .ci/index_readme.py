"""The README as a package index shows it: its links begin with the repository's address.

An index shows the README alone, so a relative link leads nowhere there. REDRAFT_URL names the
repository, as in ``https://github.com/OWNER/redraft``. Where it is not set, relative links become
plain text and pictures are left out.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ImportError:  # the text is made without hatchling, too
    MetadataHookInterface = object

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def index_readme(text: str, url: str) -> str:
    """The text with every relative link made absolute, or made plain without a ``url``."""

    def absolute(link: re.Match[str]) -> str:
        picture, label, path = link.groups()
        label = LINK.sub(absolute, label)  # a picture that is a link
        if not url:
            return "" if picture else label
        kind = "raw" if picture else "blob"
        return f"{picture}[{label}]({url.rstrip('/')}/{kind}/main/{path})"

    return LINK.sub(absolute, text)


class IndexReadme(MetadataHookInterface):  # type: ignore[misc]
    """What hatchling asks for ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the README, and the repository's addresses where they are known."""
        url = os.environ.get("REDRAFT_URL", "").rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": index_readme(text, url)}
        metadata["urls"] = (
            {
                "Source": url,
                "Documentation": f"{url}/blob/main/docs/README.md",
                "Changelog": f"{url}/blob/main/CHANGELOG.md",
            }
            if url
            else {}
        )
