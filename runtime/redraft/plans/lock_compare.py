"""What differs between a lock and what is there now, in sentences that say what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redraft.errors import PlanError
from redraft.explain.words import counted
from redraft.models.code.reference import Code, option
from redraft.plans.loading import options
from redraft.plans.lock import Lock, Record
from redraft_dsl.check.parameters import Given

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_ADVICE = {
    "import": "restore that file, or give it a new version and name that version in `use`",
    "latents": "put the seed and count back in the recipe",
    "mask": "put the mask file back",
    "match": "search again with `redraft lock`",
    "model": "restore the model file, or the code, that the lock names",
    "recipe": "put back what the recipe said: a rule, a mark, a region, the model or the title",
    "rule": "put the setting back in the recipe",
    "statistics": "put the latents and the rules' layers back in the recipe",
}


@dataclass(frozen=True)
class Difference:
    """One record that differs.

    Attributes:
        kind: of the record.
        what: what the record is about, as in ``rule dot rank``.
        said: what the lock says; None when it says nothing of it.
        now: what is there now; None when it is gone.
        remedy: how to go back.
        places: where to look: lines of the recipe and of the lock.

    """

    kind: str
    what: str
    said: str | None
    now: str | None
    remedy: str
    places: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        said = "nothing" if self.said is None else self.said
        now = "nothing" if self.now is None else self.now
        where = "".join(f"; {place}" for place in self.places)
        return f"{self.what}: the lock says {said}, now it is {now}; {self.remedy}{where}"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "record": self.what,
            "lock": self.said,
            "now": self.now,
            "remedy": self.remedy,
            "places": list(self.places),
        }


class LockDiffersError(PlanError):
    """A recipe is not what its lock says. ``differences`` lists why, ``details`` in words.

    ``held`` are the values that the lock was made with, ``given`` those that are asked for now.
    ``made_by`` is the code of the model.
    """

    def __init__(
        self,
        lock: str,
        recipe: str,
        differences: Sequence[Difference],
        held: Given = (),
        given: Given = (),
        made_by: Code | None = None,
    ) -> None:
        changed = [each for each in differences if is_silent_change(each)]
        records = counted(len(differences), "record")
        undo = "undo the change"
        if changed:
            code = "RD415"
            message = f"{changed[0].what} changed without a new version, and {lock} pins it"
        elif any(each.kind == "set" for each in differences):
            code, message = (
                "RD419",
                f"{lock} was made {_with(held)}, and now there is {_has(given)}",
            )
            undo = f"give the lock's values, `{options(held)}`" if held else "leave out `--set`"
        else:
            code, message = "RD410", f"{lock} differs from what is there now in {records}"
        named = "" if made_by is None else option(made_by.written)
        renew = " ".join(filter(None, (f"redraft lock {recipe}", named, options(given))))
        super().__init__(
            code, message, f"{undo}, or accept it with `{renew}`; `--no-lock` runs without the lock"
        )
        self.differences = tuple(differences)
        self.details = tuple(each.sentence for each in differences)


def _with(given: Given) -> str:
    return f"with {_has(given)}" if given else "without `--set`"


def _has(given: Given) -> str:
    return f"`{options(given)}`" if given else "no `--set`"


def is_silent_change(difference: Difference) -> bool:
    """Whether an import means something else under the same version."""
    if difference.kind != "import" or difference.said is None or difference.now is None:
        return False
    return _before_digest(difference.said) == _before_digest(difference.now)


def differences(lock: Lock, now: Sequence[Record]) -> tuple[Difference, ...]:
    """Every record of ``lock`` and ``now`` that is not in both, in the order of a lock."""
    said, there = lock.by_key(), {record.key: record for record in now}
    both = {**said, **there}
    keys = sorted(both, key=lambda key: both[key].order)
    found = tuple(
        _difference(said.get(key), there.get(key), lock)
        for key in keys
        if said.get(key) != there.get(key)
    )
    if not any(each.kind == "set" for each in found):
        return found
    return tuple(each if each.kind == "set" else _maybe_of_values(each) for each in found)


def _maybe_of_values(each: Difference) -> Difference:
    """Other values change settings and hashes, so that is looked at first."""
    return replace(each, remedy=f"give the lock's values; if that is not it, {each.remedy}")


def _difference(said: Record | None, now: Record | None, lock: Lock) -> Difference:
    one = said or now
    assert one is not None
    place = () if said is None or said.key not in lock.lines else (f"line {lock.lines[said.key]}",)
    return Difference(
        kind=one.kind,
        what=_about(one),
        said=None if said is None else _value(said),
        now=None if now is None else _value(now),
        remedy=_remedy(said, one),
        places=place,
    )


def _remedy(said: Record | None, one: Record) -> str:
    if one.kind != "set":
        return _ADVICE[one.kind]
    typed = f"`--set {one.fields['name']}={one.value}`"
    return f"leave out {typed}" if said is None else f"give {typed}"


def _about(record: Record) -> str:
    fields = record.fields
    match record.kind:
        case "import" | "mask":
            return f'{record.kind} "{fields["path"]}"'
        case "match":
            return f"match {fields['rule']} line {fields['line']} place {fields['place']}"
        case "statistics":
            return f"statistics of {fields['layer']} before {fields['before']}"
        case _:
            return " ".join(record.key)


def _value(record: Record) -> str:
    """What the record says; of long digests the beginning, which shows that they differ."""
    return _DIGEST.sub(r"\1...", record.value)


def _before_digest(value: str) -> str:
    return value.rsplit(" ", 1)[0]
