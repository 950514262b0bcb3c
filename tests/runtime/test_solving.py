"""One rule, from its words to a change: the paper's path, and what the settings mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft.errors import ModelError, RunError
from redraft.memory import keys
from redraft.memory.layer import Layer
from redraft.memory.moments import Whitening, second_moments
from redraft.memory.placed import place_rule
from redraft.memory.places import Marks
from redraft.memory.search import search
from redraft.models import latents
from redraft.models.arch.dcgan import DCGAN
from redraft.models.listed import catalog, download
from redraft.runs import rule as solving
from redraft.runs.rule import SIDE_STEPS, OpenRule, estimated, open_rule, solve_rule
from redraft.solve import goals
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem
from redraft_dsl import KnownModels, loads

GeneratorMaker = Callable[..., DCGAN]
EYES = "box(x 8..40, y 16..32)"
pytestmark = pytest.mark.usefixtures("one_thread")


def opened(generator: DCGAN, rules: str, seed: int = 3, count: int = 50) -> OpenRule:
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        'model tiny { arch dcgan  weights "tiny.pth" }\n'
        f"latents z {{ seed {seed}  count {count} }}\n{rules}"
    )
    checked = loads(text, KnownModels(listed={}, architectures=("dcgan",)), facts=generator.facts)
    assert checked.recipe is not None, checked.errors
    rule = checked.recipe.rules[0]
    facts = generator.facts.layer(rule.layer)
    assert facts is not None
    rows = latents.batches(seed, count, generator.facts.latent_size, 20)
    moment = second_moments(generator, rows, [facts.name])[facts.name].matrix
    layer = Layer(generator, facts, checked.recipe.latents, Whitening(moment))
    marks = Marks(generator.facts, Path())
    return open_rule(layer, place_rule(layer, rule, marks, search(layer, rule, marks)))


PAPER = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  paste   z[9] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  rank 2  keep 0  contrast 0  preserve 0  directions context  solver exact {{ loss l1 }}
}}
"""


def latent(*indices: int) -> Tensor:
    return latents.sample(3, 50, 10)[list(indices)]


def test_the_papers_settings_are_the_papers_path_bit_for_bit(
    make_generator: GeneratorMaker,
) -> None:
    """Written out by hand: C alone, zca directions, one paste, only its box in the loss."""
    generator = make_generator()
    rule = opened(generator, PAPER)
    solved = solve_rule(rule)
    moment = rule.layer.whitening.moment

    form = generator.form("layer6")
    box = np.zeros((64, 64))
    box[16:32, 8:40] = 1.0
    key_cover = torch.from_numpy(box.reshape(8, 8, 8, 8).mean((1, 3)))
    value_cover = torch.from_numpy(box.reshape(16, 4, 16, 4).mean((1, 3)))
    context = generator.inputs(latent(2, 3), ["layer6"])["layer6"]
    inside = keys.context_keys(context, key_cover.expand(2, 8, 8))
    basis = keys.whitened_directions(inside, Whitening(moment), 2)
    copied = generator.inputs(latent(1), ["layer6"])["layer6"]
    values = form.activate(form.response(copied, form.weight))[0]
    pasted = generator.inputs(latent(9), ["layer6"])["layer6"]
    goal = goals.paste(form, pasted, form.weight, goals.cut(values, value_cover), [value_cover])
    share = goal.inside / goal.inside.sum()
    problem = Problem(form, form.weight, goal, share, moment, 0.0)
    wanted = ExactSolver()(problem, basis)

    assert torch.equal(solved.delta.directions, basis.float())
    assert torch.equal(solved.delta.coefficients, wanted.coefficients)
    assert solved.loss_after == wanted.loss_after
    assert int((share > 0).sum()) == 4 * 8
    change = (goal.values - goal.before).abs()[:, :, 4:8, 2:10]
    assert solved.loss_before == pytest.approx(float(change.mean()), rel=1e-5)


def test_both_ways_of_calling_are_the_same(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    for rules in (PAPER, PAPER.replace("contrast 0", "contrast 0.8").replace("keep 0", "keep 2")):
        solved = solve_rule(opened(generator, rules))
        stages = opened(generator, rules).stages
        found = stages.setup.solver(stages.problem, stages.directions)
        assert torch.equal(solved.delta.coefficients, found.coefficients)


def test_solving_changes_nothing_in_the_network(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    before = {name: tensor.clone() for name, tensor in generator.module.state_dict().items()}
    solve_rule(opened(generator, PAPER))
    assert all(torch.equal(t, before[n]) for n, t in generator.module.state_dict().items())


EACH = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  context z[4] {EYES}
  context z[5] {EYES}
  rank 3  %s
}}
"""


def test_the_goal_stands_in_every_context_unless_it_is_said_where(
    make_generator: GeneratorMaker,
) -> None:
    generator = make_generator()
    rule = opened(generator, EACH % "")
    assert [place.index for place in rule.placed.pastes] == [2, 3, 4, 5]
    assert len(rule.stages.goal.inputs) == 4
    rule = opened(generator, PAPER)
    assert [place.index for place in rule.placed.pastes] == [9]
    assert len(rule.stages.goal.inputs) == 1


def test_strength_scales_the_change_and_not_the_solution(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    first, second = (solve_rule(opened(generator, EACH % f"strength {s}")) for s in (1, -0.5))
    assert torch.equal(second.delta.coefficients, first.delta.coefficients * -0.5)
    assert second.loss_after == first.loss_after


def test_side_solves_for_coefficients_alone(make_generator: GeneratorMaker) -> None:
    """Directions and designs of the folds are made once, however many values are tried."""
    rule = opened(make_generator(), EACH % "side 50%")
    solved = solve_rule(rule)
    made = rule.stages.results.made
    assert {name: made[name] for name in ("goal", "directions", "design", "solution")} == {
        "goal": 1, "directions": 4, "design": 4, "solution": 3 * SIDE_STEPS + 1
    }  # fmt: skip
    # What it chose is what the same number gives where it is written.
    rule = opened(make_generator(), EACH % f"preserve {solved.preserve!r}")
    written = estimated(solve_rule(rule))
    assert written.preserve == solved.preserve
    assert torch.equal(written.delta.coefficients, solved.delta.coefficients)


def test_side_is_chosen_anew_without_the_pictures_that_are_left_out(
    make_generator: GeneratorMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold is solved as the rule would be if it had the other pictures alone."""
    monkeypatch.setattr(solving, "FOLD_STEPS", SIDE_STEPS)
    text = EACH.replace("rank 3", f"context z[6] {EYES}\n  rank 3") % "side 20%"
    found = estimated(solve_rule(opened(make_generator(), text))).left_out
    assert found is not None
    assert [fold.held for fold in found.folds] == [(0, 3), (1, 4), (2,)]
    for fold in found.folds:
        rest = text
        for row in fold.held:
            rest = rest.replace(f"  context z[{row + 2}] {EYES}\n", "")
        alone = solve_rule(opened(make_generator(), rest))
        assert torch.equal(alone.delta.coefficients, fold.solution.coefficients)


