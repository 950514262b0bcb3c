"""The pages on all error codes: those of the language, and the runtime's own in ``pages/``.

RD4xx is found while planning, RD5xx while running, RD6xx is about files and models, RD7xx about
sharing. RD0xx to RD3xx belong to the language.
"""

from __future__ import annotations

from redraft_dsl.report import explain as language

_OWN = "redraft.explain"


def titles() -> dict[str, str]:
    """Every code, sorted, with one line on what it means."""
    found = {code: language.title(code) for code in language.codes()}
    found |= {code: language.title(code, _OWN) for code in language.codes(_OWN)}
    return dict(sorted(found.items()))


def explain(code: str) -> str | None:
    """The page of a code as Markdown, or None if there is no such code. Case does not count."""
    return language.explain(code) or language.explain(code, _OWN)
