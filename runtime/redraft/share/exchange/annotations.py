"""What annotation tools save: JSON of labelme, and COCO's polygons, as places of a rule.

The label of a shape says what it is for, in the words of a recipe: ``copy``, ``paste``, ``context``
or ``from``. The last number in the name of the annotated picture is the number of its image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from redraft_dsl.davidbau.edits import MAX_BYTES
from redraft_dsl.recipe.as_tree import number
from redraft_dsl.recipe.json_file import JsonFileError, read_object

ROLES = ("copy", "paste", "from", "context")
EXPORT = "export polygons, rectangles or circles from the annotation tool"
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Side = Annotated[float, Field(gt=0, le=1e6)]
Point = tuple[Number, Number]


class NotAnAnnotationError(JsonFileError):
    """A text is not a file of an annotation tool that can be read."""

    expected = "redraft reads JSON of labelme, and COCO files with polygons"


@dataclass(frozen=True)
class Shape:
    """One outline.

    Attributes:
        label: as it stands in the file.
        image: the number of its image.
        size: (width, height) of the annotated picture in pixels.
        kind: what the points are: corners, two corners, or a centre and a point of the circle.
        points: (x, y) in pixels of that picture.

    """

    label: str
    image: int
    size: tuple[float, float]
    kind: Literal["polygon", "rectangle", "circle"]
    points: tuple[Point, ...]

    def region(self, width: int, height: int) -> str:
        """The region in pixels of a model's pictures, as a recipe writes it."""
        across, down = width / self.size[0], height / self.size[1]
        places = [(x * across, y * down) for x, y in self.points]
        if self.kind == "circle":
            (x, y), (other, below) = places
            radius = ((x - other) ** 2 + (y - below) ** 2) ** 0.5
            return f"ellipse({_short(x)},{_short(y)} radius {_short(radius)},{_short(radius)})"
        held = [(min(max(x, 0), width), min(max(y, 0), height)) for x, y in places]
        if self.kind == "rectangle":
            (left, right), (top, bottom) = (sorted(each) for each in zip(*held, strict=True))
            return f"box(x {_short(left)}..{_short(right)}, y {_short(top)}..{_short(bottom)})"
        return f"polygon({' '.join(f'{_short(x)},{_short(y)}' for x, y in held)})"


def looks_annotated(data: bytes) -> bool:
    """Whether a file is meant to be of an annotation tool."""
    return b'"shapes"' in data or (b'"annotations"' in data and b'"images"' in data)


def read_annotations(data: bytes) -> tuple[Shape, ...]:
    """Read a file's bytes.

    Raises:
        NotAnAnnotationError: for what it is not, and for shapes that no region can be.

    """
    whole = read_object(data, MAX_BYTES, NotAnAnnotationError)
    kind: type[_Labelme | _Coco] = _Labelme if "shapes" in whole else _Coco
    try:
        found = tuple(kind.model_validate(whole).found())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise NotAnAnnotationError(f"`{place}`: {first['msg'].lower()}") from None
    if not found:
        raise NotAnAnnotationError("nothing is marked in it", "mark a place and save it again")
    return found


def places(
    shapes: Iterable[Shape], roles: Mapping[str, str], width: int, height: int
) -> Iterator[tuple[str, int, str]]:
    """Role, image and region of every image that is marked for a role, in the order of the roles.

    Args:
        shapes: of a file.
        roles: what a label stands for, beside the roles themselves.
        width: of the model's pictures, in pixels.
        height: likewise.

    Raises:
        NotAnAnnotationError: a picture has another aspect ratio than the model's.

    """
    joined: dict[tuple[str, int], list[str]] = {}
    for shape in shapes:
        role = roles.get(shape.label, shape.label.lower())
        if role not in ROLES:
            continue
        if abs(shape.size[0] * height / (shape.size[1] * width) - 1) > 0.01:
            given = " x ".join(number(side) for side in shape.size)
            raise NotAnAnnotationError(
                f"image {shape.image} was marked in a picture of {given} pixels, and the model's "
                f"have {width} x {height}",
                "mark pictures that `redraft sample MODEL --bare --images 95` writes",
            )
        joined.setdefault((role, shape.image), []).append(shape.region(width, height))
    for (role, image), regions in sorted(joined.items(), key=lambda item: ROLES.index(item[0][0])):
        yield role, image, " plus ".join(regions)


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _LabelmeShape(_Read):
    label: str
    points: tuple[Point, ...]
    shape_type: str = "polygon"


