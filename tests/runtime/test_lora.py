"""Edits as LoRA files, merged with a few lines of plain torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.edit.layout import to_file
from redraft.edit.lora import LORA_FORMAT, MERGE, lora_bytes, lora_layers, made_for, write_lora
from redraft.errors import ArtifactError, ModelError
from redraft.solve.delta import Delta

Maker = Callable[..., Any]

ROUNDING = 2.0**-23
"""Two float32 numbers next to each other differ by at most this share."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def edit_of(generator: Any, rules: tuple[tuple[str, str, int], ...]) -> Edit:
    """Random rules (name, layer, rank) for a generator of any kind."""
    weights = {layer: generator.form(layer).weight for _, layer, _ in rules}
    facts, deltas = [], []
    for number, (name, layer, rank) in enumerate(rules):
        before, axes = weights[layer], generator.weight_axes(layer)
        out, channels, *kernel = before.shape
        rows = torch.linalg.qr(noise(channels, rank, seed=number))[0].T.contiguous()
        delta = Delta(name, layer, rows, 0.1 * noise(out, rank, *kernel, seed=number + 9))
        weights[layer] = delta.added_to(before)
        facts.append(
            RuleFacts(
                name=name, layer=layer, weight_name=generator.weight_name(layer), axes=axes,
                rank=rank, weight_before=weight_digest(to_file(before, axes)),
                weight_after=weight_digest(to_file(weights[layer], axes)),
            )
        )  # fmt: skip
        deltas.append(delta)
    about = EditFacts(
        recipe="demo", version="1.0.0", recipe_digest="0" * 64, model="tiny", arch="any",
        tensors_digest="1" * 64, redraft="0.1.0", rules=tuple(facts),
    )  # fmt: skip
    return Edit(about, "", tuple(deltas))


def merged(path: Path, state: Mapping[str, Tensor], scale: float = 1.0) -> dict[str, Tensor]:
    """What a reader does who has nothing but torch; as the documentation shows it."""
    lora, weights = load_file(path), dict(state)
    for key in lora:
        if key.endswith(".alpha"):
            name = key.removesuffix(".alpha")
            up, down = lora[f"{name}.lora_up.weight"], lora[f"{name}.lora_down.weight"]
            weight = weights[f"{name}.weight"]
            change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
            weights[f"{name}.weight"] = weight + scale * lora[key] / len(down) * change
    return weights


def bound(edit: Edit, layer: str, weight: Tensor) -> Tensor:
    """How far two orders of float32 additions may lie apart, for each number of a weight.

    Every product and every addition rounds by at most half a step of the largest sum in between,
    which is no larger than the sum of all sizes.
    """
    rows = [row for row, rule in enumerate(edit.facts.rules) if rule.layer == layer]
    axes = edit.facts.rules[rows[0]].axes
    sizes = torch.zeros(())
    for row in rows:
        delta = edit.deltas[row]
        sizes = sizes + torch.einsum(
            "osyx,sc->ocyx", delta.coefficients.abs(), delta.directions.abs()
        )
    steps = sum(edit.deltas[row].rank for row in rows) + len(rows) + 1
    return steps * ROUNDING * (weight.abs() + to_file(sizes, axes))


KINDS = {
    # name: fixture, rules (two at one layer), axes
    "dcgan": ("make_generator", (("a", "layer6", 2), ("b", "layer9", 1), ("c", "layer6", 3)), "IO"),
    "proggan": ("make_proggan", (("a", "layer4", 1), ("b", "layer6", 1), ("c", "layer6", 2)), "OI"),
    "stylegan2": (
        "make_stylegan2", (("a", "layer4", 1), ("b", "layer5", 1), ("c", "layer5", 2)), "1OI"
    ),
    "linear": ("make_sequential", (("a", "LINEAR", 2), ("b", "LINEAR", 1)), "linear"),
}  # fmt: skip


