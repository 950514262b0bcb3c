"""A rule solved in stages: each alone as in the whole, each made once, in the bits of a solve."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from redraft.errors import RunError
from redraft.memory import keys
from redraft.memory.layer import Places
from redraft.memory.moments import Whitening, key_rows
from redraft.memory.places import ResolvedPlace
from redraft.models.arch.plain import form_of
from redraft.models.arch.proggan import ConvolutionForm, plain_phases
from redraft.models.arch.stylegan2.form import ModulatedForm
from redraft.models.generator import LayerForm, LayerInputs
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.solve import goals, ridge
from redraft.solve.descent import GradientSolver
from redraft.solve.directions import goal_directions, unconstrained_change
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.folds import Group, Split, dealt
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem, Solution
from redraft.solve.results import Results, anew
from redraft.solve.setup import Setup
from redraft.solve.sources import Copy, Silence, Zeroed
from redraft.solve.stages import Stages
from redraft_dsl.facts import LayerFacts

pytestmark = pytest.mark.usefixtures("one_thread")
OUT, CHANNELS, PICTURES, SIDE = 5, 6, 8, 8
ROOM = 1 << 30


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, slope: float) -> LayerForm:
    with torch.no_grad():
        module.weight.copy_(0.4 * normal(*module.weight.shape, seed=1))
    norm = nn.BatchNorm1d(OUT) if isinstance(module, nn.Linear) else nn.BatchNorm2d(OUT)
    return form_of(module.requires_grad_(False), norm.eval().requires_grad_(False), slope)


def modulated(*, up: bool) -> LayerForm:
    blur = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(blur, blur) / 16 if up else None
    scale = 1 / math.sqrt(9 * CHANNELS)
    weight = normal(OUT, CHANNELS, 3, 3, seed=1)
    return ModulatedForm(weight, scale, torch.tensor(0.3), 0.3 * normal(OUT, seed=2), kernel)


FORMS: dict[str, Callable[[], LayerForm]] = {
    "dcgan": lambda: plain(nn.ConvTranspose2d(CHANNELS, OUT, 4, 2, 1), 0.0),
    "transposed, three by three": lambda: plain(
        nn.ConvTranspose2d(CHANNELS, OUT, 3, 2, 1, output_padding=1), 0.2
    ),
    "proggan": lambda: ConvolutionForm(
        weight=0.4 * normal(OUT, CHANNELS, 3, 3, seed=1),
        scale=torch.full((OUT,), 0.5),
        offset=0.1 * normal(OUT, seed=2),
        phases=plain_phases(3),
    ),
    "stylegan2": lambda: modulated(up=False),
    "stylegan2, up": lambda: modulated(up=True),
    "convolution": lambda: plain(nn.Conv2d(CHANNELS, OUT, 3, padding=1), 0.2),
    "without activation": lambda: plain(nn.Conv2d(CHANNELS, OUT, 1), 1.0),
    "strided": lambda: plain(nn.Conv2d(CHANNELS, OUT, 4, stride=2, padding=1), 0.0),
    "linear": lambda: plain(nn.Linear(CHANNELS, OUT), 0.0),
}


def network(form: LayerForm, seed: int) -> LayerInputs:
    """What enters the layer for all pictures of a made-up network."""
    size = 1 if form.weight.shape[2:] == (1, 1) and not isinstance(form, ConvolutionForm) else SIDE
    # One value more where a channel is hardly ever anything else than 0.
    inputs = normal(PICTURES, CHANNELS, size, size, seed=seed).clamp_min(-0.5)
    if not isinstance(form, ModulatedForm):
        return LayerInputs(inputs)
    side = SIDE if form.kernel is None else 2 * SIDE
    noise = normal(1, 1, side, side, seed=seed + 1).expand(PICTURES, -1, -1, -1)
    style = 1 + 0.3 * normal(PICTURES, CHANNELS, seed=seed + 2)
    return LayerInputs(inputs, {"style": style, "noise": noise})


class Rule:
    """A rule at a layer of a made-up network; ``entered`` counts the pictures that were run."""

    def __init__(self, kind: str, seed: int = 0) -> None:
        self.form = FORMS[kind]()
        self.inputs = network(self.form, 10 * seed)
        values = self.form.activate(self.form.response(self.inputs, self.form.weight))
        self.facts = LayerFacts(
            names=("layer",),
            kind="made up",
            in_channels=CHANNELS,
            out_channels=OUT,
            kernel=(1, 1),
            key_size=tuple(self.inputs.keys.shape[2:]),
            value_size=tuple(values.shape[2:]),
        )
        rows = key_rows(self.inputs.keys).double()
        self.whitening = Whitening(rows.T @ rows / len(rows))
        self.entered = 0

    def places(self, indices: tuple[int, ...], box: tuple[int, int, int, int]) -> Places:
        """A box of a picture of 16 x 16 pixels, in some pictures."""
        area = np.zeros((16, 16))
        area[box[0] : box[1], box[2] : box[3]] = 1.0
        each = tuple(ResolvedPlace("z", index, area) for index in indices)
        return Places(each, torch.tensor(indices)[:, None].float(), self.facts)

    def enter(self, places: Places) -> LayerInputs:
        self.entered += len(places)
        return self.inputs.select([place.index for place in places])

    def setup(self, **settings: Any) -> Setup:
        contexts = self.places((1, 2, 3, 4, 5), (4, 12, 2, 12))
        plain = Setup(
            network="a network",
            form=self.form,
            whitening=self.whitening,
            enter=self.enter,
            population=lambda: key_rows(self.inputs.keys),
            contexts=contexts,
            pastes=contexts,
            source=Copy(self.places((0,), (2, 10, 4, 14))),
            contrast=0.8,
            directions="goal",
            rank=2,
            keep=1.0,
            preserve=0.1,
        )
        return replace(plain, **settings)


NAMES = ("whitening", "goal", "weights", "unconstrained", "spectrum", "directions", "solution")


def bits(value: object) -> list[Tensor]:
    """Every tensor of a stage, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for each in value for tensor in bits(each)]
    if isinstance(value, dict):
        return [tensor for each in value.values() for tensor in bits(each)]
    if isinstance(value, float | int):
        return [torch.tensor(value)]
    if not is_dataclass(value) or isinstance(value, type):
        return []
    return [tensor for each in fields(value) for tensor in bits(getattr(value, each.name))]


