"""Packs from a stranger: each kind of attack has its own refusal, and nothing is written."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.errors import ArtifactError
from redraft.share.pack import MAX_BYTES, MAX_ENTRIES, container
from redraft.share.pack.reading import opened, read_pack, unpack

FILES = {"recipe.redraft": b"edition 2026\n", "masks/eyes.png": b"\x89PNG"}


def manifest(files: Mapping[str, bytes], /, **changes: Any) -> bytes:
    told = {
        "format": "redraft-pack-1",
        "redraft": "0.1.0",
        "recipe": "demo",
        "version": "1.0.0",
        "title": "A demonstration",
        "model": "tiny",
        "run": False,
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in files.items()
        },
    }
    return json.dumps({**told, **changes}).encode()


def whole(files: Mapping[str, bytes] = FILES, /, **changes: Any) -> dict[str, bytes]:
    return {**files, "manifest.json": manifest(files, **changes)}


def zipped(
    entries: Mapping[str, bytes], method: int = zipfile.ZIP_STORED, mode: int = stat.S_IFREG | 0o644
) -> bytes:
    """A ZIP file as any other program makes it: names are taken as they are."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", method) as file:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = mode << 16
            file.writestr(info, data)
    return stored.getvalue()


def refused(tmp_path: Path, data: bytes, code: str, message: str) -> None:
    """The pack is refused by this error, and neither its folder nor the cache appears."""
    path = tmp_path / "in" / "evil.redraftpack"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    for use in (lambda: unpack(read_pack(path), tmp_path / "out"), lambda: opened(path)):
        with pytest.raises(ArtifactError) as caught:
            use()
        assert (caught.value.code, message in caught.value.message) == (code, True), caught.value
        assert caught.value.help is not None
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["evil.redraftpack", "in"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))


def test_a_good_pack_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.redraftpack"
    path.write_bytes(container.write(whole()))
    pack = read_pack(path)
    assert dict(pack.files) == whole()
    assert pack.manifest.recipe == "demo"
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert sorted(file.namelist()) == sorted(whole())
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


NAMES = [
    ("../escape.txt", "it leaves its folder"),
    ("masks/../../escape.txt", "it leaves its folder"),
    ("a/./b", "it leaves its folder"),
    ("a//b", "it leaves its folder or has an empty part"),
    ("/etc/passwd", "it is absolute"),
    ("..\\escape.txt", "it has a backslash or a colon"),
    ("C:/windows", "it has a backslash or a colon"),
    ("recipe.redraft:stream", "it has a backslash or a colon"),
    ("bell\x07", "it has a character that cannot be seen"),
    ("turn\u202eround", "it has a character that cannot be seen"),
    (".git/hooks/post-checkout", "a part of it begins with a dot"),
    ("masks/.hidden", "a part of it begins with a dot"),
    ("dot.", "ends with a dot or a space"),
    ("NUL.png", "it cannot be a file's name on every system"),
    ("masks/com1", "it cannot be a file's name on every system"),
    ("what?.png", "it cannot be a file's name on every system"),
    ("a" * 201, "longer than 200 bytes"),
]


@pytest.mark.parametrize(("name", "fault"), NAMES)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str, fault: str) -> None:
    assert fault in (container.name_fault(name) or "")
    with pytest.raises(ValueError, match="'"):
        container.write({name: b""})
    refused(tmp_path, zipped(whole({**FILES, name: b"x"})), "RD716", fault)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    data = container.write(whole({**FILES, "aa.png": b"x"})).replace(b"aa.png", b"\xff\xfe.png")
    refused(tmp_path, data, "RD716", "it is not in UTF-8")


