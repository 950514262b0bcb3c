"""What a person's own code, or what lies around it, must not do to redraft."""

from __future__ import annotations

import importlib.util
import marshal
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Invoke
from tests.cli.test_generator import NAMED, write


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits that the tests change are those of this process; put them back whatever happens."""
    folder, handler = Path.cwd(), signal.getsignal(signal.SIGTERM)
    yield
    os.chdir(folder)
    signal.signal(signal.SIGTERM, handler)


def test_a_module_of_the_present_folder_takes_no_other_s_place(invoke: Invoke) -> None:
    write(beside="I1 = 1")
    Path("own").mkdir()
    Path("small.py").rename("own/small.py")
    for name in ("torch", "redraft", "json"):
        Path(f"{name}.py").write_text("open('shadow.txt', 'w').close()", encoding="utf-8")
    listed = invoke("layers", "small.pth", "--generator", "own/small.py:make")
    assert listed.exit_code == 0, listed.stderr
    assert not Path("shadow.txt").exists()


def test_what_runs_is_what_is_written(invoke: Invoke) -> None:
    write(beside="import helper\nassert helper.WHICH == 'source', helper.WHICH")
    Path("helper.py").write_text("WHICH = 'source'\n", encoding="utf-8")
    for name in ("helper", "small"):
        cached = Path(importlib.util.cache_from_source(f"{name}.py"))
        cached.parent.mkdir(exist_ok=True)
        other = compile("open('shadow.txt', 'w').close(); WHICH = 'cache'", f"{name}.py", "exec")
        # Marked as one that Python takes without a look at the source.
        head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
        cached.write_bytes(head + marshal.dumps(other))
    listed = invoke("layers", "small.pth", *NAMED)
    assert listed.exit_code == 0, listed.stderr
    assert not Path("shadow.txt").exists()


LEFT_BEHIND = """
import subprocess, sys, threading, time
print("x" * (1 << 24))
sys.stderr.write("y" * (1 << 24))
subprocess.Popen(["sleep", "100"], start_new_session=True)
threading.Thread(target=time.sleep, args=(100,)).start()
"""


def test_what_code_leaves_behind_is_not_waited_for(invoke: Invoke) -> None:
    write(beside=LEFT_BEHIND)
    listed = invoke("layers", "small.pth", *NAMED, "--timeout", "90")
    assert listed.exit_code == 0, listed.stderr
    assert "it prints: xxx" in listed.stderr
    assert len(listed.stderr) < 1000


def test_code_that_goes_elsewhere_takes_nobody_along(invoke: Invoke) -> None:
    write(
        beside="import os, signal",
        making="os.chdir('/'); signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        drawing="os.chdir('/')",
    )
    handler = signal.getsignal(signal.SIGTERM)
    listed = invoke("layers", "small.pth", *NAMED)
    assert "it changes the present folder to /, which is set back" in listed.stderr
    assert "it changes what a request to end does" in listed.stderr
    ran = invoke("run", "own.redraft", *NAMED, "--out", "out")
    assert ran.exit_code == 0, ran.stderr
    assert Path("out/run.json").exists()
    assert signal.getsignal(signal.SIGTERM) is handler


FAULTS = {
    "state": ("def state_dict(*a, **k): raise OSError('no')", "cannot take its weights: OSError"),
    "blank": ("def forward(*a): raise ValueError(' ')", "ValueError: ValueError"),
    "not finite": ("def forward(*a): return torch.zeros(len(a[1]), 3, 4, 4) / 0", "not finite"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_module_at_fault_is_named(case: str, invoke: Invoke) -> None:
    method, said = FAULTS[case]
    write(making=f"{method}\n    Small.{method.split('(')[0].split()[1]} = locals()"
                 f"['{method.split('(')[0].split()[1]}']")  # fmt: skip
    done = invoke("run", "own.redraft", *NAMED)
    assert done.exit_code == 1
    assert said in done.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("seconds", ["inf", "1e300"])
def test_a_limit_without_end(seconds: str, invoke: Invoke) -> None:
    write(beside="NAMED = 'no limit'")
    assert invoke("layers", "small.pth", *NAMED, "--timeout", seconds).exit_code == 0


def test_a_generator_of_the_environment_that_is_lost_stops_no_other_model(
    recipe: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(beside="J = 1")
    monkeypatch.setenv("REDRAFT_GENERATOR", "lost.py:make")
    assert invoke("plan", str(recipe), "--quick").exit_code == 0
    assert "error[RD649]" in invoke("plan", "own.redraft").stderr


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_the_present_folder_configures_nothing(
    variable: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(beside="K = 1")
    place = Path("redraft") if variable == "XDG_CONFIG_HOME" else Path(".config/redraft")
    place.mkdir(parents=True)
    named = f'generator = "{Path("small.py").resolve()}:make"'
    (place / "config.toml").write_text(named, encoding="utf-8")
    for name in ("REDRAFT_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, ".")
    assert "error[RD659]" in invoke("plan", "own.redraft").stderr