def assert_same(one: object, other: object) -> None:
    if isinstance(one, RunError):
        assert isinstance(other, RunError)
        assert (one.code, one.message) == (other.code, other.message)
        return
    pairs = list(zip(bits(one), bits(other), strict=True))
    assert pairs
    for first, second in pairs:
        assert first.dtype == second.dtype
        assert torch.equal(first, second)


# ---- alone and in the whole ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMS)
def test_a_stage_alone_is_that_of_the_whole(kind: str) -> None:
    rule = Rule(kind)
    whole = Stages(rule.setup(), Results(ROOM))
    assert whole.solution.loss_after < whole.solution.loss_before
    for name in NAMES:
        assert_same(getattr(Stages(rule.setup()), name), getattr(whole, name))


def in_groups(goal: Goal, keep: float, groups: Iterable[tuple[int, ...]]) -> Split:
    """Some pictures in groups, of which nothing is found that was made before."""
    pasted, rest = goals.shares(goal, keep)
    return Split(tuple(Group(rows, anew) for rows in groups), float(pasted), float(rest))


def by_hand(rule: Rule, setup: Setup) -> Solution:
    """The same rule from the functions that the stages are made of, one after another."""
    form, contexts, pastes = setup.form, setup.contexts, setup.pastes
    entering = {id(each): rule.enter(each) for each in (contexts, pastes)}
    inside = keys.context_keys(entering[id(contexts)], contexts.on_keys)
    moment = setup.whitening.moment
    if setup.contrast:
        elsewhere = keys.elsewhere_moment(entering[id(contexts)], contexts.on_keys)
        moment = keys.mix_moments(moment, elsewhere, setup.contrast)
    inputs, regions = entering[id(pastes)], pastes.on_values
    if isinstance(setup.source, Copy):
        copied = rule.enter(setup.source.region)
        values = form.activate(form.response(copied, form.weight))[0]
        patch = goals.cut(values, setup.source.region.on_values[0].to(values))
        goal = goals.paste(form, inputs, form.weight, patch, list(regions.to(values)))
    else:
        assert isinstance(setup.source, Silence)
        units = keys.unusual_units(inside, setup.whitening.moment, setup.source.count)
        goal = goals.silence(form, inputs, form.weight, units, regions)
    weights = goals.importance(goal, setup.keep)
    problem = Problem(form, form.weight, goal, weights, moment, setup.preserve, setup.loss)
    whitening = Whitening(moment)
    match setup.directions:
        case "goal":
            split = in_groups(goal, setup.keep, dealt(pastes.drawn))
            directions = goal_directions(problem, setup.rank, split=split)
        case "svd":
            directions = keys.svd_directions(inside, whitening, setup.rank)
        case "mean":
            directions = keys.mean_direction(inside, whitening)
        case "units":
            directions = keys.unit_directions(inside, setup.population(), setup.rank)
        case _:
            directions = keys.whitened_directions(inside, whitening, setup.rank)
    return setup.solver(problem, directions)


CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "contrast": st.sampled_from([0.0, 0.4, 0.8, 1.0]),
    "keep": st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    "directions": st.sampled_from(["goal", "context", "svd", "mean", "units"]),
    "rank": st.integers(1, 3),
    "preserve": st.sampled_from([0.0, 0.03, 0.3]),
    "loss": st.sampled_from(["l1", "l2"]),
    "solver": st.sampled_from([ExactSolver(5), ExactSolver(6), GradientSolver(4, 0.01)]),
}


@pytest.mark.parametrize("kind", FORMS)
@settings(max_examples=12)
@given(data=st.data())
def test_any_changes_come_to_a_solve_from_scratch(kind: str, data: st.DataObject) -> None:
    """Whatever was made before for other settings, every bit is that of the plain functions."""
    rule = Rule(kind, data.draw(st.integers(0, 3), label="seed"))
    results = Results(data.draw(st.sampled_from([0, 20_000, ROOM]), label="room"))
    stages = Stages(rule.setup(), results)
    boxes = st.tuples(st.integers(0, 6), st.integers(9, 16), st.integers(0, 6), st.integers(9, 16))
    several = st.lists(st.integers(1, 7), min_size=3, max_size=5, unique=True).map(tuple)
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        name = data.draw(st.sampled_from([*CHANGES, "copy", "silence", "contexts", "pastes"]))
        if name in CHANGES:
            stages = stages.changed(**{name: data.draw(CHANGES[name])})
        elif name == "copy":
            source = Copy(rule.places((data.draw(st.integers(0, 7)),), data.draw(boxes)))
            stages = stages.changed(source=source)
        elif name == "silence":
            stages = stages.changed(source=Silence(data.draw(st.integers(1, 3))))
        elif name == "contexts":
            contexts = rule.places(data.draw(several), data.draw(boxes))
            stages = stages.changed(contexts=contexts, pastes=contexts)
        else:
            stages = stages.changed(pastes=rule.places(data.draw(several), data.draw(boxes)))
        if stages.setup.directions == "mean":
            stages = stages.changed(rank=1)
        part = tuple(range(len(stages.setup.pastes) - 1))
        asked = outcome(stages.part(part)) if data.draw(st.booleans(), label="a part") else None
        found, fresh = outcome(stages), Stages(stages.setup)
        assert_same(found, outcome(fresh))
        assert_same(found, solved(lambda now=stages.setup: by_hand(rule, now)))
        if asked is not None:
            assert_same(asked, outcome(fresh.part(part)))


def outcome(stages: Stages) -> object:
    return solved(lambda: stages.solution)


def solved(solve: Callable[[], Solution]) -> object:
    """The solution, or why there is none."""
    try:
        return solve()
    except RunError as error:
        return error


# ---- each once -----------------------------------------------------------------------------------

AFTER_DIRECTIONS = {"directions", "design", "solution"}
AFTER_GOAL = {"unconstrained", "spectrum", *AFTER_DIRECTIONS}
ALL = {"inputs", "whitening", "patch", "goal", "weights", "normal", "factor", *AFTER_GOAL}


def copy(rule: Rule, box: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"source": Copy(rule.places((0,), box))}


