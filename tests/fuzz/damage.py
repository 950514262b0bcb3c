"""Damaged files, each made from a number alone, so that any of them can be made again."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Sequence

from redraft.share.pack import container

FRAGMENTS = [
    *("edition 2026", "recipe", "model", "faces", "latents", "region", "rule", "erase", "zero"),
    *("copy", "paste", "context", "from", "each", "like", "top", "among", "except", "at", "all"),
    *("box(", "polygon(", "ellipse(", "mask(", "radius", "plus", "minus", "within", "x", "y"),
    *("rank", "preserve", "side", "solver", "exact", "directions", "z", "z[1]", "layer6", "sweep"),
    *("use", "param", "include", "as", "with", "in", "vary", "of", "over", "int", "off", "class"),
    *("weights-set", "slope", "eps", "output", "sigmoid", "truncation", "images", "compat"),
    *("{", "}", "(", ")", "[", "]", "..", ",", "=", ":", ";", '"', "'", "#", "//", "%", "-"),
    *("0", "-1", "4", "12..52", "0.5", "5%", "1e999", "9" * 400, "1.0.0", '"a.png"', '"../a"'),
    *("\n", "\n\n", "\t", "\0", "\ufeff", "é", "漢", "\u202e", "\x1b[31m", "٣", "…"),
]
EXTREMES = (
    *(b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"),
    *(b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80"),
)
PROGRAMS = (
    b"cposix\nsystem\n(S'touch /tmp/redraft-fuzz-marker'\ntR",
    b"cbuiltins\neval\n(S'1/0'\ntR",
    b"csomeones\nClass\n)\x81}b",
    b"cnumpy.core.multiarray\nscalar\n",
)
Damage = Callable[[random.Random, Sequence[bytes]], bytes]


def bytes_of(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed with some bytes changed, moved, lost or added."""
    data = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 6)):
        _once(source, data, seeds)
    return bytes(data)


def _once(source: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if not data:
        data += source.randbytes(8)
        return
    at = source.randrange(len(data))
    length = min(len(data) - at, 1 << source.randrange(1, 9))
    match source.randrange(9):
        case 0:
            data[at] ^= 1 << source.randrange(8)
        case 1:
            data[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x0A))
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = data[at : at + length]
        case 4:
            data[at : at + length] = source.randbytes(length)
        case 5:
            other = source.choice(seeds)
            begin = source.randrange(max(1, len(other)))
            data[at:at] = other[begin : begin + length]
        case 6:
            data[at : at + 4] = source.choice(EXTREMES)
        case 7:
            number = source.choice((0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1))
            data[at : at + 8] = struct.pack("<Q", number)
        case _:
            del data[at:]


def text_of(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A recipe with words changed, and now and then bytes."""
    if source.random() < 0.2:
        return bytes_of(source, seeds)
    words = source.choice(seeds).decode().split(" ")
    for _ in range(source.randint(1, 8)):
        at = source.randrange(len(words))
        match source.randrange(5):
            case 0:
                words[at] = source.choice(FRAGMENTS)
            case 1:
                words.insert(at, source.choice(FRAGMENTS))
            case 2 if len(words) > 1:
                del words[at]
            case 3:
                other = source.choice(seeds).decode().split(" ")
                begin = source.randrange(len(other))
                words[at:at] = other[begin : begin + source.randint(1, 30)]
            case _:
                end = min(len(words), at + source.randint(1, 20))
                words[at:at] = words[at:end]
    return " ".join(words).encode()


def checkpoint_of(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A file of weights: damaged from outside, or in its table inside a whole archive."""
    data = source.choice(seeds)
    if not data.startswith(b"PK") or source.random() < 0.3:
        if data[:1] == b"\x80" and source.random() < 0.3:
            at = source.randrange(2, len(data))
            return data[:at] + source.choice(PROGRAMS) + data[at:]
        return bytes_of(source, [data, *seeds])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(each for each in entries if each.endswith("data.pkl"))
    if source.random() < 0.3:
        at = source.randrange(2, len(entries[name]))
        entries[name] = entries[name][:at] + source.choice(PROGRAMS) + entries[name][at:]
    else:
        entries[name] = bytes_of(source, [entries[name]])
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for each, content in entries.items():
            archive.writestr(each, content)
    return stored.getvalue()


def edit_of(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """An edit: damaged from outside, or in what its head says."""
    data = source.choice(seeds)
    if source.random() < 0.3:
        return bytes_of(source, seeds)
    end = 8 + int.from_bytes(data[:8], "little")
    head = bytes_of(source, [data[8:end]])
    return len(head).to_bytes(8, "little") + head + data[end:]


def pack_of(source: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A pack: damaged from outside, or with a damaged file in a whole pack."""
    data = source.choice(seeds)
    if source.random() < 0.3:
        return bytes_of(source, seeds)
    files = dict(container.read(data, "seed"))
    name = source.choice(sorted(files))
    damage = text_of if name.endswith(".redraft") else bytes_of
    if name.endswith(".safetensors"):
        damage = edit_of
    manifest = json.loads(files["manifest.json"])
    files[name] = damage(source, [files[name]])
    if name != "manifest.json":
        digest = hashlib.sha256(files[name]).hexdigest()
        manifest["files"][name] = {"sha256": digest, "size": len(files[name])}
        text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
        files["manifest.json"] = text.encode() + b"\n"
    return container.write(files)
