"""A rule's figures as short texts, for tables. No torch."""

from __future__ import annotations

from redraft.explain.words import percent
from redraft.judge import words
from redraft.plans.record import LeftOutRecord, RuleRecord

NONE = "-"
"""What stands for a figure that was not measured."""
_JUDGED = {"erase": "hold what the rule removes", "invert": "show enough of its cause or effect"}
MEASURES = {"share": 2, "amplitude": 2, "outside": 3}
"""The measures on unseen pictures, and the decimals that they are shown with."""


def interval(
    value: float | None,
    ends: tuple[float, float] | None,
    digits: int,
    form: str = "{} [{}, {}]",
) -> str:
    """A figure with its 95 % interval, as in ``0.93 [0.90, 0.95]``."""
    if value is None or ends is None:
        return NONE
    return form.format(*(f"{each:.{digits}f}" for each in (value, *ends)))


def measures(rule: object) -> list[str]:
    """Share, amplitude and outside of a rule's record, each with its interval."""
    return [
        interval(getattr(rule, name), getattr(rule, f"{name}_interval"), digits)
        for name, digits in MEASURES.items()
    ]


def judgement(rule: RuleRecord) -> str:
    """The verdict on a rule with what it hangs on, as in ``takes effect widely (null 0.02)``."""
    found = rule.judgement
    nulls = ((name, getattr(rule, name)) for name in ("null", "elsewhere"))
    hangs = [f"{name} {value:.2f}" for name, value in nulls if value is not None]
    hangs += [found.reason] if found.reason else []
    return f"{found.word} ({', '.join(hangs)})" if hangs else found.word


def headline(rule: RuleRecord, space: str = " ") -> str:
    """What a person sees of a rule, see :func:`redraft.judge.words.headline`."""
    return words.headline(
        rule.judgement,
        rule.share,
        rule.amplitude,
        removes=rule.kind == "erase",
        found=rule.judged if rule.is_searched else None,
        space=space,
    )


def judged_on(rule: RuleRecord) -> str:
    """Which unseen pictures a rule is judged on, where these are not all; else nothing."""
    which = _JUDGED.get(rule.kind)
    if which is None and rule.is_searched:
        which = "have a place that its match finds"
    return "" if which is None or rule.judged is None else f"{rule.judged:,} of them {which}"


def plain(text: str) -> str:
    """A figure without its interval."""
    return text.partition(" [")[0]


def plain_measures(rule: RuleRecord) -> list[str]:
    """What a rule does, as in ``share 0.93``, without intervals."""
    found = [
        f"{name} {NONE if (value := getattr(rule, name)) is None else f'{value:.{digits}f}'}"
        for name, digits in MEASURES.items()
    ]
    gain = NONE if rule.left_out is None else f"{rule.left_out.gain:.2f}"
    if rule.protected is not None:
        found.append(f"protected {rule.protected:.3f}")
    return [*found, f"left-out {gain}"]


def protected(rule: RuleRecord, space: str = " ") -> str:
    """How far what is protected moved, in words; empty where nothing is protected."""
    if rule.protected is None:
        return ""
    moved = percent(rule.protected, space)
    return f"what is protected moved by {moved} of what the goal asks for"


def left_out(found: LeftOutRecord | None) -> str:
    """Left-out gain and side effect."""
    return NONE if found is None else f"{found.gain:.2f} / {found.side:.3f}"


def losses(before: float, after: float) -> str:
    """The data term before a rule and after it."""
    return f"{before:.3g} -> {after:.3g}"
