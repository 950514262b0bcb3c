"""What a run leaves in ``run.json``: results, never inputs that a recipe does not already hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from redraft.judge.advice import misaimed
from redraft.judge.verdict import FIXED, FORMER, Verdict, Word, by_chance, verdict
from redraft.models.device import MOST_THREADS
from redraft_dsl.check.expects import Expectation

_FORMERLY = {"effect": "share", "effect_interval": "share_interval"}
"""Names of fields in records of older versions, and what they are called today."""
_YES = {True: "yes", False: "no", None: "not recorded"}


class Frozen(BaseModel):
    """Base of every record: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(Frozen):
    """Base of what holds a rule's figures: reads records that call its share ``effect``, too."""

    @model_validator(mode="before")
    @classmethod
    def _today(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {_FORMERLY.get(name, name): value for name, value in fields.items()}


class PlaceRecord(Frozen):
    """A place that a rule used. ``box`` is (x0, y0, x1, y1) pixels, half-open.

    ``score`` is None for a place that the recipe marks, and how well it matched for one that was
    found: 1 is as well as the marked example. ``gain`` is the left-out gain on that picture.
    """

    latents: str
    index: int
    box: tuple[int, int, int, int]
    score: float | None = None
    gain: float | None = None


LOW_GAIN = 0.25
"""Left-out gain below which rules seldom follow, where their agreement is not known."""
LOW_AGREEMENT = 0.35
"""Left-out agreement below which rules seldom follow on unseen pictures."""


class LeftOutRecord(Frozen):
    """Left-out gain, side effect and agreement, with their spread over folds.

    ``agreement`` is None where the pictures were judged by the whole rule (see
    redraft.judge.leftout).
    """

    gain: float
    side: float
    gain_spread: float
    side_spread: float
    agreement: float | None = None
    agreement_spread: float = 0.0


class CauseRecord(Frozen):
    """What the cause of little effect is read off, see :class:`redraft.judge.advice.Case`.

    ``own`` is taken where there is little effect alone, for it takes drawing.
    """

    alike: float
    copied: float
    cells: float
    own: float | None


def _renamed(word: object) -> object:
    """A verdict in today's words."""
    return FORMER.get(word, word) if isinstance(word, str) else word


class DriveRecord(Frozen):
    """What drove the cause of an invert (redraft.memory.drive).

    ``units`` are the channels that tell the cause, ``explained`` how much of what they tell goes
    with the numbers of the latents, 0 to 1.
    """

    units: tuple[int, ...]
    explained: float


class RuleRecord(Measured):
    """One rule's results.

    ``share`` is the part of unseen pictures that changed as meant, ``outside`` the mean absolute
    change outside the grown region, pictures in -1..1 (see redraft.judge.effect); both None
    when nothing was measured. ``judged`` is how many of the unseen pictures share and amplitude
    are taken over: for an erase, those that hold what it removes, and for an invert, those with
    enough to turn round. ``null`` is the share of random
    edits, ``elsewhere`` that of the rule at another region (see redraft.judge.chance); ``verdict``
    is what comes of share, nulls and amplitude together (see redraft.judge.verdict). ``places`` is
    how its places in unseen pictures were come by: "fixed", or the name of what found them; None
    when nothing was measured, and in records of older versions. ``pixel_share`` and
    ``pixel_amplitude`` go by the wish in pixels (see redraft.judge.effect). ``distance`` is that
    of the unseen pictures to the right answer, with this rule as the last; None where no answer is
    known (see redraft.world.named). ``typical`` and
    ``least`` are numbers of unseen pictures: those that it takes effect on as strongly as on most,
    and those whose change agrees least with what was meant, the best examples first.
    ``cause`` is None where nothing was measured, and for a zero.

    ``protected`` is how far protected values move, as a share of what the goal asks of a value (see
    redraft.judge.leftout); None where nothing is protected.

    ``solver`` is its name and version; ``stopped`` is why it stopped: little was left to gain, or
    its iterations were used up. Both are None for a zero, and in records of older versions.

    ``weight_before`` and ``weight_after`` are sha256 digests of the layer's weight;
    ``delta_digest`` of the change. ``interference`` gives, for each earlier rule at the same
    layer, the largest cosine between the two under C.
    """

    name: str
    kind: str
    layer: str
    weight_name: str
    rank: int
    strength: float
    preserve: float
    loss_before: float
    loss_after: float
    solver: str | None = None
    stopped: Literal["converged", "iterations"] | None = None
    solve_seconds: float
    left_out: LeftOutRecord | None
    protected: float | None = None
    judged: int | None
    share: float | None
    share_interval: tuple[float, float] | None
    amplitude: float | None
    amplitude_interval: tuple[float, float] | None
    outside: float | None
    outside_interval: tuple[float, float] | None
    null: float | None = None
    null_interval: tuple[float, float] | None = None
    elsewhere: float | None = None
    elsewhere_interval: tuple[float, float] | None = None
    places: str | None = None
    pixel_share: float | None = None
    pixel_share_interval: tuple[float, float] | None = None
    pixel_amplitude: float | None = None
    pixel_amplitude_interval: tuple[float, float] | None = None
    distance: float | None = None
    verdict: Annotated[Word, BeforeValidator(_renamed)] = "not measured"
    typical: tuple[int, ...] = ()
    least: tuple[int, ...] = ()
    cause: CauseRecord | None = None
    copy_from: PlaceRecord | None
    contexts: tuple[PlaceRecord, ...]
    pastes: tuple[PlaceRecord, ...]
    singular_values: tuple[float, ...]
    norm: float
    delta_digest: str
    weight_before: str
    weight_after: str
    interference: dict[str, float]
    warnings: tuple[str, ...]
    drive: DriveRecord | None = None

    def figure(self, measure: str) -> float | None:
        """A figure by the name of its measure in the language; None where it was not measured."""
        if measure == "side":
            return None if self.left_out is None else self.left_out.side
        found: float | None = getattr(self, measure)
        return found

    @property
    def misaimed(self) -> bool:
        """Whether it was judged at places that a match found, which answers to something else."""
        scores = [place.score for place in self.contexts if place.score is not None]
        return self.is_searched and misaimed(scores)

    @property
    def is_searched(self) -> bool:
        """Whether it was judged where a match found its place in each of the unseen pictures."""
        return self.places not in (None, FIXED)

    @property
    def judgement(self) -> Verdict:
        """The verdict, with its reason. It is made of the figures, in records of any version."""
        return verdict_of(self)


class Judged(Protocol):
    """A rule's figures, as far as its verdict is made of them."""

    @property
    def share(self) -> float | None: ...  # noqa: D102
    @property
    def share_interval(self) -> tuple[float, float] | None: ...  # noqa: D102
    @property
    def amplitude(self) -> float | None: ...  # noqa: D102
    @property
    def null_interval(self) -> tuple[float, float] | None: ...  # noqa: D102
    @property
    def elsewhere(self) -> float | None: ...  # noqa: D102
    @property
    def misaimed(self) -> bool: ...  # noqa: D102


def verdict_of(rule: Judged) -> Verdict:
    """The verdict on a rule, in a run's record and in a sweep's."""
    lowest = None if rule.share_interval is None else rule.share_interval[0]
    highest = None if rule.null_interval is None else rule.null_interval[1]
    chance = by_chance(highest, rule.elsewhere)
    return verdict(rule.share, rule.amplitude, lowest, chance, misaimed=rule.misaimed)


class ModelRecord(Frozen):
    """The base that a run started from.

    ``truncation`` is 1 for none; ``assumed`` says what the file does not hold and was filled in.
    ``generator`` is the code that made a module of somebody's own, as it was named.
    """

    name: str
    arch: str
    file_sha256: str
    tensors_digest: str
    truncation: float = 1.0
    assumed: tuple[str, ...] = ()
    generator: str | None = None
    code_sha256: str | None = None


class StatisticsRecord(Frozen):
    """Statistics that a run used. ``keys`` is how many keys the moment is a mean over."""

    layer: str
    latents: str
    count: int
    keys: int
    cached: bool
    seconds: float


class MachineRecord(Frozen):
    """Where a run took place: what bit-identical repetition depends on.

    ``tf32`` is whether a GPU could round products to TF32; None in records of older versions.
    """

    device: str
    threads: int = Field(ge=1, le=MOST_THREADS)
    platform: str
    versions: dict[str, str]
    deterministic: bool
    tf32: bool | None = None

    def differences(self, other: MachineRecord) -> tuple[str, ...]:
        """What changed from here to ``other``, as in ``threads 1 -> 2``; empty when nothing did.

        Bit-identical results are promised only between machines that do not differ.
        """
        before, after = self._fields(), other._fields()
        return tuple(
            f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        )

    def _fields(self) -> dict[str, str]:
        """Every field by name; a version by the name of what has it."""
        return {
            "device": self.device,
            "threads": str(self.threads),
            "platform": self.platform,
            **self.versions,
            "deterministic": _YES[self.deterministic],
            # There is none on a CPU.
            "tf32": "no" if self.device == "cpu" else _YES[self.tf32],
        }


class ImportRecord(Frozen):
    """A recipe that the run's recipe used; ``digest`` is of what it means."""

    path: str
    name: str
    version: str
    digest: str


class ExpectRecord(Frozen):
    """An expectation of the recipe, as in ``share(glasses) >= 0.60``, and whether it holds.

    ``figure`` is None where it was not measured, which does not hold.
    """

    expected: str
    figure: float | None
    holds: bool

    @property
    def said(self) -> str:
        """What became of it, in words."""
        figure = "not measured" if self.figure is None else f"{self.figure:.4g}"
        head = "as expected" if self.holds else "NOT as expected"
        return f"{head}: {self.expected}, and it is {figure}"


def checked_expectations(
    expects: Iterable[Expectation], rules: Iterable[RuleRecord]
) -> tuple[ExpectRecord, ...]:
    """What became of the expectations of a recipe."""
    records = {rule.name: rule for rule in rules}
    found = []
    for each in expects:
        figure = records[each.rule].figure(each.measure)
        found.append(ExpectRecord(expected=each.written, figure=figure, holds=each.holds(figure)))
    return tuple(found)


class RunRecord(Frozen):
    """The whole of ``run.json``.

    ``given`` are values from outside of the recipe (``--set``), ``imports`` the recipes that it
    used. ``lock`` is the sha256 of the lock that was obeyed, None where there was none.
    """

    format: Literal["redraft-run-1"] = "redraft-run-1"
    recipe: str
    version: str
    title: str
    recipe_digest: str
    recipe_path: str
    model: ModelRecord
    machine: MachineRecord
    statistics: tuple[StatisticsRecord, ...]
    rules: tuple[RuleRecord, ...]
    evaluated_on: str
    evaluated_count: int
    edit_sha256: str
    started: str
    seconds: float
    warnings: tuple[str, ...] = ()
    lock: str | None = None
    given: dict[str, str] = {}
    imports: tuple[ImportRecord, ...] = ()
    expects: tuple[ExpectRecord, ...] = ()
