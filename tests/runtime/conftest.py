"""Fixtures shared by the tests of the runtime."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of one's own, and no power to read what permissions forbid (root has it)."""
    folder = Path(tempfile.mkdtemp(prefix="redraft-test-"))
    folder.chmod(0o777)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if privileged:
            os.seteuid(0)
        for inner in folder.rglob("*"):
            inner.chmod(0o700)
        shutil.rmtree(folder)
