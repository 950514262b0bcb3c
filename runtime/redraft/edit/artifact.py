"""``edit.safetensors``: a small, shareable edit, with its recipe and where it came from inside.

Nothing in it can be executed: tensors, and JSON in the file's metadata. Format 1 holds, for rule
number i, ``i.directions`` (S, C) and ``i.coefficients`` (O, S, kh, kw), float32, strength
included, and the metadata keys ``format``, ``recipe`` (the text) and ``edit`` (see EditFacts).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from redraft.disk import files
from redraft.disk.beside import EDIT, PACK_SUFFIX, check_edit
from redraft.disk.digest import tensors_digest
from redraft.edit.layout import DIMENSIONS, changed, from_file
from redraft.errors import ArtifactError, ModelError
from redraft.explain.words import first_fault
from redraft.models.checkpoint.weights import computed
from redraft.models.generator import Axes
from redraft.models.partners import Partner
from redraft.solve.delta import Delta

EDIT_FORMAT = "redraft-edit-1"


class RuleFacts(BaseModel):
    """What an edit says of one of its rules.

    ``weight_name`` is the weight's name in the model without any prefix; ``axes`` says how it
    lies there (see :data:`redraft.models.generator.Axes`). The digests are of that weight alone, in
    its own layout, before and after the rule at strength 1. ``partner`` is what changes along with
    a weight that the module scales before it uses it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    layer: str
    weight_name: str
    axes: Axes
    rank: int = Field(gt=0)
    weight_before: str
    weight_after: str
    partner: Partner | None = None


