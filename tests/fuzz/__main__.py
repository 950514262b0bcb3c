"""``make fuzz``: damaged files and killed runs, seeded and resumable; no part of ``make test``.

    python -m tests.fuzz                      # everything, on from where the last time ended
    python -m tests.fuzz masks --most 2000    # 2,000 more of one kind
    python -m tests.fuzz --show masks 1234    # the bytes of one case, on standard output

What was done lies in ``.fuzz/SEED.json``: how many of each kind, and every failure with its number,
from which the file is made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHUNK = 2000
KINDS = {
    "recipes": 700_000,
    "checkpoints": 75_000,
    "masks": 75_000,
    "packs": 75_000,
    "edits": 75_000,
}
KILLED = {"killed": 450, "killed-fresh": 50}


def main() -> int:
    """Take what is left of each kind; the exit status says whether anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, *KILLED, []], metavar="KIND")
    parser.add_argument("--most", type=int, help="Of each kind, this time.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, default=Path(".fuzz"))
    parser.add_argument("--show", nargs=2, metavar=("KIND", "NUMBER"))
    asked = parser.parse_args()
    if asked.show:
        return show(asked.show[0], asked.seed, int(asked.show[1]))
    asked.state.mkdir(parents=True, exist_ok=True)
    os.environ["REDRAFT_CACHE"] = str((asked.state / "cache").resolve())
    done = Done(asked.state / f"{asked.seed}.json")
    for name in asked.kinds or (*KINDS, *KILLED):
        end = {**KINDS, **KILLED}[name]
        if asked.most is not None:
            end = min(end, done.next(name) + asked.most)
        if name in KINDS:
            files(name, asked.seed, end, done)
        else:
            killed(name, asked.seed, end, done)
        sys.stdout.write(f"{name}: {done.next(name)} done, {len(done.failures(name))} failed\n")
        sys.stdout.flush()
    return int(any(done.failures(name) for name in (*KINDS, *KILLED)))


class Done:
    """What was done, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def next(self, name: str) -> int:
        """The first case that was not taken yet."""
        return int(self.held.get(name, {}).get("next", 0))

    def failures(self, name: str) -> list[dict[str, Any]]:
        """Those that were noted."""
        found: list[dict[str, Any]] = self.held.get(name, {}).get("failures", [])
        return found

    def add(self, name: str, after: int, failures: list[dict[str, Any]]) -> None:
        """Note how far a kind is; written whole."""
        both = [*self.failures(name), *failures]
        self.held[name] = {"next": after, "failures": both}
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.held, indent=1))
        part.replace(self.path)


def files(name: str, seed: int, end: int, done: Done) -> None:
    """Damaged files, in processes that may die of one."""
    while (first := done.next(name)) < end:
        last = min(end, first + CHUNK)
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            numbers = (str(seed), str(first), str(last), str(state))
            command = [sys.executable, "-m", "tests.fuzz.worker", name, *numbers]
            status = subprocess.run(command, check=False).returncode
            text = state.read_text(encoding="utf-8") if state.exists() else ""
        failures = json.loads(text[24:] or "{}").get("failures", [])
        if status:
            number = int(text[:24].strip() or first)
            failures.append({"number": number, "fault": f"the process ended with status {status}"})
            last = number + 1
        done.add(name, last, failures)


def killed(name: str, seed: int, end: int, done: Done) -> None:
    """Runs that are killed and resumed."""
    from tests.fuzz.killed import Killed

    if done.next(name) >= end:
        return
    with tempfile.TemporaryDirectory() as folder:
        trial = Killed(Path(folder), fresh=name == "killed-fresh")
        for number in range(done.next(name), end):
            fault = trial.fault(seed, number)
            failures = [] if fault is None else [{"number": number, "fault": fault}]
            done.add(name, number + 1, failures)


def show(name: str, seed: int, number: int) -> int:
    """Write the bytes of one case."""
    from tests.fuzz.cases import KINDS as CASES

    with tempfile.TemporaryDirectory() as folder:
        kind = CASES[name]
        sys.stdout.buffer.write(kind.case(seed, number, kind.seeds(Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
