"""The finished rules of a run, kept in files until the whole run is written.

A run that was interrupted continues with them. A file that is damaged, or that belongs to another
plan, counts as missing.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from redraft.disk import files
from redraft.memory.places import MatchedPlace
from redraft.plans.planner import RuleStep
from redraft.plans.record import RuleRecord
from redraft.runs.recording import delta_digest
from redraft.runs.session import FinishedRule, Session, placed_rule
from redraft.solve.delta import Delta


@dataclass(frozen=True)
class Steps:
    """The files of finished rules in a folder; ``resumed`` names the rules that were read."""

    folder: Path
    session: Session
    resumed: list[str] = field(default_factory=list)

    def write(self, step: RuleStep, done: FinishedRule) -> None:
        """Keep a rule that was just finished."""
        tensors = {
            "directions": done.delta.directions.cpu().contiguous(),
            "coefficients": done.delta.coefficients.cpu().contiguous(),
        }
        matches = [[astuple(place) for place in places] for places in done.placed.matches]
        metadata = {
            "digest": step.digest,
            "record": done.record.model_dump_json(),
            "matches": json.dumps(matches),
        }
        files.write_bytes(self._path(step), save(tensors, metadata))

    def read(self, step: RuleStep) -> FinishedRule | None:
        """A rule that an interrupted run finished; None when there is none, or it is damaged."""
        path = self._path(step)
        if not path.exists():
            return None
        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("digest") != step.digest:
                    return None
                record = RuleRecord.model_validate_json(metadata["record"])
                delta = Delta(
                    record.name,
                    record.layer,
                    file.get_tensor("directions"),
                    file.get_tensor("coefficients"),
                )
                if delta_digest(delta) != record.delta_digest:
                    return None
                matches = tuple(
                    tuple(MatchedPlace(block, index, (dy, dx), score)
                          for block, index, (dy, dx), score in places)
                    for places in json.loads(metadata["matches"])
                )  # fmt: skip
        except (SafetensorError, OSError, ValueError, TypeError, KeyError):
            return None
        self.resumed.append(step.rule.name)
        return FinishedRule(delta, record, placed_rule(self.session, step, matches))

    def _path(self, step: RuleStep) -> Path:
        return self.folder / f"{step.rule.name}-{step.digest[:16]}.safetensors"
