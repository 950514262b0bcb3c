"""``redraft import`` and ``redraft export``."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image, ImageDraw

from redraft.plans.loading import load
from redraft_dsl.recipe.model import FileModel

Invoke = Callable[..., Result]
Run = Callable[..., Any]

FACES = ("--model", "faces", "--layer", "layer6")


def mask(*box: int) -> str:
    picture = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(picture).ellipse(box, fill="white")
    stored = io.BytesIO()
    picture.save(stored, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stored.getvalue()).decode()


EYES = mask(48, 96, 208, 152)
EDIT = {
    "object": [3, EYES],
    "query": [5, EYES],
    "paste": [5, mask(40, 90, 200, 160)],
    "key": [[5, EYES], [8, EYES]],
}


@pytest.fixture
def hat() -> Path:
    """An edit file in the current folder."""
    path = Path("hat.json")
    path.write_text(json.dumps(EDIT, indent=1), encoding="utf-8")
    return path


def there() -> set[str]:
    """Every file of the current folder."""
    return {str(path) for path in Path().rglob("*") if path.is_file()}


MASKS = {
    "masks/hat/copy-3.png",
    "masks/hat/query-5.png",
    "masks/hat/paste-5.png",
    "masks/hat/context-5.png",
    "masks/hat/context-8.png",
}


def test_a_file_becomes_a_recipe_and_a_file_again(invoke: Invoke, hat: Path) -> None:
    shown = invoke("import", "hat.json", *FACES, "--rank", "2")
    assert (shown.exit_code, shown.stdout) == (0, "written: hat.redraft (and 5 masks)\n")
    assert there() == {"hat.json", "hat.redraft", *MASKS}
    assert "  rank     2\n" in Path("hat.redraft").read_text(encoding="utf-8")
    assert invoke("check", "hat.redraft").stdout == "hat.redraft: no problems\n"
    assert invoke("fmt", "--check", "hat.redraft").exit_code == 0
    back = invoke("export", "hat.redraft", "--davidbau", "-o", "again.json")
    assert (back.exit_code, back.stdout) == (0, "written: again.json\n")
    assert Path("again.json").read_bytes() == hat.read_bytes()


def test_without_a_file_the_text_is_printed(invoke: Invoke, hat: Path) -> None:
    assert invoke("import", "hat.json", *FACES).exit_code == 0
    shown = invoke("export", "hat.redraft", "--davidbau")
    assert json.loads(shown.stdout) == EDIT
    assert shown.stderr == ""


def test_masks_hold_the_bytes_of_the_file(invoke: Invoke, hat: Path) -> None:
    assert invoke("import", "hat.json", *FACES).exit_code == 0
    stored = base64.b64encode(Path("masks/hat/copy-3.png").read_bytes()).decode()
    assert EYES.endswith(f",{stored}")


def test_the_recipe_goes_where_it_is_told(invoke: Invoke, hat: Path) -> None:
    Path("mine").mkdir()
    shown = invoke("import", "hat.json", *FACES, "-o", "mine/other.redraft")
    assert shown.exit_code == 0
    assert there() - {"hat.json"} == {"mine/other.redraft", *(f"mine/{name}" for name in MASKS)}
    assert invoke("check", "mine/other.redraft").exit_code == 0


def test_a_model_file_is_recognised_and_pinned(invoke: Invoke, hat: Path, recipe: Path) -> None:
    shown = invoke("import", "hat.json", "--model", "tiny.pth", "--layer", "layer6")
    assert shown.exit_code == 0, shown.stderr
    made = load("hat.redraft").recipe
    assert made is not None
    assert isinstance(made.model, FileModel)
    assert (made.model.name, made.model.arch, made.model.path) == ("tiny", "dcgan", "tiny.pth")
    assert made.model.sha256 is not None
    assert made.model.truncation == 1.0
    assert invoke("plan", "hat.redraft").exit_code == 0


def test_a_model_that_a_recipe_cannot_reach(invoke: Invoke, hat: Path, recipe: Path) -> None:
    Path("inner").mkdir()
    model = ("--model", "tiny.pth", "--layer", "layer6")
    shown = invoke("import", "hat.json", *model, "-o", "inner/hat.redraft")
    assert shown.exit_code == 1
    assert "error[RD685]: tiny.pth is outside the recipe's folder inner" in shown.stderr
    assert not list(Path("inner").iterdir())
    Path("tiny.pth").rename('a "b".pth')
    named = invoke("import", "hat.json", "--model", 'a "b".pth', "--layer", "layer6")
    assert "error[RD685]: a recipe cannot name" in named.stderr
    assert "it has a quote" in named.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "faces", "--layer", "layer66"), "error[RD401]: faces has no layer `layer66`"),
        (("--model", "faces", "--layer", "layer6 { }"), "error[RD401]: faces has no layer"),
        ((*FACES, "--rank", "5000"), "error[RD218]"),
        (("--model", "facets", "--layer", "layer6"), "error[RD620]"),
        (("--model", "gone.pth", "--layer", "layer6"), "error[RD60"),
        ((*FACES, "--truncation", "0.5"), "error[RD684]: `faces` is a listed model"),
    ],
)
def test_what_does_not_fit_writes_nothing(
    invoke: Invoke, hat: Path, options: tuple[str, ...], said: str
) -> None:
    shown = invoke("import", "hat.json", *options)
    assert shown.exit_code == 1
    assert said in shown.stderr
    assert there() == {"hat.json"}


def test_truncation_without_a_mapping_network_is_refused(
    invoke: Invoke, hat: Path, recipe: Path
) -> None:
    options = ("--model", "tiny.pth", "--layer", "layer6", "--truncation", "0.5")
    shown = invoke("import", "hat.json", *options)
    assert shown.exit_code == 1
    assert "error[RD222]: `dcgan` has nothing to truncate" in shown.stderr
    assert "nothing was written" in shown.stderr
    assert not Path("hat.redraft").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"edition 2026\n", "hat.json is not an edit file: it is not JSON (line 1, column 1)"),
        (b'{"model": "faces"}', "it has a field `model`"),
        (json.dumps({"paste": [1, EYES[:-9]]}).encode(), "its `paste` is broken base64"),
        (b"\x00" * (64 * 2**20 + 1), "at most 67108864 are read"),
    ],
)
def test_another_file_is_told_what_it_is_not(invoke: Invoke, data: bytes, said: str) -> None:
    Path("hat.json").write_bytes(data)
    shown = invoke("import", "hat.json", *FACES)
    assert shown.exit_code == 1
    assert "error[RD680]" in shown.stderr
    assert said in shown.stderr
    assert there() == {"hat.json"}


def test_files_that_cannot_be_read(invoke: Invoke) -> None:
    assert (
        "error[RD636]: there is no file gone.json" in invoke("import", "gone.json", *FACES).stderr
    )
    assert "error[RD637]" in invoke("import", ".", *FACES).stderr


def test_nothing_is_overwritten_unless_asked(invoke: Invoke, hat: Path) -> None:
    Path("hat.redraft").write_text("mine", encoding="utf-8")
    shown = invoke("import", "hat.json", *FACES)
    assert shown.exit_code == 1
    assert "error[RD681]: hat.redraft is there already, so nothing was written" in shown.stderr
    assert there() == {"hat.json", "hat.redraft"}
    assert invoke("import", "hat.json", *FACES, "--force").exit_code == 0
    assert Path("hat.redraft").read_text(encoding="utf-8") != "mine"
    again = invoke("import", "hat.json", *FACES)
    assert "hat.redraft is there already (and 5 more)" in again.stderr
    Path("a.json").write_text("mine", encoding="utf-8")
    kept = invoke("export", "hat.redraft", "--davidbau", "-o", "a.json")
    assert "error[RD681]: a.json is there already" in kept.stderr
    assert Path("a.json").read_text(encoding="utf-8") == "mine"
    assert invoke("export", "hat.redraft", "--davidbau", "-o", "a.json", "--force").exit_code == 0
    assert json.loads(Path("a.json").read_text(encoding="utf-8")) == EDIT


def test_masks_of_an_import_that_failed_are_taken_back(
    invoke: Invoke, ordinary_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ordinary_user)
    Path("hat.json").write_text(json.dumps(EDIT), encoding="utf-8")
    Path("masks/hat").mkdir(parents=True)
    ordinary_user.chmod(0o555)
    shown = invoke("import", "hat.json", *FACES)
    ordinary_user.chmod(0o777)
    assert "error[RD633]: cannot write hat.redraft" in shown.stderr
    assert there() == {"hat.json"}
    shutil.rmtree("masks")


@pytest.mark.parametrize(("removal", "kind"), [((), "zero"), (("--as", "erase"), "erase")])
def test_marks_alone_are_removed(invoke: Invoke, removal: tuple[str, ...], kind: str) -> None:
    edit = {"key": EDIT["key"]}
    Path("bar.json").write_text(json.dumps(edit), encoding="utf-8")
    assert invoke("import", "bar.json", *FACES, *removal).exit_code == 0
    assert f"\n{kind} bar at layer6 {{\n" in Path("bar.redraft").read_text(encoding="utf-8")
    assert json.loads(invoke("export", "bar.redraft", "--davidbau").stdout) == edit


def test_warnings_are_shown_with_what_was_written(invoke: Invoke) -> None:
    edit = {**EDIT, "key": [[5, EYES], [5, EYES]]}
    Path("hat.json").write_text(json.dumps(edit), encoding="utf-8")
    shown = invoke("import", "hat.json", *FACES)
    assert shown.exit_code == 0
    assert "warning[RD217]" in shown.stderr
    assert json.loads(invoke("export", "hat.redraft", "--davidbau").stdout) == edit


def test_a_recipe_of_ones_own_is_drawn(invoke: Invoke, recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    plain = [line for line in text.splitlines(True) if " like " not in line]
    recipe.write_text("".join(plain), encoding="utf-8")
    shown = invoke("export", "demo.redraft", "--davidbau", "-o", "demo.json")
    assert shown.exit_code == 0
    assert "drawn as masks: the regions of z[5], z[3]" in shown.stderr
    made = json.loads(Path("demo.json").read_text(encoding="utf-8"))
    assert list(made) == ["object", "paste", "key"]
    Path("tiny.pth").unlink()
    gone = invoke("export", "demo.redraft", "--davidbau")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "tiny.pth" in gone.stderr


def test_a_listed_model_says_how_large_to_draw(invoke: Invoke) -> None:
    text = (
        'edition 2026\nrecipe a 1.0.0 "A"\nmodel faces\nlatents z { seed 1  count 99 }\n'
        "zero a at layer6 { context z[1] box(x 0..32, y 0..32) rank 1 }\n"
    )
    Path("a.redraft").write_text(text, encoding="utf-8")
    shown = invoke("export", "a.redraft", "--davidbau")
    (image, url), *more = json.loads(shown.stdout)["key"]
    assert (image, more) == (1, [])
    drawn = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert (drawn.size, drawn.getbbox()) == ((64, 64), (0, 0, 32, 32))


def test_what_has_no_such_form_is_refused(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("export", "demo.redraft", "--davidbau", "-o", "demo.json")
    assert shown.exit_code == 1
    assert "error[RD682]: this recipe has no form as an edit file" in shown.stderr
    assert "a context is found by match" in shown.stderr
    assert not Path("demo.json").exists()


def test_a_recipe_with_errors_is_not_exported(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text("edition 2026\n", encoding="utf-8")
    shown = invoke("export", "demo.redraft", "--davidbau")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "error[RD400]" in shown.stderr


def test_a_form_must_be_named(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("export", "demo.redraft")
    assert shown.exit_code == 2
    assert "say in which form: --davidbau" in shown.stderr


def test_import_and_export_do_not_load_torch(hat: Path) -> None:
    code = (
        "import sys; from redraft.cli import main\n"
        "main(['import', 'hat.json', '--model', 'faces', '--layer', 'layer6'])\n"
        "main(['export', 'hat.redraft', '--davidbau', '-o', 'again.json'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False)
    assert done.returncode == 0
    assert Path("again.json").is_file()


def labelme(*shapes: tuple[str, str, list[list[float]]], picture: str = "faces-95.png") -> str:
    """A file as labelme saves it, of a picture of eight times the model's size."""
    made = [
        {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}
        for label, kind, points in shapes
    ]
    sizes = {"imageWidth": 512, "imageHeight": 512, "imageData": None}
    return json.dumps({"version": "5.4.1", "shapes": made, "imagePath": picture, **sizes})


