"""How names, versions and hashes are spelled."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9_]*(?:-[a-z0-9_]+)*")
VERSION = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_NAME = 100


def respelled(name: str) -> str:
    """A name like this one that the language allows."""
    folded = re.sub(r"[^a-z0-9_]+", "-", name.lower()[:LONGEST_NAME]).strip("-_")
    folded = folded.lstrip("-_0123456789")
    return folded if NAME.fullmatch(folded) else "my-name"
