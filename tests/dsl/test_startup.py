"""The language wing on its own: what it loads, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import redraft_dsl

PROGRAM = """
import sys
import redraft_dsl
assert len([name for name in sys.modules if name.startswith("redraft_dsl")]) == 1
layer = redraft_dsl.LayerFacts(
    names=("layer6",), kind="conv-transpose", in_channels=64, out_channels=32,
    kernel=(4, 4), key_size=(8, 8), value_size=(16, 16),
)
mine = redraft_dsl.ModelFacts(arch="dcgan", image_size=(64, 64), latent_size=9, layers=(layer,))
models = redraft_dsl.KnownModels(listed={"mine": mine}, architectures=("dcgan",))
text = '''
edition 2026
recipe demo 1.0.0 "Demo"
model mine
latents z { seed 1 count 9 }
region eyes = box(x 1..30, y 1..30)
rule a at layer6 { copy z[1] box(x 1..9, y 1..9) context z[2, 3] eyes }
'''
checked = redraft_dsl.loads(text, models)
assert checked.recipe is not None, checked.diagnostics
redraft_dsl.print_recipe(checked.recipe)
redraft_dsl.format_text(text)
redraft_dsl.render(checked.diagnostics, checked.source)
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "redraft", "numpy", "PIL"}, loaded
"""


def test_a_recipe_is_checked_without_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there() -> None:
    for name in redraft_dsl.__all__:
        assert getattr(redraft_dsl, name).__module__.startswith("redraft_dsl")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        redraft_dsl.nothing  # noqa: B018