class EditFacts(BaseModel):
    """Provenance of an edit.

    ``weights_set`` are the weights of its model's file that the recipe chose; None for the
    likeliest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    version: str
    recipe_digest: str
    model: str
    arch: str
    tensors_digest: str
    redraft: str
    rules: tuple[RuleFacts, ...]
    weights_set: str | None = None


@dataclass(frozen=True)
class Edit:
    """A sequence of low-rank changes, made for one base model.

    Attributes:
        facts: where it came from.
        recipe_text: the recipe that made it.
        deltas: one for each rule, in order.
        chosen_from: the rules of the edit that these were chosen from; empty for a whole edit.

    """

    facts: EditFacts
    recipe_text: str
    deltas: tuple[Delta, ...]
    chosen_from: tuple[RuleFacts, ...] = ()

    def __repr__(self) -> str:
        """One line: the recipe, its model and its rules."""
        rules = ", ".join(f"{rule.name} at {rule.layer}" for rule in self.facts.rules)
        facts = self.facts
        return f"<Edit {facts.recipe} {facts.version} of {facts.model}: {rules}>"

    @staticmethod
    def load(path: str | Path) -> Edit:
        """Read an edit; checks format, shapes and numbers, and runs nothing.

        In a run folder or an unpacked pack it must have the hash that is recorded beside it.

        Raises:
            ArtifactError: the file is missing, damaged, not an edit, of a newer format, or not the
                one that its run left.

        """
        return _read(Path(path))

    def save(self, path: str | Path) -> None:
        """Write the edit atomically.

        Raises:
            ArtifactError: the file cannot be written.

        """
        files.write_bytes(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes; equal edits give equal bytes."""
        from safetensors.torch import save

        tensors: dict[str, Tensor] = {}
        for number, delta in enumerate(self.deltas):
            tensors[f"{number}.directions"] = delta.directions.detach().cpu().contiguous()
            tensors[f"{number}.coefficients"] = delta.coefficients.detach().cpu().contiguous()
        metadata = {
            "edit": self.facts.model_dump_json(exclude_none=True),
            "format": EDIT_FORMAT,
            "recipe": self.recipe_text,
        }
        return in_order(save(tensors, metadata))

    def choose(self, rules: Sequence[str] | None, strength: float = 1.0) -> Edit:
        """The same edit with some of its rules only, each ``strength`` times as strong.

        Raises:
            ArtifactError: a rule is not in the edit.

        """
        names = [rule.name for rule in self.facts.rules]
        for name in rules or ():
            if name not in names:
                raise ArtifactError(
                    "RD650",
                    f"the edit has no rule `{name}`",
                    f"its rules are {', '.join(names)}",
                )
        rows = [row for row, name in enumerate(names) if rules is None or name in rules]
        return Edit(
            self.facts.model_copy(update={"rules": tuple(self.facts.rules[row] for row in rows)}),
            self.recipe_text,
            tuple(self.deltas[row].scaled(strength) for row in rows),
            self.chosen_from or self.facts.rules,
        )

    def edited(self, weights: Mapping[str, Tensor], *, force: bool = False) -> dict[str, Tensor]:
        """The changed weights by name; ``weights`` itself is left alone.

        Args:
            weights: tensors by name; names may share a prefix (``main.``, ``module.``).
            force: edit even weights that the edit was not made for.

        Raises:
            ModelError: a weight is missing, of another shape, or not the edit's base.

        """
        edited: dict[str, Tensor] = {}
        checked: set[str] = set()
        for rule, delta in zip(self.facts.rules, self.deltas, strict=True):
            name = _find(weights, rule)
            present = edited.get(name, weights[name])
            _check_shape(name, present, rule, delta)
            if name not in checked and not force:
                self._check_base(name, present, rule)
            checked.add(name)
            edited[name] = changed(present, rule.axes, delta)
            if rule.partner is not None:
                follower, other = _partners(weights, name, rule, rule.partner)
                held = edited.get(follower, weights[follower])
                vector = None if other is None else weights[other]
                edited[follower] = rule.partner.follow(present, edited[name], held, vector)
        return edited

    def apply(
        self,
        module: nn.Module,
        rules: Sequence[str] | None = None,
        strength: float = 1.0,
        *,
        force: bool = False,
    ) -> Applied:
        """Edit a module in place; the result restores it bit for bit.

        Args:
            module: the generator, or a module that holds it.
            rules: names of the rules to apply; None for all.
            strength: scales every rule.
            force: edit even weights that the edit was not made for.

        Raises:
            ModelError: a weight is missing, of another shape, or not the edit's base.
            ArtifactError: a rule is not in the edit.

        """
        parameters = _tensors_of(module)
        tensors = {name: parameter.detach() for name, parameter in parameters.items()}
        changed = self.choose(rules, strength).edited(tensors, force=force)
        originals = {name: tensors[name].clone() for name in changed}
        with torch.no_grad():
            for name, tensor in changed.items():
                parameters[name].copy_(tensor)
        return Applied(module, originals)

    @contextmanager
    def applied(
        self,
        module: nn.Module,
        rules: Sequence[str] | None = None,
        strength: float = 1.0,
        *,
        force: bool = False,
    ) -> Iterator[nn.Module]:
        """Edit a module for a ``with`` block; always restores it, whatever happens inside."""
        handle = self.apply(module, rules, strength, force=force)
        try:
            yield module
        finally:
            handle.revert()

    def _check_base(self, name: str, weight: Tensor, rule: RuleFacts) -> None:
        digest = weight_digest(weight)
        same = [each for each in self.chosen_from or self.facts.rules if each.layer == rule.layer]
        # A later rule of a layer also goes on the unedited weight, without those before it.
        if digest in (rule.weight_before, same[0].weight_before):
            return
        known = {each.weight_after for each in same}
        if digest in known:
            detail, remedy = "already holds this edit", "start from the unedited model"
        else:
            detail = f"is not the one of `{self.facts.model}` that this edit was made for"
            remedy = "use the edit's own base model, or force it if you mean to try it elsewhere"
        raise ModelError("RD651", f"the weight `{name}` {detail}", remedy)


@dataclass(frozen=True)
class Applied:
    """An edit inside a module: keeps what was there."""

    module: nn.Module
    originals: Mapping[str, Tensor]

    def revert(self) -> None:
        """Put the original weights back, bit for bit. Doing so twice changes nothing."""
        parameters = _tensors_of(self.module)
        with torch.no_grad():
            for name, tensor in self.originals.items():
                parameters[name].copy_(tensor)


def in_order(data: bytes) -> bytes:
    """The same safetensors file with its head sorted; the library writes metadata in any order."""
    start = 8 + int.from_bytes(data[:8], "little")
    head = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + data[start:]


def _tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module that an edit may change."""
    return {**dict(module.named_buffers()), **dict(module.named_parameters())}


def weight_digest(weight: Tensor) -> str:
    """sha256 (hex) of one weight in the file's layout, in float32: dtype, shape and raw bytes."""
    return tensors_digest({"weight": computed(weight.detach()).cpu().contiguous()})


