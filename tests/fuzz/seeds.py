"""Good files of each kind, made anew in a folder, from which damaged ones are derived."""

from __future__ import annotations

import io
import pickle
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from tests.docs.kind_files import KINDS
from torch import nn

import redraft
from redraft.share.pack.writing import pack

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """edition 2026

recipe demo 1.0.0 "A demonstration"

model tiny {
  arch    dcgan
  weights "tiny.pth"
}

latents z { seed 1  count 60 }

rule dot at layer6 {
  copy    z[3] mask("eyes.png")
  context z[5] box(x 8..40, y 8..40)
  context like z[5] box(x 8..40, y 8..40) top 6 among 0..39
  rank     2
}
rule later at layer9 {
  copy    z[7] box(x 8..40, y 8..40)
  context z[9] box(x 8..40, y 8..40)
  context z[11] box(x 8..40, y 8..40)
  rank     2
}
"""


def tiny_state() -> dict[str, torch.Tensor]:
    """A DCGAN of true shape with 16 latent numbers and pictures of 64 pixels, always the same."""
    source = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for place, (inner, outer) in enumerate(pairwise((16, 32, 16, 8, 8, 3))):
        shape = (inner, outer, 4, 4)
        state[f"main.{3 * place}.weight"] = torch.randn(shape, generator=source) / inner**0.5
        if outer != 3:
            norm = nn.BatchNorm2d(outer).state_dict()
            state |= {f"main.{3 * place + 1}.{name}": each.clone() for name, each in norm.items()}
    return state


def workshop(folder: Path) -> Path:
    """A recipe that runs in a second, with its model and its mask; gives the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tiny_state(), folder / "tiny.pth")
    grey = np.zeros((64, 64), np.uint8)
    grey[8:40, 8:40] = 255
    Image.fromarray(grey).save(folder / "eyes.png")
    path = folder / "demo.redraft"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def recipes() -> list[bytes]:
    """Texts of recipes: those that come with redraft, and those of earlier versions."""
    folders = (ROOT / "recipes", ROOT / "tests" / "fixtures" / "recipes-0.1")
    found = [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.redraft"))]
    return [*found, RECIPE.encode()]


def checkpoints(folder: Path) -> list[bytes]:
    """Files of weights of every kind and container."""
    found = []
    for kind in KINDS:
        path, _ = kind.write(folder)
        found.append(path.read_bytes())
    state = {f"main.{place}.weight": torch.zeros(4, 4, 4, 4) for place in (0, 3, 6)}
    old = io.BytesIO()
    torch.save(state, old, _use_new_zipfile_serialization=False)
    return [
        *found,
        old.getvalue(),
        save(state),
        pickle.dumps(state),
        pickle.dumps({"G_ema": state}),
    ]


def masks() -> list[bytes]:
    """Small pictures in every format and mode that is read."""
    grey = np.zeros((24, 32), np.uint8)
    grey[4:16, 8:24] = 255
    plain = Image.fromarray(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    classes = Image.fromarray((grey > 0).astype(np.uint8))
    classes.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    single = Image.fromarray(grey.astype(np.float32) / 255)
    made = [
        *((plain, form) for form in ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")),
        *((plain.convert(mode), "PNG") for mode in ("1", "LA", "RGB", "RGBA", "P")),
        *((classes, "PNG"), (deep, "PNG"), (deep, "TIFF"), (single, "TIFF")),
    ]
    found = []
    for image, form in made:
        stored = io.BytesIO()
        image.save(stored, format=form, **({"exif": exif} if form in ("JPEG", "TIFF") else {}))
        found.append(stored.getvalue())
    compressed = io.BytesIO()
    plain.save(compressed, format="TIFF", compression="tiff_lzw")
    return [*found, compressed.getvalue()]


def edit_and_pack(folder: Path) -> tuple[bytes, bytes]:
    """An edit and a pack of a small run."""
    path = workshop(folder)
    shutil.rmtree(folder / "run", ignore_errors=True)
    redraft.run(path, folder / "run", device="cpu", threads=1)
    # The sheet is much the largest file of a pack, and no longer looked at once it is hashed.
    Image.new("L", (8, 8)).save(folder / "run" / "before-after.png")
    out = folder / "demo.redraftpack"
    pack(folder / "run", out, force=True)
    return (folder / "run" / "edit.safetensors").read_bytes(), out.read_bytes()
