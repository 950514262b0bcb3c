"""Simpler ways to change one layer, and the table that compares a rule with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from redraft.bench.rivals.program import main
from redraft.rivals.freely import Ablation, ProjectedGradient, Unranked
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem, data_loss, edited_weight

ProblemMaker = Callable[..., Problem]


def directions(rank: int, seed: int = 0) -> Tensor:
    rows = torch.randn(24, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(rows)[0].T.contiguous()


def test_without_the_rank_constraint_the_example_is_fitted_better(
    make_problem: ProblemMaker,
) -> None:
    problem = make_problem(keep=0.0)
    none = problem.weight.new_zeros(0, 24)
    free = Unranked(300, 0.003)(problem, none)
    exact = ExactSolver()(make_problem(keep=0.0, preserve=0.0), directions(2))
    assert free.loss_after < exact.loss_after < exact.loss_before
    weight = edited_weight(problem.weight, free.coefficients, free.directions)
    assert data_loss(problem, weight) == pytest.approx(free.loss_after, rel=1e-3)
    change = (weight - problem.weight).permute(0, 2, 3, 1).reshape(-1, 24)
    assert int(torch.linalg.matrix_rank(change)) == 24


def test_a_projected_step_never_leaves_the_directions(make_problem: ProblemMaker) -> None:
    problem, basis = make_problem(keep=0.0), directions(2)
    found = ProjectedGradient(60, 0.001)(problem, basis)
    assert found.loss_after < found.loss_before
    weight = edited_weight(problem.weight, found.coefficients, basis)
    change = (weight - problem.weight).permute(0, 2, 3, 1).reshape(-1, 24)
    assert int(torch.linalg.matrix_rank(change)) == 2


def test_ablated_units_have_no_part_in_the_layer(make_problem: ProblemMaker) -> None:
    problem = make_problem()
    keys = problem.goal.inputs.keys
    cover = torch.zeros(len(keys), *keys.shape[2:], dtype=torch.float64)
    cover[:, :2, :2] = 1.0
    found = Ablation(3, cover)(problem, problem.weight.new_zeros(0, 24))
    weight = edited_weight(problem.weight, found.coefficients, found.directions)
    silent = (weight.abs().amax((0, 2, 3)) < 1e-6).nonzero()[:, 0]
    assert len(silent) == 3
    rest = [unit for unit in range(24) if unit not in silent.tolist()]
    assert torch.equal(weight[:, rest], problem.weight[:, rest])


RULE = """edition 2026
recipe spires 1.0.0 "Spires"
model village-proggan
latents z { seed 1  count 100 }
rule spires at layer4 {
  copy z[0] box(x 38..54, y 7..23)
  context z[3, 6, 28] box(x 8..24, y 14..30)
  rank 2
}
"""


def test_rivals_are_compared_at_the_rules_change_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spires.redraft"
    path.write_text(RULE)
    few = [
        ("one layer, no rank constraint", "rate 0.003", Unranked(8, 0.003)),
        ("one layer, no rank constraint", "rate 0.001", Unranked(8, 0.001)),
        ("projected gradient only", "rate 0.003", ProjectedGradient(8, 0.003)),
    ]
    monkeypatch.setattr("redraft.bench.rivals.table.settings_of", lambda _: iter(few))
    assert main([str(path), "--judged", "12", "--choosing", "12", "--format", "json"]) == 0
    rule, *others = json.loads(capsys.readouterr().out)
    assert rule["method"] == "the rule"
    assert [each["method"] for each in others] == [few[0][0], few[2][0]], "the best of each"
    assert {"pixel_share", "pixel_amplitude"} <= set(rule), "by which layers can be compared"
    for other in others:
        assert other["outside"] == pytest.approx(rule["outside"], rel=0.5)
    assert main([str(tmp_path / "missing.redraft")]) == 1