def prepared(kind: str, request: pytest.FixtureRequest) -> tuple[Any, Edit]:
    fixture, rules, axes = KINDS[kind]
    generator = request.getfixturevalue(fixture)()
    linear = next(
        (each.name for each in generator.facts.layers if each.kind.startswith("linear")), ""
    )
    edit = edit_of(
        generator, tuple((n, layer.replace("LINEAR", linear), r) for n, layer, r in rules)
    )
    assert {rule.axes for rule in edit.facts.rules} == {axes}
    return generator, edit


@pytest.mark.parametrize("kind", KINDS)
def test_ten_lines_of_torch_merge_it(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    generator, edit = prepared(kind, request)
    state = generator.state()
    wanted = edit.edited(state)
    write_lora(edit, tmp_path / "lora.safetensors")
    found = merged(tmp_path / "lora.safetensors", state)
    for rule in edit.facts.rules:
        name = rule.weight_name
        limit = bound(edit, rule.layer, state[name])
        assert ((found[name] - wanted[name]).abs() <= limit).all()
        # The bound is small beside what is changed, so a wrong place or sign would show.
        assert (wanted[name] - state[name]).abs().mean() > 100 * limit.mean()
    for name in state.keys() - wanted.keys():
        assert torch.equal(found[name], state[name])


@pytest.mark.parametrize("kind", KINDS)
def test_the_change_itself_is_not_rounded(kind: str, request: pytest.FixtureRequest) -> None:
    _, edit = prepared(kind, request)
    for layer in lora_layers(edit):
        names = [rule.name for rule in layer.rules]
        deltas = [delta for delta in edit.deltas if delta.rule in names]
        wanted = to_file(sum(d.change() for d in deltas), layer.rules[0].axes)  # type: ignore[arg-type]
        exact = layer.rank < layer.up.shape[0]
        assert torch.allclose(layer.change(), wanted, rtol=0, atol=1e-14 if exact else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_those_that_other_tools_expect(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    generator, edit = prepared(kind, request)
    for layer in write_lora(edit, tmp_path / "lora.safetensors"):
        first, second = layer.shape[1:3] if kind == "stylegan2" else layer.shape[:2]
        kernel = layer.shape[-2:] if len(layer.shape) > 2 else ()
        assert layer.down.shape == (layer.rank, second, *kernel)
        assert layer.up.shape == (first, layer.rank, *(1 for _ in kernel))
        assert layer.shape == generator.state()[layer.weight].shape


def test_ranks_are_those_of_the_layout(request: pytest.FixtureRequest) -> None:
    def ranks(kind: str) -> dict[str, int]:
        _, edit = prepared(kind, request)
        return {
            "+".join(rule.name for rule in layer.rules): layer.rank for layer in lora_layers(edit)
        }

    assert ranks("dcgan") == {"a+c": 5, "b": 1}
    assert ranks("linear") == {"a+b": 3}
    # 3 x 3 taps for each direction, and never more than the weight has rows.
    assert ranks("proggan") == {"a": 9, "b+c": 12}
    assert ranks("stylegan2") == {"a": 9, "b+c": 8}


def test_a_rank_that_is_not_the_rules_own_is_explained(request: pytest.FixtureRequest) -> None:
    def origins(kind: str) -> list[str]:
        _, edit = prepared(kind, request)
        return [layer.origin for layer in lora_layers(edit)]

    taps, whole = "rank 1 at each of the 9 taps of the kernel", "all that the weight has"
    assert origins("dcgan") == ["", ""]
    assert origins("proggan") == [taps, whole]


def test_the_file_says_what_it_is(make_generator: Maker, tmp_path: Path) -> None:
    edit = edit_of(make_generator(), KINDS["dcgan"][1])
    write_lora(edit, tmp_path / "lora.safetensors")
    with safe_open(str(tmp_path / "lora.safetensors"), framework="pt") as file:
        about = file.metadata()
        assert sorted(file.keys()) == [
            f"{name}.{part}" for name in ("6", "9")
            for part in ("alpha", "lora_down.weight", "lora_up.weight")
        ]  # fmt: skip
        assert float(file.get_tensor("6.alpha")) == 5.0
    assert about["format"] == LORA_FORMAT
    assert about["merge"].startswith(MERGE)
    assert about["base_tensors_digest"] == "1" * 64
    assert json.loads(about["layers"]) == [
        {"name": "6", "weight": "6.weight", "layer": "layer6", "axes": "IO", "rank": 5,
         "shape": [16, 12, 4, 4], "rules": ["a", "c"]},
        {"name": "9", "weight": "9.weight", "layer": "layer9", "axes": "IO", "rank": 1,
         "shape": [12, 8, 4, 4], "rules": ["b"]},
    ]  # fmt: skip


def test_the_merge_that_the_file_states_is_the_merge(make_generator: Maker) -> None:
    edit = edit_of(make_generator(), KINDS["dcgan"][1])
    layer = lora_layers(edit)[0]
    names = {"weight": torch.zeros(layer.shape), "alpha": 5.0, "rank": 5, "up": layer.up,
             "down": layer.down}  # fmt: skip
    exec(MERGE, names)
    assert torch.allclose(names["weight"].double(), layer.change(), atol=1e-6)  # type: ignore[union-attr]


def test_half_the_scale_is_half_the_change(make_generator: Maker, tmp_path: Path) -> None:
    generator = make_generator()
    edit = edit_of(generator, (("a", "layer6", 2),))
    write_lora(edit, tmp_path / "lora.safetensors")
    found = merged(tmp_path / "lora.safetensors", generator.state(), 0.5)["6.weight"]
    wanted = edit.choose(None, 0.5).edited(generator.state())["6.weight"]
    assert torch.allclose(found, wanted, rtol=0, atol=1e-6)


def test_equal_edits_give_equal_bytes(make_generator: Maker) -> None:
    edit = edit_of(make_generator(), KINDS["dcgan"][1])
    assert len({lora_bytes(edit) for _ in range(6)}) == 1


@pytest.mark.parametrize("prefix", ["main.", "module.main.", "G."])
def test_names_are_those_of_the_given_checkpoint(
    make_generator: Maker, tmp_path: Path, prefix: str
) -> None:
    generator = make_generator()
    edit = edit_of(generator, KINDS["dcgan"][1])
    state = {f"{prefix}{name}": tensor for name, tensor in generator.state().items()}
    layers = write_lora(edit, tmp_path / "lora.safetensors", state)
    assert [layer.name for layer in layers] == [f"{prefix}6", f"{prefix}9"]
    found = merged(tmp_path / "lora.safetensors", state)
    wanted = edit.edited(state)
    assert all(torch.allclose(found[name], wanted[name], rtol=0, atol=1e-6) for name in wanted)
    assert made_for(edit, state)


def test_a_checkpoint_of_another_make_is_refused(make_generator: Maker, tmp_path: Path) -> None:
    generator = make_generator()
    edit = edit_of(generator, (("a", "layer6", 2),))
    path = tmp_path / "lora.safetensors"
    with pytest.raises(ModelError) as caught:
        write_lora(edit, path, {"x.weight": torch.zeros(3, 3)})
    assert caught.value.code == "RD652"
    assert not path.exists()
    other = make_generator(7).state()
    assert not made_for(edit, other)
    write_lora(edit, path, other)  # names and shapes fit
    assert path.exists()


def test_rules_of_one_weight_in_two_shapes_are_refused(make_generator: Maker) -> None:
    edit = edit_of(make_generator(), (("a", "layer6", 2), ("b", "layer9", 1)))
    first, second = edit.facts.rules
    moved = second.model_copy(update={"weight_name": first.weight_name})
    facts = edit.facts.model_copy(update={"rules": (first, moved)})
    with pytest.raises(
        ArtifactError, match=r"a, b change `6.weight` in different shapes"
    ) as caught:
        lora_bytes(Edit(facts, "", edit.deltas))
    assert caught.value.code == "RD690"
