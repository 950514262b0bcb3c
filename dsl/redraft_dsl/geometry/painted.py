"""How much of each pixel a painted picture marks, as the person who painted it sees it.

Light is inside, in grey. Colour on one ground (transparent, black or white) is inside too, however
dark it is: strokes of a paint program, or the classes of an annotation tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

DEEP = 65535.0
"""The brightest of 16 bits."""
VOC = (0, 0, 0, 128, 0, 0, 0, 128, 0)
"""How the palette of annotation tools begins; class 0 is the ground, 255 what is not judged."""
NEAR = 0.06
"""How far from its ground a pixel may be and still be ground."""
COLOURED, VIVID = 0.25, 0.4
"""Brightest channel less darkest, from which a pixel has a colour: itself, or of the brightest."""
LEAST_GROUND, LEAST_SHARE = 0.1, 0.5
"""Share of a picture that its ground fills, and of the rest that has a colour."""
ASTRAY = 0.15
"""How far from the line between ground and colour pixels may be that are mixed of the two."""


def is_turned(image: Any) -> bool:
    """Whether width and height of an opened picture are swapped when it is upright."""
    return _orientation(image) in (5, 6, 7, 8)


def upright(image: Any) -> Any:
    """A picture turned as its camera says it is to be seen."""
    from PIL import ImageOps

    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _orientation(image: Any) -> int:
    """1 to 8, as EXIF has it; nothing of the picture itself is decoded for it."""
    # Pillow turns a TIFF itself, and finds some notes of a PNG only behind the picture.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    # A camera's notes are no part of the picture, and may be damaged on their own.
    except Exception:
        return 1
    return found if found in range(1, 9) else 1


def eight_bits(image: Any) -> Any:
    """A picture of 16 bits in 8; others as they are."""
    if not image.mode.startswith("I"):
        return image
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.rint(_deep(image) * 255.0).astype(np.uint8))


def cover_of(image: Any) -> Floats:
    """(H, W) in 0..1 of an opened picture that is upright."""
    import numpy as np

    if image.mode.startswith("I"):
        return _deep(image)
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        return np.clip(values / (255.0 if values.max(initial=0.0) > 1.0 else 1.0), 0.0, 1.0)
    if image.mode == "P" and tuple(image.getpalette()[: len(VOC)]) == VOC:
        classes = np.asarray(image)
        return np.asarray((classes != 0) & (classes != 255), dtype=np.float64)
    values = np.asarray(image.convert("RGBA"), dtype=np.float64) / 255.0
    colours, alpha = values[..., :3], values[..., 3]
    found = _strokes(colours, alpha)
    return _light(image) if found is None else found


def _deep(image: Any) -> Floats:
    import numpy as np

    found: Floats = np.clip(np.asarray(image, dtype=np.float64) / DEEP, 0.0, 1.0)
    return found


def _light(image: Any) -> Floats:
    """Luminance over black."""
    import numpy as np
    from PIL import Image

    over = image.convert("RGBA")
    black = Image.new("RGBA", over.size, (0, 0, 0, 255))
    flat = Image.alpha_composite(black, over).convert("L")
    return np.asarray(flat, dtype=np.float64) / 255.0


def _strokes(colours: Floats, alpha: Floats) -> Floats | None:
    """What strokes cover, where a picture is of strokes on one ground; None for others."""
    import numpy as np

    opaque = alpha > 0.9
    if (alpha < NEAR).mean() >= LEAST_GROUND and opaque.any():
        painted = colours[opaque]
        one = bool((painted.std(0) < NEAR).all())
        return alpha if one or _coloured(painted).mean() >= LEAST_SHARE else None
    if not opaque.all():
        return None
    for ground in (0.0, 1.0):
        apart = np.abs(colours - ground).max(2)
        rest = colours[apart >= NEAR]
        wide = (apart < NEAR).mean() >= LEAST_GROUND
        if wide and len(rest) and _coloured(rest).mean() >= LEAST_SHARE:
            return _mixed(colours - ground, rest - ground, apart)
    return None


def _coloured(pixels: Floats) -> npt.NDArray[np.bool_]:
    most = pixels.max(-1)
    spread = most - pixels.min(-1)
    found: npt.NDArray[np.bool_] = (spread > COLOURED) | ((spread > VIVID * most) & (most > NEAR))
    return found


def _mixed(offsets: Floats, rest: Floats, apart: Floats) -> Floats:
    """How much of each pixel is colour: of one colour its share, of several all that is no ground.

    Args:
        offsets: (H, W, 3), colours less their ground.
        rest: (n, 3), those of them that are no ground.
        apart: (H, W), how far each pixel is from the ground.

    """
    import numpy as np

    lengths = np.abs(rest).max(1)
    full = rest[lengths >= 0.9 * np.quantile(lengths, 0.9)].mean(0)
    share = offsets @ full / (full @ full)
    wrong = np.abs(offsets - share[..., None] * full).max(2)
    if np.quantile(wrong[apart >= NEAR], 0.95) < ASTRAY:
        return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float64)
    return np.asarray(apart >= NEAR, dtype=np.float64)
