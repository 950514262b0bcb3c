"""``invert``: what drives a cause, and a rule that is turned round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft import load
from redraft.disk.cache import Cache
from redraft.errors import RunError
from redraft.memory.drive import find_drive
from redraft.memory.layer import Layer, Places
from redraft.memory.moments import Whitening, key_rows
from redraft.memory.places import ResolvedPlace
from redraft.models import latents
from redraft.models.arch.dcgan import DCGAN
from redraft.plans.planner import make_plan
from redraft.runs.runner import Run, finish, run_plan
from redraft.runs.session import opened_rule, restore_base
from redraft.runs.verify import verify
from redraft.show.report.outputs import report_data
from redraft_dsl.recipe.model import Latents

pytestmark = pytest.mark.usefixtures("one_thread")
GLOW = """
invert glow at layer6 {
  cause  z[1, 2, 5, 6] box(x 8..40, y 8..28)
  effect z[1, 2, 5, 6] box(x 8..56, y 40..60)
  units  6
  rank   4
}
"""


def layer_of(generator: DCGAN, name: str = "layer6") -> Layer:
    rows = latents.sample(1, 100, generator.facts.latent_size)
    keys = key_rows(generator.inputs(rows, [name])[name].keys).double()
    facts = generator.facts.layer(name)
    assert facts is not None
    block = Latents(name="z", seed=1, count=400)
    return Layer(generator, facts, (block,), Whitening(keys.T @ keys / len(keys)))


def box(top: int, bottom: int) -> np.ndarray[Any, Any]:
    area = np.zeros((64, 64))
    area[top:bottom, 8:56] = 1.0
    return area


def places(layer: Layer, rows: Tensor, area: np.ndarray[Any, Any]) -> Places:
    each = tuple(ResolvedPlace("z", number, area) for number in range(len(rows)))
    return Places(each, rows, layer.facts)


def test_the_cause_is_driven_along_what_the_marked_pictures_share(make_generator: Any) -> None:
    layer = layer_of(make_generator())
    rows = latents.sample(1, 400, layer.generator.facts.latent_size)
    shared = rows[:, 2] > 1  # the pictures that are marked have this number high
    found = find_drive(layer, places(layer, rows[shared], box(0, 64)), 12)
    assert len(found.units) == 12
    along = rows.double() @ found.direction
    assert float(along[shared].mean()) > found.middle + 0.3 * found.spread
    assert float(along[~shared].mean()) < found.middle
    assert float(torch.linalg.vector_norm(found.direction)) == pytest.approx(1)
    assert 0 < found.explained <= 1
    high, low = found.driven(rows[:5], 1), found.driven(rows[:5], -1)
    along = (high - low).double() @ found.direction
    assert torch.allclose(along, torch.full_like(along, 4 * found.spread), atol=1e-5)
    # The rest of a latent stays, and who is turned round twice is where he was.
    across = (high - rows[:5]).double() - ((high - rows[:5]).double() @ found.direction)[
        :, None
    ] * found.direction
    assert float(across.abs().max()) < 1e-5
    twice = found.mirrored(found.mirrored(rows[:5]))
    assert torch.allclose(twice, rows[:5], atol=1e-5)


def test_pictures_that_are_as_all_others_have_no_cause(make_generator: Any) -> None:
    generator = make_generator()
    layer = layer_of(generator)
    rows = latents.sample(1, 400, generator.facts.latent_size)
    constant = Places(
        tuple(ResolvedPlace("z", number, box(0, 64)) for number in range(400)), rows, layer.facts
    )
    generator.inputs = lambda latents, names: {  # type: ignore[method-assign]
        name: type(found)(torch.ones_like(found.keys))
        for name, found in DCGAN.inputs(generator, latents, names).items()
    }
    with pytest.raises(RunError, match="just as it is in these"):
        find_drive(layer, constant, 6)


def run_of(workshop: Any, body: str = GLOW, out: str = "run") -> Run:
    path = workshop.recipe(body)
    plan = make_plan(load(path), path.parent, cache=Cache())
    found = run_plan(plan, out=path.parent / out, cache=Cache())
    finish(found)
    return found


def test_it_runs_is_recorded_repeats_and_is_drawn(workshop: Any) -> None:
    run = run_of(workshop)
    (record,) = run.record.rules
    assert record.kind == "invert"
    assert record.loss_after < record.loss_before
    assert record.drive is not None
    assert len(record.drive.units) == len(set(record.drive.units)) == 6
    assert [place.index for place in record.contexts] == [1, 2, 5, 6]
    assert [place.index for place in record.pastes] == [1, 2, 5, 6]
    # Both halves of a picture are left out together, and each picture has a gain.
    assert record.left_out is not None
    assert all(place.gain is not None for place in record.contexts)
    assert record.judged is not None
    assert verify(run.folder).holds
    view = report_data(run).rules[0]
    names = [tile.label for tile in view.contexts]
    assert names[:2] == ["z[1], cause high", "z[1], cause low"]
    assert len(names) == 8
    high, low = (tile.goal for tile in view.contexts[:2])
    assert high is not None
    assert low is not None


def test_the_goal_swaps_the_effect_alone(workshop: Any) -> None:
    run = run_of(workshop)
    session = run.session
    (step,) = session.plan.rules
    restore_base(session)
    opened = opened_rule(session, step)
    goal, half = opened.stages.goal, 4
    cover = opened.placed.pastes.on_values.to(goal.values)[:, None]
    other = torch.cat([goal.before[half:], goal.before[:half]])
    assert torch.allclose(goal.values, torch.lerp(goal.before, other, cover))
    assert float((goal.values - goal.before).abs().max()) > 0.01
    # Far from the effect nothing is asked for.
    assert torch.equal(goal.values[..., 0, :], goal.before[..., 0, :])


@pytest.mark.parametrize("more", ["units 3", "strength 0.5", "side 50%", "directions context"])
def test_its_settings_change_what_comes_out(workshop: Any, more: str) -> None:
    body = (
        GLOW.replace("units  6", more)
        if "units" in more
        else GLOW.replace("rank", f"{more}\n  rank")
    )
    plain, other = run_of(workshop), run_of(workshop, body, "other")
    assert plain.record.rules[0].delta_digest != other.record.rules[0].delta_digest