EYES_BOX = ("context", "rectangle", [[384.0, 304.0], [128.0, 192.0]])


def test_shapes_of_labelme_become_a_rule(invoke: Invoke) -> None:
    text = labelme(
        ("Copy", "polygon", [[128.0, 192.0], [384.0, 192.0], [256.0, 304.4]]),
        EYES_BOX,
        ("context", "circle", [[256.0, 400.0], [256.0, 480.0]]),
    )
    Path("drawn.json").write_text(text, encoding="utf-8")
    shown = invoke("import", "drawn.json", *FACES)
    assert (shown.exit_code, shown.stdout) == (0, "written: drawn.redraft\n"), shown.stderr
    lines = Path("drawn.redraft").read_text(encoding="utf-8").splitlines()
    assert "  copy    z[95] polygon(16,24 48,24 32,38.05)" in lines
    assert "  context z[95] box(x 16..48, y 24..38) plus ellipse(32,50 radius 10,10)" in lines
    assert invoke("check", "drawn.redraft").exit_code == 0
    assert invoke("import", "drawn.json", *FACES).exit_code == 1, "never over a file that is there"


def test_polygons_of_coco_become_a_rule(invoke: Invoke) -> None:
    images = [
        {"id": 7, "file_name": "out/0003.png", "width": 64, "height": 64},
        {"id": 9, "file_name": "out\\0005.png", "width": 128, "height": 128},
    ]
    marks = [
        {"image_id": 7, "category_id": 1, "segmentation": [[16, 24, 48, 24, 32, 40]], "area": 1},
        {"image_id": 9, "category_id": 2, "segmentation": [], "bbox": [32, 48, 64, 32]},
    ]
    kinds = [{"id": 1, "name": "glasses"}, {"id": 2, "name": "eyes"}]
    whole = {"images": images, "annotations": marks, "categories": kinds}
    Path("coco.json").write_text(json.dumps(whole), encoding="utf-8")
    refused = invoke("import", "coco.json", *FACES)
    assert refused.exit_code == 1
    assert "error[RD668]: no shape of the file says where the rule belongs: its labels are " in (
        refused.stderr
    )
    assert "`eyes`, `glasses`" in refused.stderr
    assert not Path("coco.redraft").exists()
    roles = ("--label", "glasses=copy", "--label", "eyes=context")
    assert invoke("import", "coco.json", *FACES, *roles).exit_code == 0
    text = Path("coco.redraft").read_text(encoding="utf-8")
    assert "  copy    z[3] polygon(16,24 48,24 32,40)\n" in text
    assert "  context z[5] box(x 16..48, y 24..40)\n" in text


