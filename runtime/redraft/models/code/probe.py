"""The first look at a person's generator: in a process of its own, which may crash or hang.

No torch.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from redraft.errors import ModelError
from redraft.models.code.reference import Code, Known, key_of, known, remember, unknown

_CHILD = "redraft.models.code.look"


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
        command = [sys.executable, "-m", _CHILD, code.written, str(weights), str(answer)]
        command += [] if weights_set is None else [weights_set]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                _, said = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                raise ModelError(
                    "RD677",
                    f"{code.written} did not draw a picture in {timeout:g} seconds",
                    "see what it waits for, or allow more with `--timeout SECONDS`",
                ) from None
            except BaseException:
                _end(process)
                raise
        if not answer.exists():
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            raise ModelError(
                "RD677",
                f"{code.written} ended the process that looked at it (status "
                f"{process.returncode}): {last[0][:200]}",
                "repair the code; it must not end the program or fill the memory",
            )
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "code" in found:
        raise ModelError(found["code"], found["message"], found["help"])
    return Known.model_validate(found)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it has started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()
