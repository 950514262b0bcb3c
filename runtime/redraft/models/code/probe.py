"""The first look at a person's generator: in a process of its own, which may crash or hang.

No torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread

from redraft.errors import ModelError
from redraft.models.code.reference import Code, Known, key_of, known, remember, unknown

_CHILD = "redraft.models.code.look"
_PART = 1 << 16
_LONGEST = 1e6
"""Seconds; waiting for longer is more than the system can count."""


def looked_at(code: Code, weights: Path, sha256: str, weights_set: str | None = None) -> Known:
    """What a generator is: as it was seen before, or by a look at it.

    Args:
        code: where it is made.
        weights: the file of its weights.
        sha256: of that file.
        weights_set: which of its sets of weights to take.

    Raises:
        ModelError: it may not be looked at now, or cannot be used.

    """
    if code.fault is not None:
        raise code.fault
    key = key_of(sha256, weights_set)
    found = known(code, key)
    if found is None:
        if code.timeout is None:
            raise unknown(code, weights)
        found = seen(code, weights, code.timeout, weights_set)
        remember(code, key, found)
    return found


def seen(code: Code, weights: Path, timeout: float, weights_set: str | None = None) -> Known:
    """Look at a generator in another process.

    Args:
        code: where it is made.
        weights: the file of its weights.
        timeout: seconds that this may take.
        weights_set: as of :func:`looked_at`.

    Raises:
        ModelError: the generator cannot be used, or the process ended or did not end in time.

    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        # -P: no module of the present folder, such as a `torch.py`, may take another's place.
        command = [sys.executable, "-P", "-m", _CHILD, code.written, str(weights), str(answer)]
        command += [] if weights_set is None else [weights_set]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        said = _Said(process)
        try:
            process.wait(min(timeout, _LONGEST))
        except subprocess.TimeoutExpired:
            raise ModelError(
                "RD677",
                f"{code.written} did not draw a picture in {timeout:g} seconds",
                "see what it waits for, or allow more with `--timeout SECONDS`",
            ) from None
        finally:
            _end(process)
        if not answer.exists():
            raise ModelError(
                "RD677",
                f"{code.written} ended the process that looked at it (status "
                f"{process.returncode}): {said.last_line()}",
                "repair the code; it must not end the program or fill the memory",
            )
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "code" in found:
        raise ModelError(found["code"], found["message"], found["help"])
    return Known.model_validate(found)


class _Said(Thread):
    """The end of what a process writes on standard error, however much, and whoever goes on."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = process.stderr
        self._held = b""
        self.start()

    def run(self) -> None:
        """Read until nobody can write any more."""
        assert self._stream is not None
        with self._stream as stream:
            while part := os.read(stream.fileno(), _PART):
                self._held = (self._held + part)[-_PART:]

    def last_line(self) -> str:
        """The last line, shortened."""
        # A process that was left behind may hold the stream for ever.
        self.join(1)
        lines = self._held.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and all that it has started and left running."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