def test_keep_holds_the_rest_of_the_picture(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    moved = []
    for keep in (0, 1, 20):
        rule = opened(generator, EACH % f"keep {keep}  preserve 0")
        solved = solve_rule(rule)
        form, goal = rule.layer.form, solved.goal
        values = form.activate(form.response(goal.inputs, solved.delta.added_to(form.weight)))
        outside = goal.inside[:, None].expand_as(values) == 0
        moved.append(float((values - goal.before)[outside].abs().mean()))
    assert moved[0] > moved[1] > moved[2]


def test_contrast_turns_away_from_what_the_contexts_hold_elsewhere(
    make_generator: GeneratorMaker,
) -> None:
    generator = make_generator()
    heard = []
    for contrast in (0, 1):
        rule = opened(generator, EACH % f"directions context  contrast {contrast}")
        basis, contexts = rule.stages.directions, rule.placed.contexts
        inputs, cover = rule.layer.enter(contexts), contexts.on_keys
        elsewhere = keys.elsewhere_moment(inputs, cover)
        inside = keys.context_keys(inputs, cover).rows
        heard.append(
            float(torch.trace(basis @ elsewhere @ basis.T) / (inside @ basis.T).square().mean())
        )
    assert heard[1] < heard[0]


def test_a_cropped_goal_is_still_measured_on_whole_pictures(
    make_generator: GeneratorMaker,
) -> None:
    rule = opened(make_generator(), PAPER.replace("{ loss l1 }", "{ goal crop }"))
    solved = solve_rule(rule)
    problem = rule.stages.problem
    assert problem.goal.values.shape[2:] == (4, 8)
    assert solved.goal.values.shape[2:] == (16, 16)
    assert solved.loss_after < solved.loss_before


def test_a_zero_records_what_it_does(make_generator: GeneratorMaker) -> None:
    generator = make_generator()
    rule = opened(generator, f"zero gone at layer6 {{ context z[2] {EYES}  rank 2 }}")
    solved, form = solve_rule(rule), rule.layer.form
    weight = solved.delta.added_to(form.weight).double()
    along = torch.einsum("ocyx,sc->osyx", weight, solved.delta.directions.double())
    assert float(along.abs().max()) < 1e-5
    after = form.activate(form.response(solved.goal.inputs, weight.float()))
    assert torch.allclose(solved.goal.values, after, atol=1e-6)
    assert estimated(solved).left_out is None


def test_directions_that_the_goal_does_not_hold_are_refused(make_generator: GeneratorMaker) -> None:
    same = f"rule hat at layer6 {{ copy z[2] {EYES}  context z[2] {EYES}  rank 1 }}"
    rule = opened(make_generator(), same)
    with pytest.raises(RunError, match="more directions than the goal has"):
        solve_rule(rule)


@pytest.fixture(scope="module")
def faces() -> DCGAN:
    from redraft.models.locate import locate_listed
    from redraft.models.open import open_base

    entry = catalog.find("faces")
    try:
        download.obtain(entry)
    except ModelError as error:
        pytest.skip(f"the face model cannot be fetched: {error.message}")
    generator = open_base(locate_listed("faces"), torch.device("cpu")).generator
    assert isinstance(generator, DCGAN)
    return generator


@pytest.mark.faces
def test_real_faces_get_glasses(faces: DCGAN) -> None:
    """Glasses of one face put on three others reach a fourth part of the way on left-out faces."""
    eyes = "box(x 12..52, y 24..38)"
    contexts = "\n".join(f"  context z[{i}] {eyes}" for i in (130, 147, 31, 66, 72, 85))
    rules = f"rule glasses at layer6 {{\n  copy z[116] {eyes}\n{contexts}\n  rank 2\n}}"
    solved = estimated(solve_rule(opened(faces, rules, seed=1, count=160)))
    assert solved.left_out is not None
    assert solved.left_out.gain > 0.1
    assert solved.left_out.side < 0.2
    assert solved.loss_after < 0.9 * solved.loss_before
