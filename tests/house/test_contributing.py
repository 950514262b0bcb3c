"""CONTRIBUTING.md shows a newcomer the rooms as they are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WINGS = (ROOT / "dsl" / "redraft_dsl", ROOT / "runtime" / "redraft")


def rooms() -> dict[str, str]:
    """Every room below a wing, with the sentence of its ``__init__``."""
    found = {}
    for wing in WINGS:
        for path in sorted(wing.glob("*/**/__init__.py")):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            sentence = re.match(r"[^.]+\.", " ".join(text.split()))
            assert sentence, path
            found[f"{path.parent.relative_to(wing).as_posix()}/"] = sentence[0]
    return found


def test_every_room_is_there_with_its_one_sentence() -> None:
    said = dict(re.findall(r"^\| `([\w/]+/)` \| (.+) \|$", PAGE, re.M))
    assert said == {room: text.replace("``", "`") for room, text in rooms().items()}


def test_every_path_leads_somewhere() -> None:
    paths = re.findall(r"`((?:dsl|runtime|tests|docs)/[^`]+)`", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
