"""What a cell shows besides its result: problems of a recipe, and errors without a traceback."""

from __future__ import annotations

import os

from IPython import get_ipython
from IPython.display import display

from redraft.errors import RedraftError
from redraft.explain.terminal import error_text
from redraft.notebook.html import bundle
from redraft_dsl import Checked, render
from redraft_dsl.report.html import escaped, problems_html, wrapped
from redraft_dsl.report.terminal import summary


class CellError(RedraftError):
    """Stops a cell, and with it "run all", without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback."""
        return error_text(self.code, self.message, self.help, _colored()).rstrip("\n").split("\n")


def show_problems(checked: Checked, left_out: str | None = None) -> None:
    """Show the diagnostics of a recipe, and what was not looked at."""
    found = checked.diagnostics
    text = render(found, checked.source, color=_colored()) + summary(found)
    page = problems_html(found, checked.source)
    if left_out is not None:
        page += wrapped(f'<p class="redraft-soft">{escaped(left_out)}</p>')
        text += f"\n{left_out}"
    show(bundle(page, text), raw=True)


def show(shown: object, **options: object) -> None:
    """Show something in the cell; the options are those of ``IPython.display.display``."""
    display(shown, **options)  # type: ignore[no-untyped-call]


def _colored() -> bool:
    shell = get_ipython()
    plain = os.environ.get("NO_COLOR") or shell is None or shell.colors.lower() == "nocolor"
    return not plain