def one_more(rule: Rule) -> dict[str, Any]:
    contexts = rule.places((1, 2, 3, 4, 5, 6), (4, 12, 2, 12))
    return {"contexts": contexts, "pastes": contexts}


# What is changed; which stages are made anew with directions from the goal, and from the contexts.
REMADE: dict[str, tuple[Callable[[Rule], dict[str, Any]], set[str], set[str]]] = {
    "nothing": (lambda _: {}, set(), set()),
    "preserve": (lambda _: {"preserve": 0.3}, {"solution"}, {"solution"}),
    "loss": (lambda _: {"loss": "l1"}, {"solution"}, {"solution"}),
    "iterations": (lambda _: {"solver": ExactSolver(3)}, {"solution"}, {"solution"}),
    "rank": (lambda _: {"rank": 3}, AFTER_DIRECTIONS, AFTER_DIRECTIONS),
    "directions": (lambda _: {"directions": "svd"}, AFTER_DIRECTIONS, AFTER_DIRECTIONS),
    "contrast": (
        lambda _: {"contrast": 0.5},
        {"whitening", "factor", *AFTER_GOAL},
        {"whitening", *AFTER_DIRECTIONS},
    ),
    "keep": (
        lambda _: {"keep": 2.0},
        {"weights", "factor", *AFTER_GOAL},
        {"weights", "design", "solution"},
    ),
    "copy, moved by one key": (
        lambda rule: copy(rule, (4, 12, 4, 14)),
        {"patch", "goal", *AFTER_GOAL},
        {"patch", "goal", "solution"},
    ),
    "copy, of another shape": (
        lambda rule: copy(rule, (2, 8, 4, 14)),
        {"patch", "goal", "weights", "normal", "factor", *AFTER_GOAL},
        {"patch", "goal", "weights", "design", "solution"},
    ),
    "one more context": (
        one_more,
        ALL - {"patch"},
        {"inputs", "whitening", "goal", "weights", *AFTER_DIRECTIONS},
    ),
    "another network": (lambda _: {"network": "another"}, ALL, ALL - {
        "normal", "factor", "unconstrained", "spectrum"}),
}  # fmt: skip


@pytest.mark.parametrize("directions", ["goal", "context"])
@pytest.mark.parametrize("what", REMADE)
@pytest.mark.parametrize("kind", ["dcgan", "stylegan2"])
def test_a_change_makes_the_stages_after_it_and_no_others(
    kind: str, what: str, directions: str
) -> None:
    rule = Rule(kind)
    results = Results(ROOM)
    stages = Stages(rule.setup(directions=directions), results)
    assert stages.solution is stages.solution
    before = Counter(results.made)
    assert set(before) == ALL - (
        set() if directions == "goal" else {"normal", "factor", "unconstrained", "spectrum"}
    )
    change, by_goal, by_contexts = REMADE[what]
    changed = stages.changed(**change(rule))
    assert changed.solution.loss_after > 0
    made = {name for name in results.made if results.made[name] > before[name]}
    assert made == (by_goal if directions == "goal" else by_contexts)
    # The way back is there: nothing at all is made.
    before = Counter(results.made)
    assert_same(changed.changed(**vars(stages.setup)).solution, stages.solution)
    assert results.made == before


