"""What a page may ask, as data: every request is validated before anything looks at it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MOST_TEXT = 2_000_000
"""Characters of a recipe; the checker reads no more."""
MOST_MASK = 4_000_000
"""Characters of a painted mask, a PNG in base64."""

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Short = Annotated[str, Field(max_length=200)]
Line = Annotated[str, Field(max_length=100_000)]
Number = Annotated[int, Field(ge=0, le=100_000_000)]


class Frozen(BaseModel):
    """Base of all messages: immutable, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Put(Frozen):
    """Give a setting a value."""

    kind: Literal["put"]
    owner: Short
    key: Short
    value: Line


class Add(Frozen):
    """Add a line or a statement."""

    kind: Literal["add"]
    text: Line
    owner: Short = ""
    after: Short = ""


class Drop(Frozen):
    """Take a part out."""

    kind: Literal["drop"]
    target: Short


class Replace(Frozen):
    """Write a part anew."""

    kind: Literal["replace"]
    target: Short
    text: Line


class Move(Frozen):
    """Move a rule in front of another, or to the end."""

    kind: Literal["move"]
    target: Short
    before: Short = ""


class Switch(Frozen):
    """Switch a rule off or on."""

    kind: Literal["switch"]
    target: Short
    on: bool


class Duplicate(Frozen):
    """Write a rule once more, below itself, under a new name."""

    kind: Literal["duplicate"]
    target: Short


class Rename(Frozen):
    """Give a rule another name, wherever the text names it."""

    kind: Literal["rename"]
    target: Short
    name: Short


AnyChange = Annotated[
    Put | Add | Drop | Replace | Move | Switch | Duplicate | Rename, Field(discriminator="kind")
]


class Change(Frozen):
    """Change the recipe by parts. Changes of one ``drag`` become one step of the history."""

    ask: Literal["change"]
    changes: tuple[AnyChange, ...] = Field(min_length=1, max_length=50)
    drag: Short = ""


class Type(Frozen):
    """Change the recipe as text: what stands from ``start`` to ``end`` of revision ``base``."""

    ask: Literal["type"]
    base: Number
    start: Number
    end: Number
    insert: Text


class Fix(Frozen):
    """Make one of the fixes of a problem."""

    ask: Literal["fix"]
    problem: Number
    fix: Number


class Kind(Frozen):
    """Make a rule another kind of operation, without what that does not take."""

    ask: Literal["kind"]
    rule: Short
    to: Short


class History(Frozen):
    """Go to a step of the history."""

    ask: Literal["history"]
    step: Number


class Look(Frozen):
    """Show other images: ``0..31, 200..212``."""

    ask: Literal["look"]
    numbers: Short


class See(Frozen):
    """Send the original pictures of some images, which are not on the sheet."""

    ask: Literal["see"]
    numbers: tuple[Number, ...] = Field(max_length=400)


class Stop(Frozen):
    """Stop what is being computed."""

    ask: Literal["stop"]
    what: Literal["solve", "search", "locate", "run"] = "solve"


class Again(Frozen):
    """Solve what was stopped."""

    ask: Literal["again"]


class Complete(Frozen):
    """What could be written at a place of the text."""

    ask: Literal["complete"]
    base: Number
    offset: Number


class Hover(Frozen):
    """What is known about a place of the text."""

    ask: Literal["hover"]
    base: Number
    offset: Number


class Keys(Frozen):
    """Which keys of a layer a region covers: written as in a recipe, or painted."""

    ask: Literal["keys"]
    layer: Short
    region: Line = ""
    mask: Annotated[str, Field(max_length=MOST_MASK)] = ""


class Mark(Frozen):
    """Mark a place: write a line, and a mask file where it was painted.

    Marks of one ``drag`` become one step of the history.
    """

    ask: Literal["mark"]
    rule: Short
    word: Short
    image: Number
    region: Line = ""
    mask: Annotated[str, Field(max_length=MOST_MASK)] = ""
    target: Short = ""
    drag: Short = ""


class Unmark(Frozen):
    """Take one image out of a line, such as ``glasses.context[0]``."""

    ask: Literal["unmark"]
    target: Short
    image: Number


class Search(Frozen):
    """Where else a layer sees what it sees in a place."""

    ask: Literal["search"]
    layer: Short
    image: Number
    first: Number
    last: Number
    region: Line = ""
    mask: Annotated[str, Field(max_length=MOST_MASK)] = ""


class Gather(Frozen):
    """Add what the last search has found to the context: one image, or the best of all."""

    ask: Literal["gather"]
    rule: Short
    index: Number | None = None
    top: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class Locate(Frozen):
    """Try a rule at every layer, and show one image with each."""

    ask: Literal["locate"]
    rule: Short
    image: Number


class Snapshot(Frozen):
    """Set the present text and pictures aside."""

    ask: Literal["snapshot"]


class Forget(Frozen):
    """Drop a snapshot."""

    ask: Literal["forget"]
    number: Number


class Restore(Frozen):
    """Go back to a snapshot."""

    ask: Literal["restore"]
    number: Number


class Save(Frozen):
    """Write the recipe."""

    ask: Literal["save"]
    path: Short = ""


class Open(Frozen):
    """Open a recipe of the folder."""

    ask: Literal["open"]
    path: Short


class Begin(Frozen):
    """Begin a recipe for a listed model, or for a model file of the folder."""

    ask: Literal["begin"]
    model: Short


class Cards(Frozen):
    """The models and the files that there are."""

    ask: Literal["cards"]


class Leave(Frozen):
    """Back to the choice of a model; refused while changes are not saved, unless ``drop``."""

    ask: Literal["leave"]
    drop: bool = False


class Recover(Frozen):
    """Take back what was not saved when studio ended, or drop it."""

    ask: Literal["recover"]
    bring_back: bool


class Run(Frozen):
    """Run the recipe, as `redraft run` does."""

    ask: Literal["run"]


Ask = Annotated[
    Change
    | Type
    | Fix
    | Kind
    | History
    | Look
    | See
    | Stop
    | Again
    | Complete
    | Hover
    | Keys
    | Mark
    | Unmark
    | Search
    | Gather
    | Locate
    | Snapshot
    | Forget
    | Restore
    | Save
    | Open
    | Begin
    | Cards
    | Leave
    | Recover
    | Run,
    Field(discriminator="ask"),
]


class Request(Frozen):
    """One message of a page: a number by which its answer is known, and what is asked."""

    id: Number
    body: Ask


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
