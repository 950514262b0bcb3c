"""From an edit file of the paper's authors to a recipe that computes what their code computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from redraft_dsl.davidbau.edits import EditFile, MarkedImage
from redraft_dsl.davidbau.notes import fields_note, unused_note
from redraft_dsl.language.language import LATEST
from redraft_dsl.language.spelling import respelled
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import model_text
from redraft_dsl.syntax.editions import format_text

AUTHORS_RANK = 1
"""What their program's window begins with."""
AUTHORS_COUNT = 1000
"""So many images their notebook takes its statistics over."""
AUTHORS_SEED = 1
AUTHORS_UNITS = 30
"""So many channels their erase silences."""

Kind = Literal["rule", "erase", "zero"]
Removal = Literal["erase", "zero"]


@dataclass(frozen=True)
class ImportOptions:
    """What an edit file does not say.

    ``source`` is the file's name without its ending, from which the recipe gets its own. ``rank``
    is None for the authors' default, ``removal`` for the kind that suits the file.
    """

    source: str
    model: r.Model
    layer: str
    rank: int | None = None
    removal: Removal | None = None


@dataclass(frozen=True)
class Draft:
    """A recipe that was made: its text in canonical layout, and its masks by relative path."""

    name: str
    text: str
    masks: Mapping[str, bytes]


@dataclass(frozen=True)
class _Part:
    """A field of the file, one picture of it, and where its mask goes."""

    field: str
    marked: MarkedImage
    path: str


def kind_of(edit: EditFile, removal: Removal | None = None) -> Kind:
    """What a file becomes: a rule if it says what to copy where, and something removed if not."""
    if removal is not None:
        return removal
    if edit.paste is None:
        return "zero"
    return "erase" if edit.object is None else "rule"


def draft(edit: EditFile, options: ImportOptions) -> Draft:
    """The recipe; whether it fits the model is for the checker to say.

    Raises ``ValueError`` for a layer or a model's path that the language cannot write.
    """
    name = respelled(options.source)
    parts = tuple(_parts(edit, name))
    kind, count = kind_of(edit, options.removal), _count(parts)
    lines = [
        *_remarks(edit, options, kind, count),
        *(unused_note(p.field, p.marked.image, p.path) for p in parts if not _used(p, edit, kind)),
        fields_note(edit.order),
        f"edition {LATEST}",
        "",
        f'recipe {name} 1.0.0 "{_shown(options.source)}, an edit of the paper\'s authors"',
        "",
        *model_text(options.model).splitlines(),
        f"latents z {{ seed {AUTHORS_SEED}  count {count} }}",
        f"{kind} {name} at {options.layer} {{",
        *_lines(edit, parts, kind),
        f"rank {options.rank or AUTHORS_RANK}",
        *_settings(edit, kind),
        "}",
    ]
    formatted = format_text("\n".join(lines))
    if formatted.text is None:
        raise ValueError(f"a recipe cannot hold the layer {options.layer!r} or the model's path")
    return Draft(name, formatted.text, {part.path: part.marked.png for part in parts})


def _parts(edit: EditFile, name: str) -> Iterator[_Part]:
    taken: set[str] = set()
    roles = {"object": "copy", "paste": "paste", "key": "context", "query": "query"}
    for field, role in roles.items():
        value = getattr(edit, field)
        for marked in value if isinstance(value, tuple) else (value,) if value else ():
            stem = f"masks/{name}/{role}-{marked.image}"
            path, again = f"{stem}.png", 2
            while path in taken:
                path, again = f"{stem}-{again}.png", again + 1
            taken.add(path)
            yield _Part(field, marked, path)


def _used(part: _Part, edit: EditFile, kind: Kind) -> bool:
    """Whether a line of the recipe names a part, so that no note is needed."""
    match part.field:
        case "key":
            return True
        case "object":
            return kind == "rule"
        case "paste":
            return kind != "zero" or edit.key is None
        case _:
            return False


def _lines(edit: EditFile, parts: tuple[_Part, ...], kind: Kind) -> Iterator[str]:
    for part in parts:
        place = f'z[{part.marked.image}] mask("{part.path}" bilinear)'
        if part.field == "object" and kind == "rule":
            yield f"copy {place}"
        if part.field == "paste" and kind != "zero":
            yield f"{'paste' if kind == 'rule' else 'from'} {place}"
        if part.field == "key" or (part.field == "paste" and edit.key is None):
            yield f"context {place}"


def _settings(edit: EditFile, kind: Kind) -> Iterator[str]:
    if kind == "erase":
        yield f"units {AUTHORS_UNITS}"
    if kind == "zero":
        yield "contrast 0"
    elif edit.paste is not None:
        yield "solver projected-adam { compat davidbau }"


def _count(parts: tuple[_Part, ...]) -> int:
    return max(AUTHORS_COUNT, *(part.marked.image + 1 for part in parts))


def _shown(text: str) -> str:
    """A file's name as it may stand in a title or a comment."""
    safe = "".join(c if c.isprintable() and c != '"' else "?" for c in text)
    return safe if len(safe) <= 60 else f"{safe[:59]}…"


def _remarks(edit: EditFile, options: ImportOptions, kind: Kind, count: int) -> Iterator[str]:
    yield f"# Made from {_shown(options.source)}, an edit file of the paper's authors. Such a file"
    yield "# holds images and masks only. The model and the layer were given; also assumed:"
    if options.rank is None:
        yield f"# - rank {AUTHORS_RANK}, where the authors' program begins"
    yield f"# - image i is row i of seed {AUTHORS_SEED}, as in their notebook"
    if count == AUTHORS_COUNT:
        yield f"# - statistics are over {count} images, as in their notebook"
    else:
        yield f"# - there are {count} images, since the file names one as high as that"
    if isinstance(options.model, r.FileModel) and options.model.truncation == 1.0:
        yield "# - no truncation; their notebook draws StyleGAN2 with truncation 0.5"
    yield from _about(edit, options, kind)
    if edit.key is None:
        yield "# - the file has no `key`, so the paste is the context, as in their code"
    yield "# The next lines hold what has no place in a recipe; `redraft export` reads them."


def _about(edit: EditFile, options: ImportOptions, kind: Kind) -> Iterator[str]:
    """What the kind of operation rests on, and what it computes."""
    if kind == "rule":
        yield "# - a rule, computed as their code does it (`compat davidbau`)"
        return
    why = "as asked for" if options.removal else "since the file does not say what to copy where"
    other = "erase" if kind == "zero" else "zero"
    yield f"# - {kind}, {why}; import it with `--as {other}` for the other kind of removal"
    if kind == "erase" and edit.paste is not None:
        yield "# - the erase is computed as their code does it (`compat davidbau`)"
    elif kind == "erase":
        yield "# - the goal is set at each context, by this project's own solver: their code"
        yield "#   needs a paste for that, and the file has none"
