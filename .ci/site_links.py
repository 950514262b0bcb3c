"""For the documentation site: links from a page to a file outside of docs/ lead to the repository.

REDRAFT_URL names the repository, as in ``https://github.com/OWNER/redraft``; where it is not set,
such links become plain text. A link to a file that does not exist stops the build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Called by mkdocs for each page."""
    docs = Path(config["docs_dir"])
    here = (docs / page.file.src_path).parent
    url = os.environ.get("REDRAFT_URL", "").rstrip("/")

    def outside(link: re.Match[str]) -> str:
        label, target = link.groups()
        path, _, anchor = target.partition("#")
        full = (here / path).resolve()
        if not full.exists():
            raise FileNotFoundError(f"{page.file.src_path}: the link {target} leads nowhere")
        if full.is_relative_to(docs):
            return link[0]
        if not url:
            return label
        inside = full.relative_to(docs.parent).as_posix()
        return f"[{label}]({url}/blob/main/{inside}{'#' if anchor else ''}{anchor})"

    return LINK.sub(outside, markdown)