def test_without_shared_results_a_stage_holds_what_is_not_large() -> None:
    rule = Rule("dcgan")
    stages = Stages(rule.setup())
    assert stages.solution.loss_after > 0
    before, entered = Counter(stages.results.made), rule.entered
    assert stages.changed(preserve=0.2).solution.loss_after > 0
    made = {name for name in before if stages.results.made[name] > before[name]}
    assert made == {"design", "solution"}
    assert rule.entered == entered


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of the matrices whose eigenvalues are asked for."""
    sizes: list[int] = []
    eigh = torch.linalg.eigh

    def watched(matrix: Tensor, *more: Any) -> Any:
        sizes.append(len(matrix))
        return eigh(matrix, *more)

    with monkeypatch.context() as patch:
        patch.setattr(torch.linalg, "eigh", watched)
        yield sizes


@pytest.mark.parametrize("large", [False, True])
def test_a_moment_is_decomposed_once(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(ridge, "DENSE_WORK", 0.0)
        monkeypatch.setattr(ridge, "FACTOR_WORK", 0.0)
    rule = Rule("convolution")
    stages = Stages(rule.setup(), Results(ROOM))
    with counted(monkeypatch) as sizes:
        assert stages.solution.loss_after > 0
        for change in ({"rank": 1}, {"keep": 0.5}, {"directions": "svd"}, {"preserve": 1.0}):
            assert stages.changed(**change).solution.loss_after > 0
        assert stages.part((0, 1, 2)).solution.loss_after > 0
    # Without some of the contexts, what they hold elsewhere is another moment.
    assert sizes == [CHANNELS, CHANNELS]


@pytest.mark.parametrize("kind", ["dcgan", "convolution"])
def test_a_large_problem_finds_its_normal_matrix_where_the_copy_alone_is_another(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "DENSE_WORK", 0.0)
    monkeypatch.setattr(ridge, "FACTOR_WORK", 0.0)
    rule = Rule(kind)
    stages = Stages(rule.setup(), Results(ROOM))
    assert stages.solution.loss_after > 0
    made = Counter(stages.results.made)
    moved = stages.changed(**copy(rule, (4, 12, 4, 14)))
    assert_same(moved.solution, Stages(moved.setup).solution)
    assert stages.results.made["whitened normal"] == made["whitened normal"] > 0
    assert stages.results.made["factor"] == made["factor"] > 0
    # The whitening is that of the keys in this matrix, so another contrast makes another matrix.
    other = stages.changed(contrast=0.3)
    assert_same(other.solution, Stages(other.setup).solution)
    assert stages.results.made["whitened normal"] == 2 * made["whitened normal"]


# ---- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dcgan", "stylegan2, up", "linear"])
@pytest.mark.parametrize("directions", ["goal", "context"])
def test_a_part_is_the_rule_on_some_of_its_pictures(kind: str, directions: str) -> None:
    """A part of the goal, weights divided anew, and its own contexts."""
    rule = Rule(kind)
    whole = Stages(rule.setup(directions=directions))
    part, rows = whole.part((0, 2, 3)), [0, 2, 3]
    problem = part.problem
    assert_same(problem.goal, whole.goal.select(rows))
    assert_same(part.goal, problem.goal)
    assert_same(part.weights, goals.importance(problem.goal, 1.0))
    contexts = rule.places((1, 3, 4), (4, 12, 2, 12))
    alone = Stages(rule.setup(directions=directions, contexts=contexts))
    assert_same(part.whitening.moment, alone.whitening.moment)
    # The second fold is gone; what is left of the others are the rows (0, 3) and (2,).
    split = in_groups(problem.goal, 1.0, ((0, 2), (1,)))
    by_goal = goal_directions(problem, 2, split=split)
    basis = alone.directions if directions == "context" else by_goal
    assert_same(part.solution, ExactSolver()(problem, basis))


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_a_part_finds_its_normal_matrices_and_they_are_those_of_its_own_pictures(
    kind: str, keep: float
) -> None:
    rule = Rule(kind)
    results = Results(ROOM)
    whole = Stages(rule.setup(keep=keep), results)
    assert whole.solution.loss_after > 0
    made = results.made["normal"]
    assert (made > 0) == (keep > 0), "what was pasted alone is too little to be looked for"
    for held in dealt(whole.setup.pastes.drawn):
        part = whole.part(row for row in range(len(whole.setup.pastes)) if row not in held)
        problem = part.problem
        found = unconstrained_change(problem, part.whitening, split=part.split)
        direct = unconstrained_change(problem, part.whitening)
        # Demodulation is float32; its last bit depends on how many pictures are taken at once.
        assert torch.allclose(found, direct, rtol=1e-7, atol=1e-7 * float(direct.abs().max()))
    assert results.made["normal"] == made


def test_a_part_keeps_its_directions_while_preserve_changes() -> None:
    rule = Rule("dcgan")
    part = Stages(rule.setup()).part((0, 1, 2))
    assert part.solution.loss_after > 0
    made = Counter(part.results.made)
    for preserve in (0.01, 0.2):
        part = part.changed(preserve=preserve)
        assert_same(part.solution, Stages(rule.setup(preserve=preserve)).part((0, 1, 2)).solution)
    assert part.results.made["directions"] == made["directions"] == 1


def test_contexts_stay_whole_where_the_goal_is_set_elsewhere() -> None:
    rule = Rule("dcgan")
    pastes = rule.places((6, 7, 0), (2, 10, 4, 14))
    whole = Stages(rule.setup(pastes=pastes, directions="context"))
    assert torch.equal(whole.part((0, 1)).directions, whole.directions)


def test_a_context_goes_with_a_picture_that_is_pasted_into_too() -> None:
    rule = Rule("dcgan")
    pastes = rule.places((6, 2, 7), (2, 10, 4, 14))
    part = Stages(rule.setup(pastes=pastes, directions="context")).part((0, 2))
    contexts = rule.places((1, 3, 4, 5), (4, 12, 2, 12))
    alone = Stages(rule.setup(pastes=pastes, directions="context", contexts=contexts))
    assert_same(part.directions, alone.directions)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(
    ("source", "directions"), [(None, "goal"), (Silence(2), "goal"), (Silence(2), "context")]
)
def test_a_picture_that_is_left_out_has_no_part_in_the_solution(
    kind: str, source: Silence | None, directions: str
) -> None:
    """Whatever its keys are; and the rows of one picture are left out together."""
    contexts = (1, 2, 3, 2, 5)
    held = dealt(contexts)[1]
    assert held == (1, 3), "both rows of the second picture"
    rest = [row for row in range(len(contexts)) if row not in held]
    rule = Rule(kind)
    places = rule.places(contexts, (4, 12, 2, 12))
    settings = {} if source is None else {"source": source}
    setup = rule.setup(contexts=places, pastes=places, directions=directions, **settings)
    whole, part = Stages(setup).solution, Stages(setup).part(rest).solution
    rule.inputs.keys[2] = 3 * normal(*rule.inputs.keys.shape[1:], seed=77)
    assert_same(part, Stages(setup).part(rest).solution)
    assert not torch.equal(whole.coefficients, Stages(setup).solution.coefficients)


# ---- other kinds of goals and solvers ------------------------------------------------------------


def test_a_solver_that_finds_its_own_directions_is_given_none() -> None:
    seen = []

    class Other(ProjectedAdam):
        finds_directions = True

        def __call__(self, problem: Problem, directions: Tensor, *_: Any) -> Solution:
            seen.append(directions.shape)
            return super().__call__(problem, normal(1, CHANNELS))

    rule = Rule("convolution")
    stages = Stages(rule.setup(solver=Other(3, 0.01), directions="context"))
    assert stages.solution.directions.shape == (1, CHANNELS)
    assert seen == [(0, CHANNELS)]
    assert stages.results.made["directions"] == 1
    assert not stages.results.made["whitening"] - 1, "the problem has its moment"


def test_a_zero_asks_for_what_it_does() -> None:
    rule = Rule("dcgan")
    stages = Stages(rule.setup(source=Zeroed(0.5), directions="context"))
    form, basis = stages.setup.form, stages.directions
    weight = form.weight.double()
    along = torch.einsum("ocyx,sc,sd->odyx", weight, basis, basis)
    goal = stages.goal
    values = form.activate(form.response(goal.inputs, (weight - 0.5 * along).float()))
    assert torch.allclose(goal.values, values, atol=1e-5)
    assert not torch.equal(goal.values, goal.before)


def test_an_erase_wants_its_units_silenced_anywhere() -> None:
    rule = Rule("convolution")
    source = Silence(2)
    stages = Stages(rule.setup(source=source))
    inputs = rule.enter(rule.places((6, 7), (0, 16, 0, 16)))
    found = source.anywhere(stages)(torch.zeros(1, 1), inputs, None)
    cover = stages.setup.contexts.on_values[:1] > 0.5
    keys_without = inputs.keys.clone()
    keys_without[:, source.units(stages)] = 0
    form = stages.setup.form
    wanted = form.activate(form.response(LayerInputs(keys_without), form.weight))
    before = form.activate(form.response(inputs, form.weight))
    assert torch.allclose(found, torch.where(cover[:, None], wanted, before), atol=1e-6)
