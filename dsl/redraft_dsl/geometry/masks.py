"""Reading mask files from other people: small limits, no surprises."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from redraft_dsl.files import FileFaultError, inside, path_fault, read_regular
from redraft_dsl.geometry.painted import cover_of, eight_bits, is_turned, upright

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 4096 * 4096
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")

Fault = Literal["missing", "unreadable", "outside", "not an image", "too large"]


class MaskError(Exception):
    """A mask file cannot be used. ``fault`` says which kind of trouble, the message says more."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@dataclass(frozen=True)
class MaskFile:
    """A mask that was read: its bytes' sha256 (hex) and its size (height, width) in pixels."""

    path: str
    data: bytes
    size: tuple[int, int]

    @cached_property
    def sha256(self) -> str:
        """sha256 (hex) of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def coverage(self) -> npt.NDArray[np.float64]:
        """(H, W) float64 in 0..1, as a person sees it. Raises ``MaskError`` when damaged."""
        return _decode(self.data, _cover)

    @cached_property
    def marks_something(self) -> bool:
        """Whether anything of it is inside. Raises ``MaskError`` when damaged."""
        return bool(self.coverage.any())

    @cached_property
    def is_faint(self) -> bool:
        """Whether no pixel is more than half inside. Raises ``MaskError`` when damaged."""
        return not bool((self.coverage > 0.5).any())

    def has_shape_of(self, image: tuple[int, int]) -> bool:
        """Whether its height and width are those of a picture, or a multiple of both.

        Up to one pixel of rounding.
        """
        return abs(self.size[0] * image[1] - self.size[1] * image[0]) <= max(image)

    def resized(self, size: tuple[int, int]) -> npt.NDArray[np.float64]:
        """(h, w) float64 in 0..1, made from the mask's own pixels as the paper's authors do.

        Transparency is dropped, the red channel is taken, and Pillow's bilinear filter brings it
        to ``size`` in 8 bits: each new pixel is an average of the old ones under a triangle that
        is two new pixels wide. Raises ``MaskError`` when the picture is damaged.
        """
        return _decode(self.data, partial(_resized_red, size=size))


def read_mask(path: str, folder: Path) -> MaskFile:
    """Read ``folder/path`` and its header; the picture itself is decoded on first use.

    Raises ``MaskError`` for a file that is missing, unreadable, outside ``folder`` (a symbolic
    link), larger than ``MAX_BYTES`` or ``MAX_PIXELS``, or something that is not a picture.
    """
    fault = path_fault(path)
    if fault is not None:
        raise MaskError("outside", fault)
    data = _bytes(path, folder)
    return MaskFile(path, data, _header(data))


def mask_of(data: bytes, path: str) -> MaskFile:
    """A mask's bytes that have been read already; ``path`` is the name under which it is known.

    Raises ``MaskError`` for more than ``MAX_BYTES`` or ``MAX_PIXELS``, or for something that is
    not a picture.
    """
    if len(data) > MAX_BYTES:
        raise MaskError("too large", f"{len(data)} bytes, at most {MAX_BYTES} are read")
    return MaskFile(path, data, _header(data))


def png_of(cover: npt.NDArray[np.float64]) -> bytes:
    """A coverage (H, W) in 0..1 as a grey PNG of 8 bits, which a mask can be read from."""
    import numpy as np
    from PIL import Image

    grey = np.rint(np.clip(cover, 0.0, 1.0) * 255.0).astype(np.uint8)
    stored = BytesIO()
    Image.fromarray(grey).save(stored, format="PNG")
    return stored.getvalue()


def _bytes(path: str, folder: Path) -> bytes:
    file = inside(folder, path)
    if file is None:
        raise MaskError("outside", "it is a link that leaves the recipe's folder")
    try:
        return read_regular(file, MAX_BYTES)
    except FileFaultError as problem:
        trouble = problem.trouble
        fault = trouble if trouble in ("missing", "too large") else "unreadable"
        raise MaskError(fault, str(problem)) from None


def _open(data: bytes) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(BytesIO(data), formats=FORMATS)


def _header(data: bytes) -> tuple[int, int]:
    from PIL import Image

    try:
        image = _open(data)
    except Image.DecompressionBombError:
        raise MaskError("too large", f"more than {MAX_PIXELS} pixels") from None
    # Pillow's readers raise whatever their parsing runs into; any of it means a damaged file.
    except Exception:
        raise MaskError("not an image", "it is not a picture that can be read") from None
    width, height = image.size
    if is_turned(image):
        width, height = height, width
    if width * height > MAX_PIXELS:
        raise MaskError(
            "too large", f"{width}x{height} pixels, at most {MAX_PIXELS} pixels are read"
        )
    return height, width


def _decode(data: bytes, take: Callable[[Any], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """What ``take`` makes of the picture."""
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _open(data)
            image.load()
            return np.ascontiguousarray(take(image))
    # As above: a file may have a good header and still end in the middle.
    except Exception:
        raise MaskError("not an image", "the picture is damaged or cut off") from None


def _resized_red(image: Any, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(h, w) float64 in 0..1 of an opened image."""
    import numpy as np
    from PIL import Image

    height, width = size
    # Pillow itself, not a formula of our own: its rounding in 8 bits is part of what is reproduced.
    resized = (
        eight_bits(upright(image)).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    )
    return np.asarray(resized.getchannel("R"), dtype=np.float64) / 255.0


def _cover(image: Any) -> npt.NDArray[np.float64]:
    """(H, W) float64 in 0..1 of an opened image."""
    return cover_of(upright(image))
