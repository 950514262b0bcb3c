from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts
from redraft_dsl.reading import loads

# A slow machine is not a failure: properties have no deadline here.
settings.register_profile("dsl", deadline=None)
settings.load_profile("dsl")

HEADER = 'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
MODEL = "model faces\n"
LATENTS = "latents z { seed 1  count 2000 }\n"
RULE = """rule plain at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  context z[130] box(x 12..52, y 24..38)
}
"""

FULL = """edition 2026

recipe glasses-for-all 1.0.0 "Every face wears glasses"

model faces
latents z { seed 1  count 2000 }
region bar = box(x 0%..100%, y 92%..100%) minus box(x 0..16, y 60..64)
region hat = polygon(10,20 50,20 30,2) plus ellipse(31,31 radius 20,8) within all

rule glasses at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  paste   z[130] box(x 12..52, y 24..38)
  paste   z[131] hat
  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)
  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40
  rank     4
  side     5%
  solver   projected-adam { steps 2001  rate 0.05  every 10  goal crop }
}

erase watermark at layer6 {
  from    z[360] bar
  context z[992] mask("masks/eyes.png")
  units    30
  rank     2
}

zero banner at main.6 {
  context z[390] bar
  rank     2
  directions svd
}
"""


def _layer(name: str, channels: tuple[int, int], key: int) -> LayerFacts:
    return LayerFacts(
        names=(f"layer{name}", f"main.{name}"),
        kind="conv-transpose",
        in_channels=channels[0],
        out_channels=channels[1],
        kernel=(4, 4),
        key_size=(key, key),
        value_size=(2 * key, 2 * key),
    )


@pytest.fixture(scope="session")
def models() -> KnownModels:
    layers = (
        _layer("3", (512, 256), 4),
        _layer("6", (256, 128), 8),
        _layer("9", (128, 64), 16),
    )
    faces = ModelFacts(arch="dcgan", image_size=(64, 64), latent_size=100, layers=layers)
    return KnownModels(
        listed={"faces": faces}, architectures=("dcgan", "village"), truncating=("village",)
    )


@pytest.fixture(scope="session")
def full() -> str:
    """A valid recipe that uses every construct of the language."""
    return FULL


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe's folder with good and bad masks in it."""
    root = tmp_path_factory.mktemp("recipes")
    masks = root / "edits" / "masks"
    masks.mkdir(parents=True)
    eyes = Image.new("L", (64, 64))
    eyes.paste(255, (12, 24, 52, 38))
    eyes.save(masks / "eyes.png")
    eyes.resize((128, 128), Image.Resampling.NEAREST).save(masks / "double.png")
    Image.new("L", (64, 32), 255).save(masks / "wide.png")
    Image.new("L", (64, 64), 0).save(masks / "black.png")
    (masks / "notes.txt").write_text("no picture")
    (masks / "cut.png").write_bytes((masks / "eyes.png").read_bytes()[:-30])
    (masks / "huge.png").write_bytes(_claims_to_be(60_000, 60_000))
    eyes.save(root / "outside.png")
    (masks / "link.png").symlink_to(root / "outside.png")
    return root / "edits"


def _claims_to_be(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces an enormous picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="session")
def complete() -> Callable[[str], str]:
    """Turns a part of a recipe into a whole one, so that examples can be short.

    A text that begins with an edition or a recipe line is taken as it is.
    """

    def complete_text(text: str) -> str:
        if re.match(r"\s*(#[^\n]*\n\s*)*(edition|recipe)\b", text):
            return text
        has = set(re.findall(r"^\w+", text, re.M))
        model = "" if "model" in has else MODEL
        latents = "" if "latents" in has else LATENTS
        rule = "" if has & {"rule", "erase", "zero"} else RULE
        return HEADER + model + latents + text + rule

    return complete_text


@pytest.fixture
def check_text(
    models: KnownModels, folder: Path, complete: Callable[[str], str]
) -> Callable[[str], Checked]:
    """Checks a recipe text, or a part of one, in the folder with the masks."""

    def run(text: str) -> Checked:
        return loads(complete(text), models, folder=folder, path="demo.redraft")

    return run