class _Labelme(_Read):
    shapes: tuple[_LabelmeShape, ...]
    imagePath: str  # noqa: N815 - the file's own names
    imageWidth: Side  # noqa: N815
    imageHeight: Side  # noqa: N815

    def found(self) -> Iterator[Shape]:
        image, size = _image(self.imagePath), (self.imageWidth, self.imageHeight)
        for shape in self.shapes:
            kind = _known(shape.shape_type, shape.label)
            needed = _CORNERS[kind]
            if not needed(len(shape.points)):
                raise NotAnAnnotationError(
                    f"the {kind} `{shape.label}` has {len(shape.points)} points", EXPORT
                )
            yield Shape(shape.label, image, size, kind, shape.points)


class _CocoImage(_Read):
    id: int
    file_name: str
    width: Side
    height: Side


class _CocoCategory(_Read):
    id: int
    name: str


class _CocoMark(_Read):
    image_id: int
    category_id: int
    segmentation: Any = None
    bbox: tuple[Number, Number, Number, Number] | None = None


class _Coco(_Read):
    images: tuple[_CocoImage, ...]
    annotations: tuple[_CocoMark, ...]
    categories: tuple[_CocoCategory, ...]

    def found(self) -> Iterator[Shape]:
        images = {each.id: each for each in self.images}
        names = {each.id: each.name for each in self.categories}
        for mark in self.annotations:
            if mark.image_id not in images or mark.category_id not in names:
                raise NotAnAnnotationError("an annotation is of an image or a category not in it")
            image, label = images[mark.image_id], names[mark.category_id]
            size, seen = (image.width, image.height), _image(image.file_name)
            for kind, points in _outlines(mark, label):
                yield Shape(label, seen, size, kind, points)


def _outlines(
    mark: _CocoMark, label: str
) -> Iterator[tuple[Literal["polygon", "rectangle"], tuple[Point, ...]]]:
    if not mark.segmentation and mark.bbox is not None:
        x, y, width, height = mark.bbox
        yield "rectangle", ((x, y), (x + width, y + height))
        return
    if not isinstance(mark.segmentation, list) or not mark.segmentation:
        raise NotAnAnnotationError(f"`{label}` is marked by run lengths, not by polygons", EXPORT)
    for outline in mark.segmentation:
        if not isinstance(outline, list) or len(outline) < 6 or len(outline) % 2:
            raise NotAnAnnotationError(f"a polygon of `{label}` is not three points or more")
        if not all(isinstance(each, int | float) and abs(each) <= 1e6 for each in outline):
            raise NotAnAnnotationError(f"a polygon of `{label}` has points that are no numbers")
        yield "polygon", tuple(zip(outline[::2], outline[1::2], strict=True))


_CORNERS: Mapping[str, Callable[[int], bool]] = {
    "polygon": lambda count: count >= 3,
    "rectangle": lambda count: count == 2,
    "circle": lambda count: count == 2,
}


def _known(kind: str, label: str) -> Literal["polygon", "rectangle", "circle"]:
    if kind not in _CORNERS:
        raise NotAnAnnotationError(f"`{label}` is a {kind[:30]}, which encloses no region", EXPORT)
    return kind  # type: ignore[return-value] # one of them


def _image(name: str) -> int:
    """The last number in the name of a picture."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    found: Sequence[str] = re.findall(r"[0-9]{1,8}", stem)
    if not found:
        raise NotAnAnnotationError(
            f"the name of the picture, `{name[:80]}`, holds no number of an image",
            "name it like 95.png: image 95 is what `redraft sample MODEL --bare --images 95` draws",
        )
    return int(found[-1])


def _short(value: float) -> str:
    return number(round(value, 2))