RUNS = {
    "images": [{"id": 1, "file_name": "3.png", "width": 64, "height": 64}],
    "categories": [{"id": 1, "name": "context"}],
    "annotations": [{"image_id": 1, "category_id": 1, "segmentation": {"counts": "x"}}],
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (labelme(("context", "linestrip", [[1, 2], [3, 4]])), "which encloses no region"),
        (labelme(("context", "polygon", [[1, 2], [3, 4]])), "has 2 points"),
        (labelme(EYES_BOX, picture="cat.png"), "holds no number of an image"),
        (labelme(), "nothing is marked in it"),
        (labelme(EYES_BOX).replace('"imageHeight": 512', '"imageHeight": 300'), "512 x 300"),
        (labelme(EYES_BOX).replace('"imageHeight": 512', '"imageHeight": 0'), "`imageHeight`"),
        ('{"shapes": 3, "imagePath": "3.png"}', "`shapes`"),
        ('{"shapes": [', "it is not JSON"),
        (json.dumps(RUNS), "is marked by run lengths"),
        (json.dumps(RUNS).replace('{"counts": "x"}', '[[1, 2, "a", 4, 5, 6]]'), "are no numbers"),
        (json.dumps(RUNS).replace('"image_id": 1', '"image_id": 4'), "not in it"),
    ],
)
def test_annotations_that_no_region_can_be_are_refused(
    invoke: Invoke, text: str, said: str
) -> None:
    Path("drawn.json").write_text(text, encoding="utf-8")
    shown = invoke("import", "drawn.json", *FACES)
    assert shown.exit_code == 1
    assert "error[RD669]: drawn.json cannot be imported: " in shown.stderr
    assert said in " ".join(shown.stderr.split())
    assert not Path("drawn.redraft").exists()


def test_a_role_that_there_is_not_is_refused(invoke: Invoke) -> None:
    Path("drawn.json").write_text(labelme(EYES_BOX), encoding="utf-8")
    shown = invoke("import", "drawn.json", *FACES, "--label", "context=hat")
    assert shown.exit_code == 2
    assert "write LABEL=ROLE, where ROLE is one of copy, paste, from, context" in shown.stderr