@pytest.mark.parametrize(
    ("mode", "what"),
    [(stat.S_IFLNK | 0o777, "a link"), (stat.S_IFIFO | 0o644, "a device"), (stat.S_IFDIR, "link")],
)
def test_links_and_devices_are_refused(tmp_path: Path, mode: int, what: str) -> None:
    data = zipped(whole({**FILES, "masks/link": b"/etc/passwd"}), mode=mode)
    refused(tmp_path, data, "RD717", what)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, zipped({**whole(), "masks/": b""}), "RD717", "`masks/`")


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    files = {"masks/zeros.png": bytes(20_000_000), **FILES}
    data = zipped(whole(files), zipfile.ZIP_DEFLATED)
    assert len(data) < 30_000
    refused(tmp_path, data, "RD719", "bytes that would become 20000000")


def test_a_size_that_is_a_lie_is_refused(tmp_path: Path) -> None:
    """Both sizes say 4 GB less one byte, stored: there is no ratio to see."""
    data = bytearray(container.write(whole()))
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<2I", 0xFFFFFFFE, 0xFFFFFFFE)
    refused(tmp_path, bytes(data), "RD718", "says to hold 4294967")
    data[at + 20 : at + 28] = struct.pack("<2I", 1000, 1000)
    refused(tmp_path, bytes(data), "RD728", "bytes are shared, hidden or out of place")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """The way in which a small file becomes a huge one without any compression."""
    kernel = bytes(1000)
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0x800, 0, 0, 0x21, zlib.crc32(kernel),
                        1000, 1000, 5, 0) + b"a.png" + kernel  # fmt: skip
    directory = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 0x314, 20, 0x800, 0, 0, 0x21, zlib.crc32(kernel),
                    1000, 1000, 5, 0, 0, 0, 0, 0o100644 << 16, 0) + f"{n}.png".encode()
        for n in "abcdefgh"
    )  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 8, 8, len(directory), len(local), 0)
    refused(tmp_path, local + directory + end, "RD728", "bytes are shared")


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    many = {f"masks/{n}": b"" for n in range(MAX_ENTRIES + 1)}
    refused(tmp_path, container.write(many), "RD718", f"at most {MAX_ENTRIES} are read")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.redraftpack"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ArtifactError, match="at most") as caught:
        read_pack(path)
    assert caught.value.code == "RD718"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as file:
        for name, data in [*whole().items(), ("recipe.redraft", b"another")]:
            file.writestr(zipfile.ZipInfo(name), data)
    refused(tmp_path, stored.getvalue(), "RD720", "holds `recipe.redraft` twice")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("masks/a.png", "masks/A.png"),
        ("Masks/eyes.png", "masks/EYES.png"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("stra\u00dfe.png", "STRASSE.png"),
        ("part", "part/of.png"),
        ("PART", "part/of.png"),
    ],
)
def test_names_that_are_one_file_on_some_system_are_refused(
    tmp_path: Path, one: str, other: str
) -> None:
    data = zipped(whole({"recipe.redraft": b"x", one: b"1", other: b"2"}))
    refused(tmp_path, data, "RD721", "cannot lie in one folder on every system")


def test_what_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    data = container.write({**whole(), "extra.txt": b"x"})
    refused(tmp_path, data, "RD723", "`extra.txt`")


def test_what_is_missing_is_refused(tmp_path: Path) -> None:
    entries = whole()
    del entries["masks/eyes.png"]
    refused(tmp_path, container.write(entries), "RD724", "`masks/eyes.png` is missing")
    lonely = {"masks/eyes.png": b"x"}
    refused(tmp_path, container.write(whole(lonely)), "RD724", "`recipe.redraft` is missing")
    claimed = container.write(whole(run=True))
    refused(tmp_path, claimed, "RD724", "`edit.safetensors` is missing")


@pytest.mark.parametrize("change", [b"edition 2027\n", b"edition 2026\n\n", b""])
def test_a_changed_file_is_refused(tmp_path: Path, change: bytes) -> None:
    data = container.write({**whole(), "recipe.redraft": change})
    refused(tmp_path, data, "RD722", "`recipe.redraft`")


