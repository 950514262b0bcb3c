"""The authors' edit files: read, made into recipes, and given back as they were."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from redraft_dsl.check import Checked
from redraft_dsl.davidbau import edits
from redraft_dsl.davidbau.edits import (
    FIELDS,
    EditFile,
    MarkedImage,
    NotAnEditError,
    read_edit,
    write_edit,
)
from redraft_dsl.davidbau.from_recipe import Exported, edit_of
from redraft_dsl.davidbau.to_recipe import Draft, ImportOptions, draft
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.syntax.editions import format_text
from redraft_dsl.syntax.tree import comments_of

FACES = r.ListedModel(name="faces")


def no_size() -> tuple[int, int]:
    raise AssertionError("nothing has to be drawn")


def drawing(box: tuple[int, int, int, int] = (5, 5, 50, 50), side: int = 64) -> bytes:
    """A mask as the authors' program draws it: white with soft, transparent edges."""
    alpha = Image.new("L", (side, side))
    ImageDraw.Draw(alpha).ellipse(box, fill=255)
    alpha = alpha.resize((side // 2, side // 2)).resize((side, side))
    mask = Image.merge("RGBA", [alpha.point(lambda a: 255 if a else 0)] * 3 + [alpha])
    stored = io.BytesIO()
    mask.save(stored, format="PNG")
    return stored.getvalue()


MASKS = (drawing(), drawing((15, 10, 45, 40)), drawing((20, 20, 175, 225), 256))


def url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def text_of(*fields: tuple[str, Any]) -> bytes:
    """An edit file as the authors' program saves it."""
    return json.dumps(dict(fields), indent=1).encode()


def marked(image: int = 3, mask: int = 0) -> list[Any]:
    return [image, url(MASKS[mask])]


# Every combination of fields among the published edits, in the orders in which they stand there.
SHAPES = {
    "copy and paste": text_of(("object", marked(3)), ("paste", marked(9, 1))),
    "a query between": text_of(
        ("object", marked(3)), ("query", marked(5, 1)), ("paste", marked(9, 1))
    ),
    "with a context": text_of(
        ("query", marked(960)),
        ("key", [marked(3), marked(7, 1)]),
        ("object", marked(819)),
        ("paste", marked(960, 1)),
    ),
    "one context, the paste itself": text_of(
        ("key", [marked(9)]), ("object", marked(3)), ("paste", marked(9))
    ),
    "masks of several sizes": text_of(
        ("object", marked(3, 2)), ("paste", marked(9, 2)), ("key", [marked(7, 0), marked(8, 1)])
    ),
    "one picture twice": text_of(
        ("key", [marked(7), marked(7, 1), marked(7, 1)]),
        ("object", marked(7)),
        ("paste", marked(7)),
    ),
    "context alone": text_of(("key", [marked(3), marked(4, 1)])),
    "context of one": text_of(("key", [marked(3)])),
    "context and query": text_of(("query", marked(3)), ("key", [marked(4), marked(5)])),
    "context and copy": text_of(("key", [marked(3), marked(4)]), ("object", marked(5, 1))),
    "context and paste": text_of(("key", [marked(3), marked(4)]), ("paste", marked(5, 1))),
    "paste alone": text_of(("paste", marked(5))),
    "paste and query": text_of(("paste", marked(5)), ("query", marked(6, 1))),
    "images beyond theirs": text_of(("object", marked(1500)), ("paste", marked(99_999_999))),
}


@pytest.fixture
def trip(models: KnownModels, tmp_path: Path) -> Callable[..., Exported]:
    """Import, check, and export again; every claim about the recipe between is checked too."""

    def run(data: bytes, **wish: Any) -> Exported:
        made = draft(
            read_edit(data), ImportOptions(wish.pop("source", "some_edit"), FACES, "layer6", **wish)
        )
        return exported(made, models, tmp_path)

    return run


def exported(made: Draft, models: KnownModels, folder: Path) -> Exported:
    checked = checked_draft(made, models, folder)
    assert checked.recipe is not None, checked.diagnostics
    assert format_text(made.text).text == made.text
    return edit_of(checked.recipe, texts(checked), folder, no_size)


def texts(checked: Checked) -> list[str]:
    return [comment.text for comment in comments_of(checked.tree)]


def checked_draft(made: Draft, models: KnownModels, folder: Path) -> Checked:
    for path, data in made.masks.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return loads(made.text, models, folder=folder)


@pytest.mark.parametrize("removal", [None, "zero", "erase"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_file_comes_back_as_it_was(
    trip: Callable[..., Exported], name: str, removal: str | None
) -> None:
    back = trip(SHAPES[name], removal=removal)
    assert write_edit(back.edit).encode() == SHAPES[name]
    assert back.drawn == ()


PICTURES = st.builds(
    lambda image, mask: MarkedImage(image, MASKS[mask]), st.integers(0, 2000), st.integers(0, 2)
)
EDITS = st.builds(
    EditFile,
    object=st.none() | PICTURES,
    paste=st.none() | PICTURES,
    key=st.none() | st.lists(PICTURES, min_size=1, max_size=4).map(tuple),
    query=st.none() | PICTURES,
    order=st.permutations(FIELDS).map(tuple),
).filter(lambda edit: edit.paste is not None or edit.key is not None)


@settings(max_examples=30)
@given(EDITS, st.sampled_from([None, "zero", "erase"]))
def test_any_file_comes_back_as_it_was(models: KnownModels, edit: EditFile, removal: Any) -> None:
    text = write_edit(edit)
    read = read_edit(text.encode())
    assert (read.object, read.paste, read.key, read.query) == (
        edit.object,
        edit.paste,
        edit.key,
        edit.query,
    )
    with tempfile.TemporaryDirectory() as folder:
        made = draft(read, ImportOptions("x", FACES, "layer9", 1, removal))
        assert write_edit(exported(made, models, Path(folder)).edit) == text


def made_of(name: str, **wish: Any) -> Draft:
    return draft(read_edit(SHAPES[name]), ImportOptions("dome2tree", FACES, "layer6", **wish))


def rule_of(made: Draft, models: KnownModels, folder: Path) -> r.Rule:
    recipe = checked_draft(made, models, folder).recipe
    assert recipe is not None
    return recipe.rules[0]


def test_a_paste_edit_is_a_rule_that_computes_as_they_do(
    models: KnownModels, tmp_path: Path
) -> None:
    made = made_of("with a context", rank=4)
    rule = rule_of(made, models, tmp_path)
    assert isinstance(rule, r.Insert)
    assert (rule.name, rule.layer, rule.rank, rule.compat) == ("dome2tree", "layer6", 4, "davidbau")
    assert rule.copy_from.index == 819
    assert [place.index for place in rule.paste if isinstance(place, r.Place)] == [960]
    assert [place.index for place in rule.context if isinstance(place, r.Place)] == [3, 7]
    region = rule.copy_from.region
    assert isinstance(region, r.Mask)
    assert (region.path, region.resample) == ("masks/dome2tree/copy-819.png", "bilinear")
    assert made.masks[region.path] == MASKS[0]
    assert '# davidbau: query z[960] mask("masks/dome2tree/query-960.png" bilinear)' in made.text
    assert "rank 1" not in made.text


def test_without_a_key_the_paste_is_the_context(models: KnownModels, tmp_path: Path) -> None:
    made = made_of("copy and paste")
    rule = rule_of(made, models, tmp_path)
    assert isinstance(rule, r.Insert)
    assert rule.paste == rule.context
    assert "the paste is the context" in made.text
    assert "# - rank 1, where the authors' program begins" in made.text


@pytest.mark.parametrize(
    ("name", "removal", "kind", "compat"),
    [
        ("context alone", None, r.Zero, None),
        ("context alone", "erase", r.Erase, None),
        ("context and copy", None, r.Zero, None),
        ("context and paste", None, r.Erase, "davidbau"),
        ("context and paste", "zero", r.Zero, None),
        ("paste alone", None, r.Erase, "davidbau"),
        ("with a context", "erase", r.Erase, "davidbau"),
    ],
)
def test_marks_without_a_copy_are_removed(
    models: KnownModels,
    tmp_path: Path,
    name: str,
    removal: Any,
    kind: type[r.Rule],
    compat: str | None,
) -> None:
    made = made_of(name, removal=removal)
    rule = rule_of(made, models, tmp_path)
    assert type(rule) is kind
    assert rule.contrast == (0.8 if kind is r.Erase and compat is None else 0)
    if isinstance(rule, r.Erase):
        assert (rule.compat, rule.units) == (compat, 30)
    said = "as asked for" if removal else "since the file does not say what to copy where"
    assert f"# - {rule.kind}, {said}" in made.text


def test_a_model_file_is_named_with_what_was_given(tmp_path: Path, models: KnownModels) -> None:
    model = r.FileModel(name="gan", arch="village", path="g.pt", sha256="0f" * 32, truncation=0.5)
    made = draft(read_edit(SHAPES["copy and paste"]), ImportOptions("a", model, "layer8"))
    recipe = checked_draft(made, models, tmp_path).recipe
    assert recipe is not None
    assert recipe.model == model
    assert "no truncation" not in made.text
    bare = draft(
        read_edit(SHAPES["copy and paste"]),
        ImportOptions("a", r.FileModel(name="gan", arch="village", path="g.pt"), "layer8"),
    )
    assert "# - no truncation; their notebook draws StyleGAN2 with truncation 0.5" in bare.text


def test_a_layer_that_is_not_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold the layer"):
        draft(read_edit(SHAPES["paste alone"]), ImportOptions("a", FACES, "layer6 { rank 1 }"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("effective-smile-2", "effective-smile-2"),
        ("dome2castle_layer6_no_context", "dome2castle_layer6_no_context"),
        ("Мой файл", "my-name"),
        ('a "b" # c', "a-b-c"),
        ("x" * 300, "x" * 100),
        ("spire2tree2", "spire2tree2"),
        ("2nd try-", "nd-try"),
        ("box", "box"),
    ],
)
def test_any_file_name_makes_a_recipe(
    models: KnownModels, tmp_path: Path, source: str, name: str
) -> None:
    made = draft(read_edit(SHAPES["a query between"]), ImportOptions(source, FACES, "layer6"))
    assert made.name == name
    assert write_edit(exported(made, models, tmp_path).edit).encode() == SHAPES["a query between"]


def test_more_images_than_theirs_are_counted(models: KnownModels, tmp_path: Path) -> None:
    few, many = made_of("with a context"), made_of("images beyond theirs")
    assert "latents z { seed 1  count 1000 }" in few.text
    assert "statistics are over 1000 images, as in their notebook" in few.text
    assert "latents z { seed 1  count 100000000 }" in many.text
    assert "there are 100000000 images" in many.text


def broken(name: str, value: Any) -> bytes:
    return text_of(("object", marked()), ("paste", marked()), (name, value))


GOOD = url(MASKS[0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is not JSON (line 1, column 1)"),
        (b"\x89PNG\r\n", "it is not text in UTF-8"),
        (b"edition 2026\n", "it is not JSON"),
        (b'{"object": [1,', "it is not JSON"),
        (b"[" * 100_000, "too deep"),
        (b'{"object": [' + b"9" * 5000 + b', ""]}', "a number too long"),
        (b"[]", "it is JSON, but not an object"),
        (b"null", "it is JSON, but not an object"),
        (b"{}", "it has neither `paste` nor `key`"),
        (text_of(("object", marked())), "it has neither `paste` nor `key`"),
        (text_of(("query", marked())), "it has neither `paste` nor `key`"),
        (b'{"paste": 1, "paste": 2}', "it names `paste` twice"),
        (broken("extra", 1), "it has a field `extra`"),
        (
            json.dumps({"14": {"value": "-5.0", "intervention": GOOD}}).encode(),
            "the marks of the authors' reflection experiment",
        ),
        (broken("key", []), "its `key` is not a list of marked pictures"),
        (broken("key", None), "its `key` is not a list of marked pictures"),
        (broken("key", {"a": 1}), "its `key` is not a list of marked pictures"),
        (broken("key", [[1]]), "its `key[0]` is not a number and a mask"),
        (broken("query", None), "its `query` is not a number and a mask"),
        (broken("query", ["3", GOOD]), "the picture of its `query` is not a number"),
        (broken("query", [True, GOOD]), "the picture of its `query` is not a number"),
        (broken("query", [1.5, GOOD]), "the picture of its `query` is not a number"),
        (broken("query", [-1, GOOD]), "the picture of its `query` is not a number"),
        (broken("query", [10**9, GOOD]), "the picture of its `query` is not a number"),
        (broken("query", [1, None]), "the mask of its `query` is not a data URL"),
        (broken("query", [1, ""]), "the mask of its `query` is not a data URL"),
        (
            broken("query", [1, "http://example.org/a.png"]),
            "the mask of its `query` is not a data URL",
        ),
        (
            broken("query", [1, GOOD.replace("png", "jpeg")]),
            "the mask of its `query` is not a data URL",
        ),
        (broken("query", [1, GOOD[:-3]]), "the mask of its `query` is broken base64"),
        (broken("query", [1, GOOD[:40] + "\u00e9" + GOOD[40:]]), "is broken base64"),
        (broken("query", [1, GOOD[:22] + "QR=="]), "is base64 in an unusual form"),
        (broken("query", [1, url(b"GIF89a")]), "the mask of its `query` is not a PNG"),
        (broken("query", [1, url(MASKS[0][:200])]), "the mask of its `query` cannot be used"),
        (broken("query", [1, url(MASKS[0][:8])]), "the mask of its `query` cannot be used"),
        (broken("key", [marked(), [2, url(MASKS[0][:-40])]]), "the mask of its `key[1]` cannot"),
    ],
)
def test_anything_else_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(NotAnEditError) as caught:
        read_edit(data)
    assert said in caught.value.message
    assert caught.value.help


def test_limits_on_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MAX_BYTES", 100)
    with pytest.raises(NotAnEditError, match="at most 100 are read"):
        read_edit(SHAPES["paste alone"])
    monkeypatch.undo()
    with pytest.raises(NotAnEditError, match="has 5001 pictures, and at most 5000"):
        read_edit(broken("key", [[1, ""]] * 5001))


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=3)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_nothing_else_breaks_the_reader(data: bytes) -> None:
    with pytest.raises(NotAnEditError):
        read_edit(data)


def test_what_was_added_to_an_import_is_exported_too(models: KnownModels, tmp_path: Path) -> None:
    made = made_of("a query between")
    more = made.text.replace(
        "  rank ", '  context z[77] mask("masks/dome2tree/paste-9.png" bilinear)\n  rank '
    )
    less = "".join(line for line in more.splitlines(True) if "davidbau: query" not in line)
    back = exported(Draft(made.name, less, made.masks), models, tmp_path).edit
    assert back.order == ("object", "paste", "key")
    assert [each.image for each in back.key or ()] == [9, 77]
