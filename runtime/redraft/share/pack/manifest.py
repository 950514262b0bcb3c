"""What a pack says of itself."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from redraft.share.pack import PACK_FORMAT


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Content(_Frozen):
    """One file of a pack."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Manifest(_Frozen):
    """``manifest.json``: what a pack holds, file by file, itself left out.

    ``run`` says whether the edit and the record of a finished run are in it.
    """

    format: str = PACK_FORMAT
    redraft: str
    recipe: str
    version: str
    title: str
    model: str
    run: bool
    files: dict[str, Content]

    def text(self) -> str:
        """The file's content; the same for equal manifests."""
        whole: dict[str, Any] = self.model_dump(mode="json")
        return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
