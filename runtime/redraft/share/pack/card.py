"""The card of a pack: a README that a model hub understands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from redraft.errors import ModelError
from redraft.explain.install import REDRAFT
from redraft.explain.words import counted
from redraft.models.code.reference import PLACEHOLDER, is_module, option
from redraft.models.listed import catalog
from redraft.models.listed.published import NOT_STATED
from redraft.plans.record import RunRecord
from redraft.plans.run_files import EDIT, LOCK, PICTURE, RECIPE, RECORD, REPORT
from redraft.share.pack import CARD, MANIFEST, SOURCE
from redraft.show.numbers import NONE, headline, interval
from redraft_dsl.recipe.model import Erase, Insert, Invert, Match, Place, Recipe, Rule

BRACKETS = "{} ({} to {})"
_TITLES = ("rule", "kind", "layer", "rank", "verdict", "share", "amplitude", "null", "outside",
           "left-out gain")  # fmt: skip
_FILES = {
    CARD: "this card",
    PICTURE: "pictures before and after",
    REPORT: "the report: pictures and figures on a page",
    EDIT: "the edit: low-rank changes of a few weights, without the model",
    MANIFEST: "size and sha256 of every file",
    RECIPE: "the recipe, with nothing left to look up",
    LOCK: "what the recipe was run with",
    RECORD: "the record of the run: figures, versions, hashes",
}

_CODE = (
    f"`{PLACEHOLDER}` stands for the code that makes the generator, which is not in this pack: the "
    "file, and a function in it. It is run, so name only code that you trust."
)


def card(recipe: Recipe, record: RunRecord | None, names: Sequence[str]) -> str:
    """The card of a recipe as Markdown with model-card front matter.

    Args:
        recipe: what is packed.
        record: of its run; None before it was run.
        names: of all files in the pack.

    """
    parts = [
        "\n".join(_front_matter(recipe, record)),
        f"# {_plain(recipe.title)}",
        _summary(recipe, record, edited=EDIT in names),
    ]
    if PICTURE in names:
        parts += [f"![pictures before and after the edit]({PICTURE})"]
    parts += ["## What it does", "\n".join(f"- {_deed(rule)}" for rule in recipe.rules)]
    if record is not None:
        parts += ["\n".join(_figures(record)), _measured(record)]
    parts += ["## How to use it", _use(recipe, record, edited=EDIT in names)]
    parts += ["## Files", "\n".join(_listing(names)), "## Where it comes from"]
    parts += ["\n".join(f"- {fact}" for fact in _origin(recipe, record))]
    return "\n\n".join(parts) + "\n"


def _front_matter(recipe: Recipe, record: RunRecord | None) -> Iterator[str]:
    # A JSON text is a YAML text too, so whatever stands in it stays within its quotes.
    yield "---"
    yield "library_name: redraft"
    yield f"base_model: {json.dumps(recipe.model.name)}"
    licence = _licence(recipe)
    if licence is not None:
        yield f"license: {licence}"
    yield "pipeline_tag: unconditional-image-generation"
    yield "tags:"
    arch = [record.model.arch] if record is not None else []
    for tag in ("redraft", "gan", "model-rewriting", *arch):
        yield f"- {json.dumps(tag)}"
    yield "---"


def _licence(recipe: Recipe) -> str | None:
    """The licence of the base model, where it is known, as hubs write it."""
    try:
        found = catalog.find(recipe.model.name).licence if recipe.model.kind == "listed" else None
    except ModelError:
        return None
    return None if found in (None, NOT_STATED) else str(found).lower()


def _summary(recipe: Recipe, record: RunRecord | None, *, edited: bool) -> str:
    rules = counted(len(recipe.rules), "rule")
    what = (
        f"`{recipe.name}` {recipe.version} rewrites {rules} of the generator `{recipe.model.name}`"
    )
    made = "made with redraft; the weights of the generator are not in it."
    if not edited:
        return f"{what}, {made} The recipe has not been run yet, so there is no edit in it."
    text = f"{what}, {made} Nothing else in the network changes."
    if record is None:
        return f"{text} The edit is several edits in one, and was not run as a whole."
    seen = [f"`{rule.name}` is {headline(rule)}" for rule in record.rules if rule.share is not None]
    return f"{text} {'; '.join(seen)}." if seen else text


def _deed(rule: Rule) -> str:
    """One rule in a sentence."""
    where = f"`{rule.name}` at `{rule.layer}`"
    contexts = _contexts(rule)
    if isinstance(rule, Insert):
        copy = f"{rule.copy_from.latents}[{rule.copy_from.index}]"
        return f"{where}, rank {rule.rank}: what is marked in {copy} appears {contexts}"
    if isinstance(rule, Erase):
        return f"{where}, rank {rule.rank}: silences {rule.units} units {contexts}"
    if isinstance(rule, Invert):
        marked = counted(len(rule.cause), "picture")
        return (
            f"{where}, rank {rule.rank}: what goes with the cause that is marked in {marked} is "
            "there without it, and the other way round"
        )
    return f"{where}, rank {rule.rank}: removes what the layer does {contexts}"


def _contexts(rule: Rule) -> str:
    marked = sum(isinstance(context, Place) for context in rule.context)
    found = [context for context in rule.context if isinstance(context, Match)]
    text = f"wherever it looks like {counted(marked, 'marked place')}"
    if not found:
        return text
    top = sum(match.top for match in found)
    more = f"up to {top} that {'is' if top == 1 else 'are'} found by match"
    return f"{text} and {more}" if marked else f"wherever it looks like {more}"


def _figures(record: RunRecord) -> Iterator[str]:
    yield f"| {' | '.join(_TITLES)} |"
    yield "|---" * len(_TITLES) + "|"
    for rule in record.rules:
        gain = NONE if rule.left_out is None else f"{rule.left_out.gain:.2f}"
        cells = [
            f"`{rule.name}`",
            rule.kind,
            f"`{rule.layer}`",
            str(rule.rank),
            rule.judgement.word,
            interval(rule.share, rule.share_interval, 2, BRACKETS),
            interval(rule.amplitude, rule.amplitude_interval, 2, BRACKETS),
            interval(rule.null, rule.null_interval, 2, BRACKETS),
            interval(rule.outside, rule.outside_interval, 3, BRACKETS),
            gain,
        ]
        yield f"| {' | '.join(cells)} |"


def _measured(record: RunRecord) -> str:
    if not record.evaluated_count:
        return "The rules were not measured on new pictures."
    return (
        f"Measured on {record.evaluated_count} {record.evaluated_on}; 95 % intervals over them in "
        "brackets. `share` is the part of them that changed as meant, `amplitude` how strongly "
        "(at 1 as much as the goal asks for), `null` the share of random edits of the same size, "
        "`outside` the mean change elsewhere (pixels go from -1 to 1)."
    )


def _use(recipe: Recipe, record: RunRecord | None, *, edited: bool) -> str:
    model = recipe.model.name if recipe.model.kind == "listed" else "MODEL.pth"
    own = is_module(recipe.model)
    code = f" {option(None)}" if own else ""
    said = f"\n\n{_CODE}" if own else ""
    if not edited:
        return f"```sh\n{REDRAFT}\nredraft run {RECIPE}{code}\n```{said}"
    checked = "" if record is None else f"redraft verify .{code}\n"
    meaning = "" if record is None else "; `verify` solves the recipe again and compares"
    return (
        "```sh\n"
        f"{REDRAFT}\n"
        f"redraft apply {model} {EDIT} --out edited.pth\n"
        f"{checked}"
        "```\n\n"
        f"`apply` writes an edited copy of the model{meaning}. In Python, on the network as you "
        "load it:\n\n"
        "```python\n"
        "import redraft\n\n"
        f'edit = redraft.Edit.load("{EDIT}")\n'
        "with edit.applied(generator):\n"
        "    pictures = generator(z)\n"
        f"```{said}"
    )


def _listing(names: Sequence[str]) -> Iterator[str]:
    yield "| file | what it is |"
    yield "|---|---|"
    for name in names:
        what = _FILES.get(name) or (
            "the recipe as it was written, and what it uses"
            if name.startswith(f"{SOURCE}/")
            else "a mask that the recipe names"
        )
        yield f"| {_plain(name)} | {what} |"


def _origin(recipe: Recipe, record: RunRecord | None) -> Iterator[str]:
    if record is None:
        yield f"recipe digest `{recipe.digest()}`"
        return
    model = record.model
    yield f"recipe digest `{record.recipe_digest}`"
    yield f"base model `{model.name}` ({model.arch}), file sha256 `{model.file_sha256}`"
    yield f"digest of the base model's tensors `{model.tensors_digest}`"
    yield f"redraft {record.machine.versions['redraft']}, torch {record.machine.versions['torch']}"


def _plain(text: str) -> str:
    """Text in which Markdown and HTML find nothing to act on."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", " ".join(text.split()))
