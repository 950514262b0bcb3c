"""Edits of one base joined into one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import redraft
from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit, weight_digest
from redraft.edit.combine import combine, shared_weights
from redraft.edit.interference import cached_moment, change_cosine, measure
from redraft.edit.joined_recipe import Part
from redraft.errors import ArtifactError, ModelError
from redraft.models.checkpoint.weights import load_state
from redraft.models.locate import locate_file
from redraft.runs.runner import Run, run_plan
from redraft.solve.delta import Delta, interference

BODY = """
rule {name} at {layer} {{
  copy    z[{copy}] box(x 8..40, y 8..40)
  context z[5] box(x 8..40, y 8..40)
  context z[8] box(x 8..40, y 8..40)
  rank     {rank}
}}
"""


@pytest.fixture
def part(workshop: Any) -> Callable[..., Part]:
    """Runs a recipe of one rule; returns it as a part, from its run folder."""

    def make(recipe: str, name: str, layer: str, copy: int = 3, rank: int = 2, **more: Any) -> Part:
        body = BODY.format(name=name, layer=layer, copy=copy, rank=rank)
        path = workshop.recipe(body + more.get("body", ""), recipe, more.get("count", 120))
        run: Run = run_plan(redraft.plan(path), out=workshop.folder / recipe)
        return Part(str(run.folder), run.edit)

    return make


@pytest.fixture
def weights(workshop: Any) -> dict[str, Tensor]:
    return load_state(workshop.model).bare()


def test_the_changes_of_two_edits_add(
    part: Callable[..., Part], weights: dict[str, Tensor]
) -> None:
    one, other = part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)
    joined = combine([one, other], weights).edit
    found = joined.edited(weights)["6.weight"]
    single = [each.edit.edited(weights)["6.weight"] for each in (one, other)]
    base = weights["6.weight"]
    assert torch.allclose(found - base, sum(each - base for each in single), atol=1e-6)  # type: ignore[arg-type]
    # Bit for bit it is the one edit and then the other.
    again = other.edit.edited({**weights, "6.weight": single[0]}, force=True)["6.weight"]
    assert torch.equal(found, again)


def test_digests_are_those_of_the_joined_chain(
    part: Callable[..., Part], weights: dict[str, Tensor], tmp_path: Path
) -> None:
    parts = [part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)]
    combine(parts, weights).edit.save(tmp_path / "both.safetensors")
    joined = Edit.load(tmp_path / "both.safetensors")
    first, second = joined.facts.rules
    edited = joined.edited(weights)
    assert first.weight_before == weight_digest(weights["6.weight"])
    assert first.weight_after == second.weight_before
    assert second.weight_after == weight_digest(edited["6.weight"])
    assert joined.facts.tensors_digest == parts[0].edit.facts.tensors_digest
    with pytest.raises(ModelError, match="already holds this edit"):
        joined.edited({**weights, **edited})
    # Each rule still goes on the unedited weight alone, and gives what its own edit gives.
    alone = joined.choose(["tie"]).edited(weights)["6.weight"]
    assert torch.equal(alone, parts[1].edit.edited(weights)["6.weight"])


def test_edits_of_different_weights_need_no_model(
    part: Callable[..., Part], weights: dict[str, Tensor]
) -> None:
    parts = [part("one", "hat", "layer3"), part("two", "tie", "layer6")]
    assert shared_weights(parts) == ()
    found = combine(parts)
    assert found.meetings == ()
    assert found.edit.to_bytes() == combine(parts, weights).edit.to_bytes()
    assert set(found.edit.edited(weights)) == {"3.weight", "6.weight"}


def test_edits_of_one_weight_need_the_model(part: Callable[..., Part]) -> None:
    parts = [part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)]
    assert shared_weights(parts) == ("6.weight",)
    with pytest.raises(ArtifactError, match=r"changes `6\.weight`") as caught:
        combine(parts)
    assert caught.value.code == "RD693"
    assert "--model" in str(caught.value)


def test_another_model_is_refused(part: Callable[..., Part], weights: dict[str, Tensor]) -> None:
    parts = [part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)]
    with pytest.raises(ModelError, match="edits were made for `tiny`") as caught:
        combine(parts, {**weights, "0.weight": weights["0.weight"] + 1})
    assert caught.value.code == "RD694"


def test_edits_of_different_bases_are_refused_by_name(part: Callable[..., Part]) -> None:
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    facts = other.edit.facts.model_copy(update={"tensors_digest": "5" * 64, "model": "village"})
    moved = Part("two.safetensors", replace(other.edit, facts=facts))
    with pytest.raises(ArtifactError) as caught:
        combine([one, moved])
    assert caught.value.code == "RD691"
    assert "was made for `tiny`" in caught.value.message
    assert "two.safetensors for `village` (weights 555555555555...)" in caught.value.message


def test_the_same_edit_twice_is_refused(
    part: Callable[..., Part], weights: dict[str, Tensor]
) -> None:
    one = part("one", "hat", "layer6")
    copied = Part("copy.safetensors", one.edit)
    with pytest.raises(ArtifactError, match="are the same change") as caught:
        combine([one, copied], weights)
    assert caught.value.code == "RD692"
    assert "copy.safetensors" in caught.value.message


def test_one_weight_in_two_shapes_is_refused(part: Callable[..., Part]) -> None:
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    (rule,) = other.edit.facts.rules
    facts = other.edit.facts.model_copy(
        update={"rules": (rule.model_copy(update={"weight_name": "3.weight"}),)}
    )
    forged = Part("forged", replace(other.edit, facts=facts))
    weights = {"3.weight": torch.zeros(3, 3, 4, 4)}
    with pytest.raises((ArtifactError, ModelError)) as caught:
        combine([one, forged], weights)
    assert caught.value.help


def test_a_forged_shape_is_refused_without_the_model_too(part: Callable[..., Part]) -> None:
    one = part("one", "hat", "layer3")
    (rule,) = one.edit.facts.rules
    (delta,) = one.edit.deltas
    small = Delta("tie", "layer3", delta.directions[:, :5], delta.coefficients)
    rules = (rule, rule.model_copy(update={"name": "tie"}))
    facts = one.edit.facts.model_copy(update={"rules": rules})
    forged = Part("forged", replace(one.edit, facts=facts, deltas=(delta, small)))
    with pytest.raises(ArtifactError, match="in different shapes") as caught:
        combine([forged, part("two", "shoe", "layer6")])
    assert caught.value.code == "RD690"


def test_a_name_that_is_taken_gets_a_number(
    part: Callable[..., Part], weights: dict[str, Tensor]
) -> None:
    parts = [
        part("one", "hat", "layer6"),
        part("two", "hat", "layer6", copy=4),
        part("three", "hat-2", "layer6", copy=9),
    ]
    found = combine(parts, weights)
    assert [rule.name for rule in found.edit.facts.rules] == ["hat", "hat-3", "hat-2"]
    assert [delta.rule for delta in found.edit.deltas] == ["hat", "hat-3", "hat-2"]
    assert [(each.before, each.after) for each in found.renamed] == [("hat", "hat-3")]
    assert "rule hat-3 at layer6" in found.edit.recipe_text


def test_interference_is_taken_under_the_statistics_that_are_there(
    part: Callable[..., Part], weights: dict[str, Tensor], workshop: Any
) -> None:
    parts = [part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)]
    sha = locate_file(workshop.model, "tiny").sha256
    (found,) = combine(parts, weights, file_sha256=sha).meetings
    assert (found.first, found.second, found.layer) == ("hat", "tie", "layer6")
    assert found.under == "statistics of 120 latents"
    stored = cached_moment(Cache(), sha, "layer6")
    assert stored is not None
    deltas = [each.edit.deltas[0] for each in parts]
    assert found.keys == pytest.approx(interference(*deltas, stored[0]))
    assert found.degrees == pytest.approx(math.degrees(math.acos(found.keys)))
    (plain,) = combine(parts, weights, file_sha256="0" * 64).meetings
    assert "identity" in plain.under
    cosines = torch.linalg.svdvals(deltas[0].directions.double() @ deltas[1].directions.double().T)
    assert plain.keys == pytest.approx(float(cosines[0]), abs=1e-6)
    assert found.keys != pytest.approx(plain.keys, abs=1e-3)


def test_statistics_at_another_truncation_are_those_of_other_keys(
    part: Callable[..., Part], weights: dict[str, Tensor], workshop: Any, tmp_path: Path
) -> None:
    plain = [part("one", "hat", "layer6"), part("two", "tie", "layer6", copy=4)]
    sha, cache = "a" * 64, Cache(tmp_path)

    def at(truncation: str, each: Part) -> Part:
        text = each.edit.recipe_text.replace("dcgan", f"dcgan  truncation {truncation}", 1)
        assert text != each.edit.recipe_text
        return replace(each, edit=replace(each.edit, recipe_text=text))

    def under(parts: list[Part]) -> tuple[str, float]:
        (found,) = combine(parts, weights, file_sha256=sha, cache=cache).meetings
        return found.under, found.keys

    half = [at("0.5", each) for each in plain]
    channels = plain[0].edit.deltas[0].directions.shape[1]
    for truncation, seed in ((1.0, 1), (0.5, 2)):
        root = torch.randn(channels, channels, generator=torch.Generator().manual_seed(seed))
        fields = {
            "model": sha,
            "layer": "layer6",
            "edits": [],
            "count": 90,
            "truncation": truncation,
        }
        if truncation != 1.0:
            assert under(half)[0] == "the identity, as no statistics at truncation 0.5 are cached"
        cache.put("statistics", fields, {"moment": root @ root.T})
    assert under(plain)[0] == "statistics of 90 latents"
    assert under(half)[0] == "statistics of 90 latents at truncation 0.5"
    assert under(half)[1] != pytest.approx(under(plain)[1], abs=1e-3)
    mixed, keys = under([half[0], plain[1]])
    source = plain[1].source
    assert mixed == f"statistics of 90 latents at truncation 0.5; {source} was made at truncation 1"
    assert keys == under(half)[1]


def test_the_statistics_over_the_most_latents_are_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fields = {"model": "a" * 64, "layer": "layer6", "edits": [], "device": "cpu"}
    for count in (9, 70, 30):
        matrix = torch.full((2, 2), float(count))
        cache.put("statistics", {**fields, "count": count}, {"moment": matrix})
    cache.put("statistics", {**fields, "count": 500, "edits": ["x"]}, {"moment": torch.eye(2)})
    cache.put("statistics", {"other": 1}, {"moment": torch.eye(2)})
    (tmp_path / "statistics" / "broken.safetensors").write_bytes(b"nothing")
    found = cached_moment(cache, "a" * 64, "layer6")
    assert found is not None
    assert found[1] == 70
    assert torch.equal(found[0], torch.full((2, 2), 70.0, dtype=torch.float64))
    assert cached_moment(cache, "a" * 64, "layer9") is None
    assert cached_moment(Cache(tmp_path / "none"), "a" * 64, "layer6") is None


def test_the_cosine_of_changes() -> None:
    source = torch.Generator().manual_seed(1)
    rows = torch.linalg.qr(torch.randn(6, 2, generator=source))[0].T
    one = Delta("a", "l", rows, torch.randn(4, 2, 3, 3, generator=source))
    other = Delta("b", "l", rows, torch.randn(4, 2, 3, 3, generator=source))
    keys = torch.randn(50, 6, generator=source).double()
    moment = keys.T @ keys / 50
    # What each change adds to the values of the keys, tap by tap.
    added = [torch.einsum("ocyx,nc->noyx", each.change(), keys) for each in (one, other)]
    wanted = float((added[0] * added[1]).sum() / added[0].norm() / added[1].norm())
    assert change_cosine(one, other, moment) == pytest.approx(wanted)
    assert change_cosine(one, one.scaled(3.0), moment) == pytest.approx(1.0)
    assert change_cosine(one, one.scaled(-0.5), moment) == pytest.approx(-1.0)
    assert change_cosine(one, one.scaled(0.0), moment) == 0.0


def test_recipes_that_fit_become_one_recipe(
    part: Callable[..., Part], weights: dict[str, Tensor], workshop: Any
) -> None:
    parts = [part("one", "hat", "layer3"), part("two", "tie", "layer6")]
    found = combine(parts, weights)
    assert found.apart is None
    text = found.edit.recipe_text
    for each in parts:
        assert f"recipe sha256 {each.edit.facts.recipe_digest}" in text
    assert "a similar edit, not this one" in text
    checked = redraft.loads(text, workshop.folder)
    assert checked.recipe is not None
    assert [rule.name for rule in checked.recipe.rules] == ["hat", "tie"]
    assert checked.recipe.name == found.edit.facts.recipe == "one-and-two"
    # No recipe has made the joined edit, so it does not claim one's digest.
    assert found.edit.facts.recipe_digest != checked.recipe.digest()
    assert found.edit.facts.recipe_digest not in {p.edit.facts.recipe_digest for p in parts}
    (workshop.folder / "joined.redraft").write_text(text)
    assert len(redraft.plan(workshop.folder / "joined.redraft").rules) == 2


APART: dict[str, tuple[Callable[[str], str], str]] = {
    "latents": (lambda text: text.replace("seed 3", "seed 4"), "first latents differ"),
    "model": (lambda text: text.replace("model tiny", "model other"), "name the model in"),
    "mask": (
        lambda text: text.replace("z[8] box(x 8..40, y 8..40)", 'z[8] mask("eyes.png")'),
        "needs mask files",
    ),
    "unreadable": (lambda text: text + "\nrule", "cannot be read by itself"),
    "other name": (lambda text: text.replace("recipe two", "recipe too"), "has another name"),
    "other rules": (lambda text: text.replace("rule tie", "rule shoe"), "has other rules"),
    "second latents": (
        lambda text: text.replace("copy    z[3]", "copy    w[3]").replace(
            "latents z {", "latents z { seed 3  count 120 }\nlatents w {"
        ),
        "",
    ),
}


@pytest.mark.parametrize("case", APART)
def test_recipes_that_do_not_fit_are_kept_as_comments(
    part: Callable[..., Part], workshop: Any, case: str
) -> None:
    change, reason = APART[case]
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    changed = replace(other.edit, recipe_text=change(other.edit.recipe_text))
    assert changed.recipe_text != other.edit.recipe_text
    other = Part(str(workshop.folder / "two.safetensors"), changed)
    found = combine([one, other])
    text = found.edit.recipe_text
    if not reason:
        assert found.apart is None
        assert "latents w" in text
        return
    assert found.apart is not None
    assert reason in found.apart
    assert all(line.startswith("#") for line in text.splitlines())
    assert "# rule hat at layer3 {" in text
    assert re.search(r"^# +rank +2$", text, re.M)


def test_latents_of_one_name_must_be_the_same(part: Callable[..., Part]) -> None:
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    more = "latents z { seed 3  count 120 }\nlatents w { seed 1  count 9 }"
    parts = []
    for each, seed in ((one, 1), (other, 2)):
        text = re.sub(r"latents z \{[^}]*\}", more.replace("seed 1", f"seed {seed}"),
                      each.edit.recipe_text).replace("copy    z[3]", "copy    w[3]")  # fmt: skip
        parts.append(Part(each.source, replace(each.edit, recipe_text=text)))
    assert combine(parts).apart == "latents of one name differ"


def test_what_is_joined_can_be_joined_again(
    part: Callable[..., Part], weights: dict[str, Tensor]
) -> None:
    one, two = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    three = part("three", "pin", "layer6", copy=4)
    both = Part("both.safetensors", combine([one, two]).edit)
    whole = combine([both, three], weights).edit
    flat = combine([one, two, three], weights).edit
    assert [rule.name for rule in whole.facts.rules] == ["hat", "tie", "pin"]
    assert whole.facts.rules == flat.facts.rules
    assert all(
        torch.equal(tensor, flat.edited(weights)[name])
        for name, tensor in whole.edited(weights).items()
    )


def test_many_names_are_not_strung_together(part: Callable[..., Part]) -> None:
    one, other = part("a" * 40, "hat", "layer3"), part("b" * 40, "tie", "layer6")
    assert combine([one, other]).edit.facts.recipe == "combination"


def test_what_is_kept_of_an_edit_is_measured(
    part: Callable[..., Part], weights: dict[str, Tensor], workshop: Any
) -> None:
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    base = locate_file(workshop.model, "tiny")
    device = torch.device("cpu")
    (alone,), count = measure(base, [one], one.edit, device)
    assert (alone.share, alone.correlation) == pytest.approx((1.0, 1.0))
    assert alone.outside == 0.0
    assert count == 64
    (opposed,), _ = measure(base, [one], one.edit.choose(None, 0.0), device)
    assert opposed.share == pytest.approx(0.0, abs=1e-6)
    joined = combine([one, other], weights).edit
    found, _ = measure(base, [one, other], joined, device)
    assert [each.source for each in found] == [one.source, other.source]
    assert all(each.correlation < 1 for each in found)
    assert all(each.outside > 0 for each in found)


def test_what_an_edit_says_of_itself_stays_in_the_comment(part: Callable[..., Part]) -> None:
    one, other = part("one", "hat", "layer3"), part("two", "tie", "layer6")
    facts = other.edit.facts.model_copy(update={"version": "1\nmodel village\n#"})
    forged = Part(other.source, replace(other.edit, facts=facts))
    text = combine([one, forged]).edit.recipe_text
    assert "\nmodel village" not in text
    assert "model village" in text
