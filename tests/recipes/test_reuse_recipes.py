"""The recipes that show how to build on others: they hold, mean what they say, and keep it."""

from __future__ import annotations

from pathlib import Path

import pytest

import redraft
from redraft.disk.cache import Cache
from redraft.errors import ModelError
from redraft.models.listed import catalog
from redraft.models.listed.download import obtain
from redraft.models.open import choose_device
from redraft.runs.execute import solve_all
from redraft.runs.session import open_session
from redraft.runs.verify import verify
from redraft.share.pack.reading import read_pack, run_in
from redraft_dsl import format_text

REUSE = Path(__file__).resolve().parents[2] / "recipes" / "reuse"
RECIPES = {path.stem: path for path in sorted(REUSE.glob("*.redraft"))}
# Share that follows at least, amplitude at least, change outside at most, for each rule.
PROMISES = {
    "faint-glasses": {"glasses": (0.75, 0.18, 0.018)},
    "surgeon": {"glasses": (0.92, 0.30, 0.024), "mask": (0.97, 0.42, 0.045)},
}


@pytest.mark.parametrize("path", RECIPES.values(), ids=RECIPES)
def test_they_are_canonical_and_without_problems(path: Path) -> None:
    assert redraft.load(path).diagnostics == ()
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path)).text == text


def test_a_chain_of_included_rules_means_what_the_written_out_one_means() -> None:
    built = redraft.load(REUSE / "surgeon.redraft").recipe
    written = redraft.load(REUSE.parent / "glasses-then-mask.redraft").recipe
    assert built is not None
    assert written is not None
    assert built.rules == written.rules


def test_every_cell_of_the_sweep_is_a_recipe_of_its_own() -> None:
    checked = redraft.load(REUSE / "spectacles.redraft")
    (sweep,) = checked.sweeps
    cells = [redraft.load(REUSE / "spectacles.redraft", given=cell) for cell in sweep.cells()]
    digests = {cell.recipe.digest() for cell in cells if cell.recipe is not None}
    assert len(digests) == 6


@pytest.mark.faces
def test_the_pack_can_be_repeated_by_whoever_gets_it() -> None:
    try:
        obtain(catalog.FACES)
    except ModelError as error:
        pytest.skip(f"the face model is not there: {error.message}")
    verified = verify(run_in(REUSE / "faint-glasses.redraftpack"), device="cpu", cache=Cache())
    # It was made on another machine than the one that runs this.
    assert [(check.within, check.weights_identical) for check in verified.rules] == [(True, True)]


def test_the_pack_is_of_the_recipe_beside_it() -> None:
    packed = read_pack(REUSE / "faint-glasses.redraftpack").files["recipe.redraft"].decode()
    assert redraft.loads(packed).recipe == redraft.load(RECIPES["faint-glasses"]).recipe


@pytest.mark.faces
@pytest.mark.parametrize("name", PROMISES)
def test_they_keep_their_promises(name: str) -> None:
    try:
        obtain(catalog.FACES)
    except ModelError as error:
        pytest.skip(f"the face model is not there: {error.message}")
    session = open_session(redraft.plan(RECIPES[name], device="cpu"), choose_device("cpu"), Cache())
    for done in solve_all(session):
        share, amplitude, outside = PROMISES[name][done.record.name]
        assert done.record.share is not None
        assert done.record.amplitude is not None
        assert done.record.outside is not None
        assert done.record.share >= share
        assert done.record.amplitude >= amplitude
        assert done.record.outside <= outside
