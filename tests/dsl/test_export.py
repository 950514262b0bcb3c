"""Recipes of one's own as edit files of the authors, and those that have no such form."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from redraft_dsl.check import Checked
from redraft_dsl.davidbau.edits import MarkedImage, read_edit, write_edit
from redraft_dsl.davidbau.from_recipe import Exported, NotExportableError, edit_of
from redraft_dsl.syntax.tree import comments_of

BOX = "box(x 12..52, y 24..38)"


def no_size() -> tuple[int, int]:
    raise AssertionError("nothing has to be drawn")


def texts(checked: Checked) -> list[str]:
    return [comment.text for comment in comments_of(checked.tree)]


def check_export(
    check_text: Callable[[str], Checked], folder: Path, text: str, size: Any = no_size
) -> Exported:
    checked = check_text(text)
    assert checked.recipe is not None, checked.diagnostics
    return edit_of(checked.recipe, texts(checked), folder, size)


def rule(*lines: str) -> str:
    return "rule a at layer6 {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


COPY, PASTE, CONTEXT = f"copy z[1] {BOX}", f"paste z[2] {BOX}", f"context z[3] {BOX}"


def test_a_recipe_of_ones_own_is_drawn(check_text: Callable[[str], Checked], folder: Path) -> None:
    back = check_export(check_text, folder, rule(COPY, PASTE, CONTEXT), lambda: (64, 64))
    assert back.edit.order == ("object", "paste", "key")
    assert back.drawn == ("z[3]", "z[1]", "z[2]")
    assert back.edit.object is not None
    drawn = np.asarray(Image.open(io.BytesIO(back.edit.object.png)))
    assert drawn.shape == (64, 64)
    assert (drawn[24:38, 12:52] == 255).all()
    assert drawn.sum() == 255 * 14 * 40
    assert read_edit(write_edit(back.edit).encode()) == back.edit


def test_a_single_context_may_be_the_paste(
    check_text: Callable[[str], Checked], folder: Path
) -> None:
    back = check_export(check_text, folder, rule(COPY, CONTEXT), lambda: (64, 64))
    assert back.edit.paste == (back.edit.key or ())[0]


def test_a_mask_file_keeps_its_bytes_where_it_means_the_same(
    check_text: Callable[[str], Checked], folder: Path
) -> None:
    eyes = 'mask("masks/eyes.png")'
    lines = (f"copy z[1] {eyes}", f"paste z[2] {eyes}", f"context z[3] {eyes} minus {BOX}")
    back = check_export(check_text, folder, rule(*lines[:2], f"context z[3] {eyes}"))
    assert back.drawn == ()
    assert back.edit.object == MarkedImage(1, (folder / "masks" / "eyes.png").read_bytes())
    joined = f"context z[3] {eyes} plus box(x 0..4, y 0..4)"
    back = check_export(check_text, folder, rule(*lines[:2], joined), lambda: (64, 64))
    assert back.drawn == ("z[3]",)


def test_soft_edges_that_their_code_would_lose_are_drawn(
    check_text: Callable[[str], Checked], folder: Path
) -> None:
    soft = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    soft.paste((255, 255, 255, 128), (12, 24, 52, 38))
    soft.save(folder / "masks" / "soft.png")
    text = rule('copy z[1] mask("masks/soft.png")', PASTE, CONTEXT)
    back = check_export(check_text, folder, text, lambda: (64, 64))
    assert "z[1]" in back.drawn
    assert back.edit.object is not None
    drawn = np.asarray(Image.open(io.BytesIO(back.edit.object.png)))
    assert (drawn[30, 30], drawn[0, 0]) == (128, 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (rule(COPY, CONTEXT) + rule(COPY, CONTEXT).replace(" a ", " b "), "it has 2 rules"),
        (rule(COPY, CONTEXT, f"context z[4] {BOX}"), "`paste` is every context"),
        (rule(COPY, CONTEXT, PASTE, f"paste z[4] {BOX}"), "it has 2 `paste` lines"),
        (
            f"erase a at layer6 {{ from z[1] {BOX} from z[2] {BOX} {CONTEXT} }}\n",
            "it has 2 `from` lines",
        ),
        (
            rule(COPY, PASTE, CONTEXT, f"context like z[3] {BOX} top 2 among 0..9"),
            "a context is found by match",
        ),
        ("latents z { seed 2  count 99 }\n" + rule(COPY, PASTE, CONTEXT), "`z` has seed 2"),
        ("# davidbau: fields object, spell\n" + rule(COPY, PASTE, CONTEXT), "is damaged"),
        ("# davidbau: query z[1] gone\n" + rule(COPY, PASTE, CONTEXT), "is damaged"),
        (
            '# davidbau: query z[1] mask("masks/gone.png" bilinear)\n' + rule(COPY, PASTE, CONTEXT),
            "a mask cannot be used: there is no such file",
        ),
    ],
)
def test_what_a_file_cannot_say_is_refused(
    check_text: Callable[[str], Checked], folder: Path, text: str, reason: str
) -> None:
    with pytest.raises(NotExportableError) as caught:
        check_export(check_text, folder, text)
    assert reason in str(caught.value)


def test_every_obstacle_is_reported_at_once(
    check_text: Callable[[str], Checked], folder: Path
) -> None:
    text = "latents z { seed 2  count 99 }\n" + rule(COPY, CONTEXT, f"context z[4] {BOX}")
    with pytest.raises(NotExportableError) as caught:
        check_export(check_text, folder, text)
    assert len(caught.value.reasons) == 2


def test_a_removal_has_no_copy(check_text: Callable[[str], Checked], folder: Path) -> None:
    zero = check_export(
        check_text, folder, f"zero a at layer6 {{ {CONTEXT} rank 1 }}\n", lambda: (64, 64)
    )
    assert (zero.edit.order, zero.edit.object) == (("key",), None)
    erase = check_export(
        check_text, folder, f"erase a at layer6 {{ from z[1] {BOX} {CONTEXT} }}\n", lambda: (64, 64)
    )
    assert erase.edit.order == ("paste", "key")


def test_masks_that_vanish_after_the_check_are_reported(
    check_text: Callable[[str], Checked], tmp_path: Path
) -> None:
    checked = check_text(rule('copy z[1] mask("masks/eyes.png")', PASTE, CONTEXT))
    assert checked.recipe is not None
    with pytest.raises(NotExportableError, match="there is no such file"):
        edit_of(checked.recipe, [], tmp_path, lambda: (64, 64))