def _partners(
    weights: Mapping[str, Tensor], weight: str, rule: RuleFacts, partner: Partner
) -> tuple[str, str | None]:
    """The names in ``weights`` of what changes along with a weight, and of what that depends on."""
    prefix = weight.removesuffix(rule.weight_name)
    names = (prefix + partner.name, None if partner.other is None else prefix + partner.other)
    for name in names:
        if name is not None and name not in weights:
            raise ModelError(
                "RD652",
                f"`{name}` is not there, and the rule `{rule.name}` changes it",
                "give a generator of the edit's kind",
            )
    return names


def _find(weights: Mapping[str, Tensor], rule: RuleFacts) -> str:
    """The name in ``weights`` of the weight that a rule changes."""
    ending = "." + rule.weight_name
    found = [name for name in weights if name == rule.weight_name or name.endswith(ending)]
    if len(found) == 1:
        return found[0]
    if rule.weight_name in found:
        return rule.weight_name
    raise ModelError(
        "RD652",
        f"`{rule.weight_name}` is {'there more than once' if found else 'not there'}, "
        f"and the rule `{rule.name}` changes it",
        f"give a {'single ' if found else ''}generator of the edit's kind",
    )


def _check_shape(name: str, weight: Tensor, rule: RuleFacts, delta: Delta) -> None:
    out, _, height, width = delta.coefficients.shape
    expected = (out, int(delta.directions.shape[1]), int(height), int(width))
    fits = weight.dim() == DIMENSIONS[rule.axes]
    if rule.axes == "grid":
        fits = fits and len(weight) % (int(height) * int(width)) == 0
    size = (int(height), int(width))
    got = tuple((from_file(weight, rule.axes, size) if fits else weight).shape)
    if got != expected:
        raise ModelError(
            "RD653",
            f"`{name}` has shape {got}, and the rule `{rule.name}` was made for {expected}",
            "give a generator of the size that the edit was made for",
        )


def _read(path: Path) -> Edit:
    from safetensors import SafetensorError, safe_open

    _check_file(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            _check_format(path, metadata)
            facts = EditFacts.model_validate_json(metadata.get("edit", ""))
            names = set(file.keys())
            deltas = tuple(
                _read_delta(path, file, names, number, rule)
                for number, rule in enumerate(facts.rules)
            )
    except ValidationError as error:
        detail = f"its description cannot be read: {first_fault(error)}"
        raise _not_edit(path, detail) from error
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _not_edit(path, str(error)) from error
    return Edit(facts, metadata.get("recipe", ""), deltas)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ArtifactError("RD654", f"{path} is a folder", f"name the file in it: {path / EDIT}")
    if not path.exists():
        raise ArtifactError("RD654", f"there is no file {path}", "check the path")
    if path.suffix == PACK_SUFFIX:
        raise ArtifactError(
            "RD656",
            f"{path} is a pack, and not the edit in it",
            f"unpack it with `redraft unpack {path}`, and load {path.stem}/{EDIT}",
        )
    check_edit(path)


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    form = metadata.get("format", "")
    if form == EDIT_FORMAT:
        return
    if form.startswith("redraft-edit-"):
        raise ArtifactError(
            "RD655",
            f"{path} is of the format {form}, and this version reads {EDIT_FORMAT}",
            "install a newer redraft",
        )
    raise _not_edit(path, "it does not say that it is a redraft edit")


def _read_delta(path: Path, file: object, names: set[str], number: int, rule: RuleFacts) -> Delta:
    parts = []
    for part, dims in (("directions", 2), ("coefficients", 4)):
        name = f"{number}.{part}"
        if name not in names:
            raise _not_edit(path, f"`{name}` is missing")
        tensor: Tensor = file.get_tensor(name)  # type: ignore[attr-defined]
        if tensor.dim() != dims or tensor.dtype != torch.float32:
            raise _not_edit(path, f"`{name}` is not a float32 tensor with {dims} axes")
        if not bool(torch.isfinite(tensor).all()):
            raise _not_edit(path, f"`{name}` holds NaN or infinite numbers")
        # A copy: the tensor may be a view of the file, which may be replaced later.
        parts.append(tensor.clone())
    if not parts[0].shape[0] == parts[1].shape[1] == rule.rank:
        raise _not_edit(path, f"rule `{rule.name}` is not of rank {rule.rank}")
    return Delta(rule.name, rule.layer, parts[0], parts[1])


def _not_edit(path: Path, detail: str) -> ArtifactError:
    return ArtifactError(
        "RD656",
        f"{path} is not a redraft edit, or is damaged: {detail}",
        "give the `edit.safetensors` that a run wrote; copy it again if it was cut short",
    )
