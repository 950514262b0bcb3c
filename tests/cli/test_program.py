"""The program as a whole: help, exit statuses, colour, pipes, interrupts, and no tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result

from redraft.cli.app import Program, app, format_option, make_command, make_family
from redraft.errors import RunError

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Invoke = Callable[..., Result]

COMMANDS = (
    *("check", "fmt", "explain", "recipes", "models", "layers", "sample", "match"),
    *("plan", "run", "verify", "apply", "revert", "completion", "import", "export"),
    *("flatten", "diff", "schema", "migrate", "lsp", "lock", "sweep", "combine", "pack", "unpack"),
    *("push", "pull", "new", "show", "locate", "studio", "extract", "eval", "paper"),
)
WRONG = "edition 2026\nmodel nobody\n"


def test_version() -> None:
    command = [sys.executable, "-m", "redraft", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "redraft 0.1.0\n")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_has_every_command_with_an_example(program: Run, word: str) -> None:
    done = program(word)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    for section in ("Write a recipe:", "Look at a model:", "Run a recipe:", "Use an edit:"):
        assert section in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert len(done.stdout.splitlines()) < 70


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_ends_with_its_example(invoke: Invoke, name: str) -> None:
    shown = invoke(name, "--help")
    assert shown.exit_code == 0
    assert f"Example:\n  redraft {name}" in shown.output
    assert "--color" in shown.output


def test_every_command_is_tested_for_its_help() -> None:
    assert isinstance(app, Program)
    context = click.Context(app)
    assert set(app.list_commands(context)) - {"bench"} == set(COMMANDS)


def test_no_command_shows_the_help_and_fails(program: Run) -> None:
    done = program()
    assert done.returncode == 2
    assert "Usage: redraft" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek", "a.redraft"], "error: there is no command `chek`; did you mean `check`?\n"),
        (["zzz"], "error: there is no command `zzz`\n"),
        (["check"], "error: missing argument 'FILE...'\n  = help: see `redraft check --help`\n"),
        (["run", "a.redraft", "--devise", "cpu"], "error: no such option"),
        (["run", "a.redraft", "--device", "tpu"], "error: invalid value for '--device'"),
        (["sample", "faces", "--out", "a.png", "--images", "5..1"], "`5..1` is not a list"),
        (["sample", "faces", "--out", "a.png", "--rule", "x"], "--rule and --strength need --edit"),
        (["apply", "a", "b", "--out", "c", "--strength", "nan"], "needs a finite number"),
        (["explain"], "error: a code such as RD101 is needed, or --all"),
        (["completion", "tcsh"], "error: invalid value"),
    ],
)
def test_what_is_not_understood(program: Run, arguments: list[str], said: str) -> None:
    done = program(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("recipe")
def test_light_commands_do_not_load_torch() -> None:
    Path("a.redraft").write_text(WRONG, encoding="utf-8")
    lines = [
        "import sys",
        "from redraft.cli import main",
        "main(['check', 'a.redraft'])",
        "main(['fmt', '--check', 'a.redraft'])",
        "heavy = {'torch', 'numpy', 'PIL', 'rich', 'redraft.plans.planner'} & set(sys.modules)",
        "main(['explain', 'RD101'])",
        "main(['explain', 'RD620'])",
        "main(['layers', 'faces'])",
        "assert main(['layers', 'tiny.pth']) == 0",
        "main(['models'])",
        "main(['recipes'])",
        "sys.exit(f'loaded: {heavy}' if heavy or 'torch' in sys.modules else 0)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ---- colour ---------------------------------------------------------------------------------


def test_colour_on_a_terminal(on_a_terminal: Callable[..., str]) -> None:
    Path("a.redraft").write_text(WRONG, encoding="utf-8")
    assert "\x1b[1;31merror[RD" in on_a_terminal("check", "a.redraft")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        (("--color", "never"), {}),
    ],
)
def test_no_colour_where_it_is_not_wanted(
    on_a_terminal: Callable[..., str], arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    Path("a.redraft").write_text(WRONG, encoding="utf-8")
    for command_line in (("check", "a.redraft"), ("models",), ("run", "a.redraft")):
        shown = on_a_terminal(*command_line, *arguments, **environment)
        assert "\x1b[" not in shown
        assert shown.strip()


def test_no_colour_in_a_pipe_unless_it_is_asked_for(program: Run) -> None:
    Path("a.redraft").write_text(WRONG, encoding="utf-8")
    assert "\x1b[" not in program("check", "a.redraft").stdout
    assert "\x1b[1;31m" in program("check", "a.redraft", "--color", "always").stdout
    assert "\x1b[1;31m" in program("--color", "always", "check", "a.redraft").stdout
    assert "\x1b[1;31m" in program("run", "a.redraft", "--color", "always").stderr
    assert "\x1b[1m" in program("models", "--color", "always").stdout


# ---- pipes and interrupts -------------------------------------------------------------------


def test_a_reader_that_goes_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "redraft", "explain", "--all"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "redraft", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error[RD639]: the output cannot be written")
    assert len(done.stderr.splitlines()) == 2


def test_closed_streams() -> None:
    done = subprocess.run(f"'{sys.executable}' -m redraft models >&- 2>&-", shell=True, check=False)
    assert done.returncode == 0
    done = subprocess.run(
        f"'{sys.executable}' -m redraft fmt - <&-",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ctrl_c_is_quiet() -> None:
    lines = [
        "import signal, sys, redraft.cli.process, redraft_dsl.check",
        "from redraft.cli import main",
        # A program that was started in the background may have been told to ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        "print('ready', flush=True)",
        "sys.exit(main(['check', '-']))",
    ]
    with subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(2)  # now it waits for its standard input
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout.strip(), stderr.strip()) == (130, "", "")


# ---- failures -------------------------------------------------------------------------------


def failing(error: Exception | Callable[[], object], *arguments: str) -> Result:
    """What a command prints that meets ``error``."""

    @make_command(name="broken", example="broken")
    @format_option()
    def broken(form: str) -> None:
        """Fail."""
        if isinstance(error, Exception):
            raise error
        error()

    return CliRunner().invoke(broken, list(arguments))


def test_a_known_error() -> None:
    shown = failing(RunError("RD501", "it went\x1b wrong", "do it better"))
    assert shown.exit_code == 1
    assert shown.stderr == "error[RD501]: it went\\u{1b} wrong\n  = help: do it better\n"
    assert shown.stdout == ""


def test_a_known_error_as_json() -> None:
    shown = failing(RunError("RD501", "it went wrong"), "--format", "json")
    assert shown.exit_code == 1
    assert '"error": {\n  "code": "RD501",' in shown.stdout
    assert "error[RD501]: it went wrong\n" in shown.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error[RD530]: the memory is full"),
        (lambda: torch.empty(2**50), "error[RD530]: the memory is full"),
        (torch.OutOfMemoryError("CUDA out of memory"), "error[RD531]: the GPU's memory is full"),
        (lambda: Path("nowhere").read_text(), "error[RD637]: nowhere: no such file or directory"),
        (ZeroDivisionError("by\nzero"), "error[RD599]: internal error: ZeroDivisionError: by\n"),
        (RuntimeError(), "error[RD599]: internal error: RuntimeError\n"),
    ],
)
def test_an_unforeseen_error(error: Exception | Callable[[], object], said: str) -> None:
    shown = failing(error)
    assert shown.exit_code == 1
    assert shown.stderr.startswith(said)
    assert len(shown.stderr.splitlines()) == 2
    assert "Traceback" not in shown.output


@pytest.mark.parametrize(
    "words",
    [
        ["run", "glasses"],
        ["verify", "runs/glasses"],
        ["bench", "solve"],
        ["bench", "solve", "--arch", "dcgan"],
    ],
)
def test_without_torch_a_command_says_how_to_install_it(words: list[str]) -> None:
    done = without_torch(*words)
    line = f"{sys.executable} -m pip install torch"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error[RD533]: torch is not installed, and this needs it\n"
        f"  = help: install it with `{line}`\n"
    )


def test_a_recipe_is_planned_without_torch(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("context like", "# context like"), encoding="utf-8")
    done = without_torch("plan", str(recipe))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 context" in done.stdout


def without_torch(*words: str) -> subprocess.CompletedProcess[str]:
    """The program on a machine that has no torch."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from redraft.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )


