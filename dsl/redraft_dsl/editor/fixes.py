"""Quick fixes: what a help line says, as a change of the text.

Each code has its ways below. A help line that cannot be carried out without thinking has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from redraft_dsl.editor.blocks import deleted, insertion, item_at, moved_up, statement_at
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.names import declaration_of, objection, same
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Span

Edit = tuple[Span, str]


@dataclass(frozen=True)
class Fix:
    """A change that mends a problem; ``preferred`` when it is what was most probably meant."""

    title: str
    edits: tuple[Edit, ...]
    preferred: bool = True


@dataclass(frozen=True)
class Case:
    """A problem with a place, and the text that it is in."""

    problem: Diagnostic
    span: Span
    examined: Examined

    @property
    def source(self) -> str:
        """The whole text."""
        return self.examined.document.source.text

    @property
    def text(self) -> str:
        """What the problem points at."""
        return self.source[self.span.start : self.span.end]

    @property
    def help(self) -> str:
        """The help line."""
        return self.problem.help or ""

    def quoted(self, pattern: str) -> str | None:
        """What stands between backticks where the help line goes like ``pattern`` and a quote."""
        found = re.search(rf"{pattern}`([^`]+)`", self.help)
        return found[1] if found else None

    def replace(self, new: str, *, preferred: bool = True) -> Fix:
        """Put ``new`` in the place."""
        return Fix(f"Replace with `{new}`", ((self.span, new),), preferred)


Way = Callable[[Case], Iterator[Fix]]


def fixes(problem: Diagnostic, examined: Examined) -> tuple[Fix, ...]:
    """The ways to mend a problem, best first."""
    if problem.span is None:
        return ()
    case = Case(problem, problem.span, examined)
    ways = (_did_you_mean, *_WAYS.get(problem.code, ()))
    return tuple(fix for way in ways for fix in way(case))


def _did_you_mean(case: Case) -> Iterator[Fix]:
    near = case.quoted("^did you mean ")
    if near is not None and case.text and "\n" not in case.text:
        # A shape is shown with an example of its form; the form that is there is kept.
        yield case.replace(near.partition("(")[0])


def _write(case: Case) -> Iterator[Fix]:
    """``write `...```: the value, perhaps after its key, which is kept."""
    new = case.quoted("^write ") or case.quoted("^leave out the quotes: ")
    new = new or case.quoted("^write it as a plain number: ")
    if new is None or "..." in new:
        return
    head, _, rest = new.partition(" ")
    before = case.source[: case.span.start].rstrip()
    if rest and before.endswith(head):
        new = rest
    if _comes_from(new, case.text):
        yield case.replace(new)


def _comes_from(new: str, old: str) -> bool:
    """Whether a new value says what the old one said; an example does not."""
    digits = re.compile(r"[^0-9a-z]+")
    kept, given = digits.sub("", new.lower()), digits.sub("", old.lower())
    return bool(kept) and (kept in given or given in kept or not kept.isdigit() or given.isdigit())


def _write_anything(case: Case) -> Iterator[Fix]:
    new = case.quoted("^write ")
    if new is not None:
        yield case.replace(new.removeprefix("edition "))


def _percent_sign(case: Case) -> Iterator[Fix]:
    if case.help == "remove the `%`":
        yield case.replace(case.text.removesuffix("%"))


def _largest(case: Case) -> Iterator[Fix]:
    new = case.quoted("^the (?:largest|smallest) is ")
    if new is not None:
        yield case.replace(new.rpartition(" ")[2], preferred=False)


def _at_most(case: Case) -> Iterator[Fix]:
    """``use 256 at most``, and ``use `rank 5` or less`` where a rank is given."""
    found = re.match(r"use (\d+) at most|use `rank (\d+)` or less", case.help)
    if found and case.text.isdigit():
        yield case.replace(found[1] or found[2])


def _renamed(case: Case) -> Iterator[Fix]:
    """Another name, everywhere; where other places cannot be told, in this one."""
    new = case.quoted("^write ") or case.quoted("such as ")
    found = declaration_of(case.examined.tree, case.problem)
    if new is None:
        return
    if found is None:
        yield case.replace(new)
    elif objection(case.examined.tree, found, new) is None:
        edits = tuple((each.span, new) for each in same(case.examined.tree, found))
        yield Fix(f"Rename to `{new}`", edits)


def _lower_case(case: Case) -> Iterator[Fix]:
    if case.help == "write it in lower case":
        yield Fix("Write it in lower case", ((case.span, case.text.lower()),))


def _slashes(case: Case) -> Iterator[Fix]:
    found = re.match(r'write ("[^"]+")', case.help)
    if found:
        yield case.replace(found[1])


def _interval(case: Case) -> Iterator[Fix]:
    new, end = case.quoted("^write "), case.quoted("^end at ")
    if new is not None:
        yield case.replace(new)
    elif end is not None and ".." in case.text:
        yield case.replace(f"{case.text.partition('..')[0]}..{end}")


def _rank(case: Case) -> Iterator[Fix]:
    new = case.quoted("^write ")
    if new is not None and case.text.startswith("rank"):
        yield case.replace(new)


def _axis(case: Case) -> Iterator[Fix]:
    new = case.quoted("^write ")
    if new is not None:
        yield case.replace(new.partition(" ")[2])


def _mask(case: Case) -> Iterator[Fix]:
    found = re.match(r"write `(mask\(.*\))`", case.help)
    if found:
        yield case.replace(found[1])


def _leave_out(case: Case) -> Iterator[Fix]:
    """The line goes, where the help line says so."""
    if re.search(r"leave (?:it|the line) out|remove it|write the value alone", case.help):
        yield from _delete(case)


def _delete(case: Case) -> Iterator[Fix]:
    """The whole item goes that the problem points at, or whose first word it points at."""
    item = item_at(case.examined.tree, case.span)
    span = case.span if item is None else item.span
    yield Fix(f"Remove `{_short(case.source, span)}`", (deleted(case.source, span),), False)


def _delete_statement(case: Case) -> Iterator[Fix]:
    node = statement_at(case.examined.tree, case.span)
    if node is not None:
        title = f"Remove `{_short(case.source, node.span)}`"
        yield Fix(title, (deleted(case.source, node.span),), False)


def _move_up(case: Case) -> Iterator[Fix]:
    node = statement_at(case.examined.tree, case.span)
    edits = moved_up(case.examined.tree, case.source, node) if node else None
    if edits is not None:
        yield Fix("Move it up", edits)


def _add(case: Case) -> Iterator[Fix]:
    """A statement or a line that is missing, as the help line shows it."""
    new = case.quoted("(?:begin with the line|write|a line such as|define it:) ")
    edit = insertion(case.examined.tree, case.source, case.span, new) if new else None
    if edit is not None and new is not None:
        yield Fix(f"Add `{new}`", (edit,), case.problem.code == "RD101")


def _short(source: str, span: Span) -> str:
    line = " ".join(source[span.start : span.end].split())
    return line if len(line) <= 40 else line[:39] + "…"


def _slip(case: Case) -> Iterator[Fix]:
    """Syntax: a sign too many, too few, or another than it should be."""
    start = case.span.start
    if re.match(r"delete the `|delete it$", case.help) or case.help.endswith("without `=`"):
        yield Fix(f"Delete `{case.text}`", ((case.span, ""),))
    elif case.help.endswith("without `:`"):
        yield Fix("Delete `:`", ((case.span, ""),))
    elif case.help.endswith("without a space"):
        begin = len(case.source[:start].rstrip())
        yield Fix("Delete the space", ((Span(begin, start), ""),))
    elif case.help.startswith("decimals follow a point"):
        yield case.replace(".")
    elif case.help.startswith("regions are joined with "):
        yield case.replace(case.quoted("with ") or "plus")
    elif case.help.startswith("lengths are in pixels already"):
        yield Fix("Delete `px`", ((case.span, ""),))
    elif case.help.startswith("leave a space between"):
        yield Fix("Add a space", ((Span(start, start), " "),))
    elif re.match(r"write `0\.\d", case.help):
        yield Fix("Add `0`", ((Span(start, start), "0"),))
    elif case.help == "names are written without quotes" and " " not in case.text:
        yield Fix("Remove the quotes", (((case.span), case.text.strip('"')),))


def _unclosed(case: Case) -> Iterator[Fix]:
    """The brace before the statement that cannot stand inside, or at the end."""
    if case.text != "{" or not case.problem.notes or case.problem.notes[0].span is None:
        return
    at, end = case.problem.notes[0].span
    line = case.source.rfind("\n", 0, at) + 1
    if at == end or case.source[line:at].strip() == "":
        at = len(case.source[:at].rstrip())
        yield Fix("Add `}`", ((Span(at, at), "\n}"),))


def _comment(case: Case) -> Iterator[Fix]:
    if case.text in ("//", "--"):
        yield case.replace("#")
    else:
        yield from _slip(case)


def _quotes(case: Case) -> Iterator[Fix]:
    line_end = case.source.find("\n", case.span.end)
    rest = case.source[case.span.end : line_end if line_end >= 0 else len(case.source)]
    partner = {"\u201c": "\u201d", "\u2018": "\u2019", "\xab": "\xbb", "\u201e": "\u201c"}
    close = rest.find(partner.get(case.text, case.text))
    if close >= 0 and '"' not in rest[:close]:
        end = case.span.end + close
        yield Fix("Use double quotes", ((case.span, '"'), (Span(end, end + 1), '"')))


_WAYS: Mapping[str, tuple[Way, ...]] = {
    "RD010": (_slip,),
    "RD011": (_unclosed,),
    "RD013": (_comment,),
    "RD014": (_quotes,),
    "RD101": (_add,),
    "RD104": (_add,),
    "RD105": (_add,),
    "RD106": (_delete_statement,),
    "RD107": (_add,),
    "RD109": (_move_up,),
    "RD114": (_add,),
    "RD118": (_renamed,),
    "RD119": (_renamed,),
    "RD120": (_delete_statement,),
    "RD121": (_delete_statement,),
    "RD201": (_write, _percent_sign),
    "RD202": (_largest,),
    "RD203": (_write_anything,),
    "RD205": (_delete,),
    "RD206": (_delete,),
    "RD207": (_add,),
    "RD208": (_leave_out,),
    "RD209": (_leave_out,),
    "RD211": (_write_anything,),
    "RD212": (_lower_case,),
    "RD213": (_slashes,),
    "RD214": (_write,),
    "RD215": (_interval,),
    "RD218": (_at_most,),
    "RD219": (_at_most,),
    "RD220": (_rank,),
    "RD222": (_leave_out,),
    "RD223": (_write_anything, _leave_out),
    "RD224": (_mask,),
    "RD301": (_axis,),
}
