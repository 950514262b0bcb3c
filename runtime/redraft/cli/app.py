"""The program: its commands by section, loaded one by one.

Every module of ``redraft.cli.commands`` is a command of the module's name; it offers ``command``.
Adding a module adds the command. A name that Python keeps for itself takes ``_`` at its end.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import click

from redraft import __version__
from redraft.cli import commands
from redraft.cli.arguments import words
from redraft.cli.arguments.meant import meant
from redraft.cli.arguments.recipe_words import SETTING
from redraft.cli.failure import report
from redraft.cli.screen import COLOR_KEY, Screen
from redraft.disk.files import check_folder
from redraft.models.device import MOST_THREADS
from redraft_dsl.report.terminal import wrapped

GENERATOR_KEY = "redraft.generator"
"""Under this what --generator says is kept in the context of a command."""

PROGRAM = "redraft"
COMPLETE_VARIABLE = "_REDRAFT_COMPLETE"
SECTIONS: dict[str, tuple[str, ...]] = {
    "Write a recipe": (
        *("new", "check", "fmt", "flatten", "diff", "explain", "recipes", "import", "export"),
        *("schema", "migrate", "lsp"),
    ),
    "Look at a model": ("models", "layers", "sample", "show", "match", "locate"),
    "Run a recipe": ("studio", "plan", "lock", "run", "eval", "sweep", "verify", "bench", "paper"),
    "Use an edit": ("apply", "revert", "combine", "extract"),
    "Share it": ("pack", "unpack", "push", "pull"),
}
OTHERS = "Others"
HELP_WIDTH = 120
"""Columns of the help that does not go to a terminal."""
UNCUT = 1000
"""Columns for a command's sentence in which every one has room."""
SHORT = 60
"""Columns for a command's sentence from which it stands beside its example."""


class Command(click.Command):
    """A command with an example in its help, ``--color``, and no tracebacks."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.params.append(color_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what was typed; an option of another command is answered with this one's own."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            own = {name for param in self.params for name in param.opts}
            hint = meant(error.option_name, own)
            if hint:
                raise click.NoSuchOption(
                    error.option_name, f"no such option `{error.option_name}`: {hint}", ctx=ctx
                ) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a failure is shown and becomes an exit status."""
        try:
            for param in self.params:
                if param.type is words.NEW_FILE and ctx.params.get(param.name or "") is not None:
                    check_folder(ctx.params[param.name or ""])
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            as_json = ctx.params.get("form") == "json"
            status = report(error, Screen.of(ctx), as_json=as_json)
            raise click.exceptions.Exit(status) from error

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the example under the options."""
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"{'':>{formatter.current_indent}}{self.example}\n")


class Family(click.Group):
    """A command with commands of its own; failures are the matter of each of these."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.params.append(color_option())


