"""A run's figures in plain English."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from redraft.explain.words import counted
from redraft.plans.record import LOW_GAIN, MachineRecord, PlaceRecord, RuleRecord
from redraft.show.numbers import headline, protected
from redraft.show.report.charts import percent
from redraft_dsl.report.html import sentence

NBSP = "\N{NO-BREAK SPACE}"
EXPLAIN = re.compile(r"\((redraft explain RD\d+)\)")
"""How a warning names the page that says more."""
EARLIER_SOME, EARLIER_MUCH = 0.2, 0.6


@dataclass(frozen=True)
class Spoken:
    """A rule's verdict.

    Attributes:
        badge: a word or three.
        tone: for its colour.
        headline: what a person sees, in a sentence.
        rest: the figures behind it, in further sentences; may be empty.

    """

    badge: str
    tone: str
    headline: str
    rest: str


@dataclass(frozen=True)
class WarningText:
    """A warning: what is wrong, and what to do about it (may be empty)."""

    problem: str
    remedy: str


def verdict(record: RuleRecord) -> Spoken:
    """What a rule does to pictures that it never saw."""
    found = record.judgement
    first = _sentence(headline(record, NBSP))
    moved = protected(record, NBSP)
    still = f" {_sentence(moved)}" if moved else ""
    if record.share is None or record.judged is None:
        return Spoken(found.word, found.tone, first, still.lstrip())
    said = [f"{share_and_interval(record)} of {record.judged:,} new pictures changed as meant"]
    if record.outside is not None:
        said.append(
            f"the rest of the picture moved by {record.outside:.3f} on a scale from "
            "\N{MINUS SIGN}1 to 1"
        )
    rest = _sentence(", and ".join(said))
    nulls = list(_nulls(record))
    rest += f" {_sentence(' and '.join(nulls))}" if nulls else ""
    rest += f" {_sentence(found.reason)}" if found.reason else ""
    return Spoken(found.word, found.tone, first, rest + still)


def share_and_interval(record: RuleRecord) -> str:
    """The share with its interval, as in ``93 % (91-95 %)``."""
    assert record.share is not None, "asked for where it was measured"
    text = percent(record.share)
    if record.share_interval is None:
        return text
    low, high = (percent(value).removesuffix(f"{NBSP}%") for value in record.share_interval)
    return f"{text} ({low}\N{EN DASH}{high}{NBSP}%)"


def _nulls(record: RuleRecord) -> Iterator[str]:
    """The shares that chance gives, in words."""
    if record.null is not None:
        yield f"a random edit of its size would do so on {percent(record.null)}"
    if record.elsewhere is not None:
        yield f"the rule does so at another region on {percent(record.elsewhere)}"


def warning_text(text: str) -> WarningText:
    """A warning split into problem and remedy at its first semicolon."""
    problem, _, remedy = text.partition("; ")
    return WarningText(_sentence(problem), _sentence(remedy) if remedy else "")


def with_code(text: str) -> Markup:
    """A sentence with code where it has backticks, and where it names the page that says more."""
    return Markup(sentence(EXPLAIN.sub(r"(`\1`)", text)))


def shared_keys(cosine: float) -> str:
    """What an interference means."""
    if cosine < EARLIER_SOME:
        return "nearly independent"
    if cosine < EARLIER_MUCH:
        return "they share some keys"
    return "they read much the same keys; most such pairs leave each other alone, but look at both"


def least_followed(places: tuple[PlaceRecord, ...]) -> PlaceRecord | None:
    """The context with the lowest left-out gain, where that is low."""
    known = [place for place in places if place.gain is not None and place.gain < LOW_GAIN]
    return min(known, key=lambda place: place.gain or 0.0, default=None)


def place_name(place: PlaceRecord) -> str:
    """A place as a recipe writes its picture: ``z[130]``."""
    return f"{place.latents}[{place.index}]"


def when(text: str) -> str:
    """An ISO time for reading; other text as it is."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {moment.tzname()}" if moment.tzname() else ""
    return f"{moment.day} {moment:%B %Y, %H:%M}{zone}"


def lasting(seconds: float) -> str:
    """A time span: ``0.42 s``, ``14 s``, ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.2g}\N{NO-BREAK SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\N{NO-BREAK SPACE}s"
    return f"{whole // 60}\N{NO-BREAK SPACE}min {whole % 60}\N{NO-BREAK SPACE}s"


def machine_line(machine: MachineRecord) -> str:
    """The machine in a few words."""
    threads = counted(machine.threads, "thread")
    return f"{machine.device}, {threads}, {machine.platform}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