def test_a_missing_module_of_redraft_itself_is_a_defect() -> None:
    shown = failing(ModuleNotFoundError("No module named 'redraft.none'", name="redraft.none"))
    assert shown.stderr.startswith("error[RD599]: internal error: ModuleNotFoundError")


def test_a_traceback_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_DEBUG", "1")
    shown = failing(ZeroDivisionError("zero"))
    assert "Traceback" in shown.stderr
    assert "error[RD599]: internal error" in shown.stderr


def test_a_command_with_commands_of_its_own() -> None:
    @make_family(name="many", example="many one")
    def many() -> None:
        """Do one of many things."""

    @make_command(name="one", example="many one")
    def one() -> None:
        """Do one thing."""
        raise RunError("RD501", "it went wrong")

    many.add_command(one)
    shown = CliRunner().invoke(many, ["one"])
    assert (shown.exit_code, shown.stderr) == (1, "error[RD501]: it went wrong\n")
    assert many.example == "redraft many one"
    assert "Do one thing." in CliRunner().invoke(many, ["--help"]).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(invoke: Invoke, shell: str) -> None:
    shown = invoke("completion", shell)
    assert shown.exit_code == 0
    assert f"_REDRAFT_COMPLETE={shell}_complete" in shown.stdout


def test_completion_of_a_command(program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_REDRAFT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "redraft ver")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert program().stdout == "plain,verify\n"