class Program(click.Group):
    """A group whose commands are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of all commands, section by section."""
        return [name for _, names in _sections() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, or None."""
        if cmd_name not in _modules():
            return None
        module = import_module(f"{commands.__name__}.{_modules()[cmd_name]}")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name is answered with the nearest one."""
        name = args[0]
        if not name.startswith("-") and name not in _modules():
            near = difflib.get_close_matches(name, sorted(_modules()), n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"there is no command `{name}`{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every command as an example of its use, by section."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        examples = {
            name: getattr(command, "example", name).removeprefix(f"{PROGRAM} ")
            for name, command in found.items()
        }
        first = max(map(len, examples.values()))
        whole = shutil.get_terminal_size((HELP_WIDTH, 24)).columns
        beside = first + 4 + SHORT <= whole
        shorts = {name: each.get_short_help_str(UNCUT) for name, each in found.items() if each}
        for title, names in _sections():
            with formatter.section(title):
                for name in names:
                    example, short = examples[name], shorts.get(name, "")
                    if beside:
                        line = f"  {example:<{first}}  {short}"
                        formatter.write(wrapped(line, whole, first + 2) + "\n")
                    else:
                        formatter.write(f"  {example}\n{wrapped(f'      {short}', whole, 0)}\n")


def make_command(*, example: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its docstring is the help."""
    return click.command(cls=Command, example=f"{PROGRAM} {example}", **kwargs)


def make_family(*, example: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Family]:
    """Make a function a command with commands of its own, added with ``add_command``."""
    return click.group(cls=Family, example=f"{PROGRAM} {example}", **kwargs)


def color_option() -> click.Option:
    """``--color``, for the program and for each of its commands."""
    return click.Option(
        ["--color"],
        type=click.Choice(["auto", "always", "never"]),
        expose_value=False,
        callback=_keep_color,
        help="Colour: auto (the default) means on a terminal.",
    )


def format_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--format``: text, json, and what else the command knows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", *more]),
        default="text",
        help="How to print the result; text is the default.",
    )


def device_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--device``."""
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        help="Where to compute; auto (the default) takes CUDA if it is there.",
    )


def threads_option(default: str = "as many as torch takes") -> Callable[..., Any]:
    """``--threads``."""
    return click.option(
        "--threads",
        type=click.IntRange(1, MOST_THREADS),
        metavar="N",
        help=f"Threads to compute on; {default} if not given.",
    )


def verbose_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--verbose``."""
    return click.option(
        "--verbose",
        is_flag=True,
        help="Show intervals and the solver's figures on a narrow screen, too.",
    )


def generator_option(*, looks: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--generator FILE.py:NAME``; see :func:`redraft.cli.arguments.generators.named_generator`.

    Args:
        looks: whether the command may look at a generator that was never looked at; it then has
            ``--timeout`` too.

    """

    def keep(context: click.Context, option: click.Parameter, value: object) -> None:
        context.meta[f"{GENERATOR_KEY}.{option.name}"] = value

    named = click.option(
        "--generator",
        metavar="FILE.py:NAME",
        type=words.CODE,
        expose_value=False,
        callback=keep,
        envvar="REDRAFT_GENERATOR",
        help="Your own code that makes the model, for `arch module`; it is run.",
    )
    limit = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=60.0,
        expose_value=False,
        callback=keep,
        help="How long the first look at --generator may take; 60 is the default.",
    )
    return (lambda function: named(limit(function))) if looks else named


def set_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--set NAME=VALUE``, any number of times; the command gets pairs of name and value."""
    return click.option(
        "--set",
        "given",
        multiple=True,
        metavar="NAME=VALUE",
        type=SETTING,
        callback=_split_pairs,
        help="A value for a parameter, or for RULE.SETTING; may be repeated.",
    )


def lock_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--no-lock``."""
    return click.option(
        "--no-lock", is_flag=True, help="Ignore the lock that lies beside the recipe."
    )


def _split_pairs(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = [value.partition("=") for value in values]
    for name, sign, value in pairs:
        if not (name.strip() and sign and value.strip()):
            given = f"{name}{sign}{value}"
            raise click.BadParameter(f"`{given}` is not NAME=VALUE, as in `--set strength=3`")
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _keep_color(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[COLOR_KEY] = value


def _modules() -> dict[str, str]:
    """From the name of each command to that of its module."""
    return {
        module.name.removesuffix("_"): module.name for module in iter_modules(commands.__path__)
    }


def _sections() -> Iterator[tuple[str, Sequence[str]]]:
    """Each section with the commands that there are; what no section names comes last."""
    there = set(_modules())
    for title, names in SECTIONS.items():
        found = [name for name in names if name in there]
        there -= set(found)
        if found:
            yield title, found
    if there:
        yield OTHERS, sorted(there)


def _print_version(context: click.Context, _option: click.Parameter, requested: bool) -> None:
    if requested and not context.resilient_parsing:
        Screen("never").say(f"{PROGRAM} {__version__}")
        context.exit()


@click.group(
    cls=Program,
    invoke_without_command=True,
    params=[color_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def app(context: click.Context) -> None:
    """Rewrite the rules of deep generative models by recipe."""
    if context.invoked_subcommand is None:
        Screen.of(context).show(context.get_help())
        context.exit(2)