def test_a_flipped_bit_anywhere_is_refused(tmp_path: Path) -> None:
    good = container.write(whole())
    path = tmp_path / "bits.redraftpack"
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ArtifactError):
            read_pack(path)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (b"", "RD725", "manifest.json"),
        (b"{", "RD725", "is damaged"),
        (b"[]", "RD725", "is damaged"),
        (b'"redraft-pack-1"', "RD725", "is damaged"),
        (b"\xff", "RD725", "is damaged"),
        (b"[" * 100_000, "RD725", "is damaged"),
        (b"{}", "RD725", "is damaged: 'format'"),
        (manifest(FILES, format="another"), "RD725", "it has no known format"),
        (manifest(FILES, format=7), "RD725", "format: "),
        (manifest(FILES, run="yes"), "RD725", "run: input should be a valid boolean"),
        (manifest(FILES, more=1), "RD725", "more: extra inputs are not permitted"),
        (manifest(FILES, files={"a": {"sha256": "0", "size": 1}}), "RD725", "files.a.sha256"),
        (manifest(FILES, format="redraft-pack-2", new=1), "RD715", "this redraft reads"),
        (b" " * (2**20 + 1), "RD725", "has too large a manifest.json"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(
    tmp_path: Path, text: bytes, code: str, message: str
) -> None:
    refused(tmp_path, container.write({**FILES, "manifest.json": text}), code, message)


def test_a_manifest_cannot_vouch_for_itself(tmp_path: Path) -> None:
    files = whole(files={"manifest.json": {"sha256": "0" * 64, "size": 1}})
    refused(tmp_path, container.write(files), "RD723", "is not in its manifest.json")
    every = json.loads(manifest(FILES))["files"]
    files = whole(files={**every, "manifest.json": {"sha256": "0" * 64, "size": 1}})
    refused(tmp_path, container.write(files), "RD722", "`manifest.json`")


def test_no_manifest_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, container.write(FILES), "RD725", "has no manifest.json")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda good: b"", "RD714"),
        (lambda good: b"MZ" + bytes(100), "RD714"),
        (lambda good: good[:-1], "RD714"),
        (lambda good: good[: len(good) // 2], "RD714"),
        (lambda good: b"#!/bin/sh\n" + good, "RD728"),
        (lambda good: good[:40] + b"hidden" + good[40:], "RD728"),
        (lambda good: zipped(whole()), "RD728"),
    ],
)
def test_what_is_no_pack_or_holds_more_than_a_pack_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], code: str
) -> None:
    refused(tmp_path, damage(container.write(whole())), code, "")


def test_a_directory_that_is_damaged_is_refused(tmp_path: Path) -> None:
    good = container.write(whole())
    refused(tmp_path, good.replace(b"PK\x01\x02", b"PK\x01\x03"), "RD714", "directory")


def test_a_comment_at_the_end_is_refused(tmp_path: Path) -> None:
    stored = io.BytesIO(container.write(whole()))
    with zipfile.ZipFile(stored, "a") as file:
        file.comment = b"PK\x05\x06" + bytes(18)
    refused(tmp_path, stored.getvalue(), "RD728", "")


names = st.from_regex(r"[a-z]{1,4}(/[a-z]{1,4}){0,2}\.png", fullmatch=True).filter(
    lambda name: container.name_fault(name) is None
)


@given(st.dictionaries(names, st.binary(max_size=40), max_size=6))
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    data = container.write(files)
    assert container.read(data, "a.redraftpack") == files
    assert container.write(dict(reversed(files.items()))) == data


REFUSALS = {f"RD7{number}" for number in (14, 16, 17, 18, 19, 20, 21, 22, 28)}


@given(st.data())
def test_no_bytes_do_more_than_be_refused(data: st.DataObject) -> None:
    good = container.write(whole())
    at = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 60))
    noise = data.draw(st.binary(max_size=60))
    changed = good[:at] + noise + good[at + length :]
    try:
        found = container.read(changed, "a.redraftpack")
    except ArtifactError as error:
        assert error.code in REFUSALS  # noqa: PT017
    else:
        assert container.write(found) == changed, "nothing but what is read is in it"


def test_a_pack_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file or directory") as caught:
        read_pack(tmp_path / "none.redraftpack")
    assert caught.value.code == "RD713"
