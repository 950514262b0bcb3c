"""Files that are not what they seem: nothing in them may run, and each gets its own sentence."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redraft.errors import ModelError
from redraft.models.checkpoint.header import read_header
from redraft.models.checkpoint.inert import ForbiddenGlobalError, MalformedPickleError, read_pickle
from redraft.models.checkpoint.weights import load_state


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Touch:
    """Pickles into a program that makes a file when it is unpickled the ordinary way."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.marker}'",)


class Evaluate(Touch):
    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.marker)!r}, 'w').close()",)


class Import(Touch):
    def __reduce__(self) -> Any:
        return getattr, (__import__("pathlib").Path(self.marker), "touch")


SYSTEM = f"{os.system.__module__}.system"
ATTACKS = [(Touch, SYSTEM), (Evaluate, "builtins.eval|__builtin__.eval"), (Import, "getattr")]


def torch_file(path: Path, value: Any, form: str) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=form == "torch-zip")


@pytest.mark.parametrize("form", ["torch-zip", "torch-legacy", "pickle"])
@pytest.mark.parametrize(("attack", "name"), ATTACKS)
@pytest.mark.parametrize("read", [read_header, load_state])
def test_code_in_a_file_is_named_and_never_run(
    tmp_path: Path, form: str, attack: type[Touch], name: str, read: Callable[[Path], Any]
) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    value = {"w": torch.ones(2), "extra": attack(marker)}
    if form == "pickle":
        path.write_bytes(pickle.dumps({"extra": attack(marker)}, protocol=2))
    else:
        torch_file(path, value, form)
    with pytest.raises(ModelError) as caught:
        read(path)
    assert not marker.exists()
    assert "the file asks to run `" in caught.value.message
    assert any(part in caught.value.message for part in name.split("|"))
    assert caught.value.message.endswith("` while it is read; it was not run")
    assert caught.value.code == "RD609"


def test_the_attack_is_real(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch_file(path, {"extra": Touch(tmp_path / "marker")}, "torch-zip")
    torch.load(path, weights_only=False)
    assert (tmp_path / "marker").exists()


def zip_with(
    path: Path, pickled: bytes, records: dict[str, bytes] | None = None, **kind: Any
) -> None:
    with zipfile.ZipFile(path, "w", **kind) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in (records or {}).items():
            archive.writestr(f"archive/{name}", data)
        archive.writestr("archive/version", b"3\n")


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'touch MARKER'\ntR.",  # the oldest form
        b"(S'touch MARKER'\nios\nsystem\n.",  # INST
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch MARKER\x85R.",  # STACK_GLOBAL
        b"\x80\x02cos\nsystem\n(X\x0c\x00\x00\x00touch MARKERtR.",
        b"\x80\x02ccollections\nOrderedDict\n)Rcos\nsystem\nb.",  # as a state
        b"\x80\x04\x8c\x05torch\x8c\x10hub.load_to_file\x93.",
    ],
)
def test_hand_written_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    zip_with(tmp_path / "f", program)
    with pytest.raises(ModelError, match="the file asks to run `"):
        load_state(tmp_path / "f")
    assert names_in(tmp_path) == ["f"]


def test_a_whole_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "f"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.linear\.Linear") as caught:
        load_state(path)
    assert caught.value.help is not None
    assert "torch.save(generator.state_dict(), 'generator.pth')" in caught.value.help


# ---- sizes ----------------------------------------------------------------------------------


def good_zip() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(64.0), "b": torch.ones(3, 5)}, buffer)
    return buffer.getvalue()


def repacked(compression: int, replace: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good_zip())) as source,
        zipfile.ZipFile(out, "w", compression) as target,
    ):
        for entry in source.infolist():
            data = (replace or {}).get(entry.filename, source.read(entry.filename))
            target.writestr(entry.filename, data)
    return out.getvalue()


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    zip_with(path, b"\0" * (200 << 20), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ModelError, match="compressed records"):
        read_header(path)


def test_records_that_overlap(tmp_path: Path) -> None:
    data = bytearray(good_zip())
    # Let the directory say that the first record is 2 GB long, stored as it is.
    start = data.index(b"PK\x01\x02")
    data[start + 20 : start + 28] = struct.pack("<II", 2_000_000_000, 2_000_000_000)
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(ModelError, match="its records claim 20000"):
        read_header(tmp_path / "f")


def test_a_table_of_contents_over_the_limit(tmp_path: Path) -> None:
    zip_with(tmp_path / "f", b"\0" * ((64 << 20) + 1))
    with pytest.raises(ModelError, match="its table of contents is 67108865 bytes long"):
        read_header(tmp_path / "f")


def test_a_stretched_view(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1).expand(1 << 20, 1 << 20)}, tmp_path / "f")
    assert (tmp_path / "f").stat().st_size < 10_000
    with pytest.raises(ModelError, match="is larger than the bytes it is made of"):
        load_state(tmp_path / "f")


def test_tables_inside_each_other(tmp_path: Path) -> None:
    value: dict[str, Any] = {"w": torch.ones(1)}
    for _ in range(4):
        value = {f"k{i}": value for i in range(300)}
    torch.save(value, tmp_path / "f")
    with pytest.raises(ModelError, match="lie inside each other"):
        read_header(tmp_path / "f")


def test_a_table_that_holds_itself(tmp_path: Path) -> None:
    value: dict[str, Any] = {"w": torch.ones(1)}
    value["self"] = value
    torch.save(value, tmp_path / "f")
    assert read_header(tmp_path / "f").nesting == ()


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02N" + b"r\xff\xff\xff\x7f" + b".",  # a huge number in the memo
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",  # a text of 1 TB
        b"\x80\x04B" + struct.pack("<I", 0xFFFFFFFF) + b"x.",
        b"\x80\x02" + b")\x85" * 200_000 + b"}" + b")\x85" * 9 + b"Ns.",  # very deep
        b"\x80\x02}" + b")" + b"\x85" * 500_000 + b"Ns.",  # a very deep key
    ],
    ids=["memo", "bytes8", "bytes4", "deep", "deep key"],
)
def test_programs_that_would_exhaust_the_machine(
    tmp_path: Path, pickled: bytes, limited: Callable[..., str]
) -> None:
    zip_with(tmp_path / "f", pickled)
    program = (
        "import sys; from pathlib import Path; from redraft.errors import ModelError\n"
        "from redraft.models.checkpoint.header import read_header\n"
        "try: read_header(Path(sys.argv[1]))\n"
        "except ModelError as error: print(error.code)\n"
    )
    assert limited(program, str(tmp_path / "f")).strip() in ("RD605", "RD611")


# ---- not a checkpoint -----------------------------------------------------------------------


PAGE = b"\n <!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 14322251\n"


def script_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"net/{name}", b"\x80\x02}.")
    return buffer.getvalue()


def ordinary_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("generator.pth", good_zip())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "RD604", "is empty (0 bytes)"),
        (PAGE, "RD606", "is a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "RD606", "a web page"),
        (POINTER, "RD607", "is a git-lfs pointer"),
        (b"hello, this is a text", "RD608", "is not a checkpoint"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", "RD608", "is not a checkpoint"),
        (b"x", "RD608", "is not a checkpoint"),
        (pickle.dumps({"w": [1.0, 2.0]}), "RD608", "is a pickle, but not one that torch.save"),
        (script_file(), "RD608", "is a TorchScript program"),
        (ordinary_zip(), "RD608", "is a zip archive, but not one that torch.save wrote"),
        (good_zip()[:-1000], "RD605", "the end of the file is missing"),
        (good_zip()[:40], "RD605", "the end of the file is missing"),
        (b"PK", "RD605", "the end of the file is missing"),
        (repacked(zipfile.ZIP_STORED, {"archive/data.pkl": b"\x80\x02}"}), "RD605", "is broken"),
        (repacked(zipfile.ZIP_STORED, {"archive/data/0": b"abc"}), "RD605", "record 0 are missing"),
        (b"\x80\x02", "RD605", "is broken"),
    ],
)
def test_each_wrong_file_gets_its_own_sentence(
    tmp_path: Path, content: bytes, code: str, words: str
) -> None:
    path = tmp_path / "generator.pth"
    path.write_bytes(content)
    for read in (read_header, load_state):
        with pytest.raises(ModelError) as caught:
            read(path)
        assert caught.value.code == code
        assert words in caught.value.message
        assert caught.value.message.startswith(str(path))
        assert caught.value.help


def test_a_store_without_checksums_is_still_read(tmp_path: Path) -> None:
    data = bytearray(good_zip())
    start = data.index(b"PK\x01\x02")
    data[start + 16 : start + 20] = b"\0\0\0\0"
    (tmp_path / "f").write_bytes(data)
    assert list(read_header(tmp_path / "f").tensors) == ["a", "b"]


def test_a_directory_that_points_before_the_start(tmp_path: Path) -> None:
    data = bytearray(good_zip())
    end = data.rindex(b"PK\x06\x06")
    for where in (end + 40, end + 48):  # the directory's length and its place
        spoilt = data.copy()
        spoilt[where : where + 4] = b"\xf0\xff\xff\x7f"
        (tmp_path / "f").write_bytes(spoilt)
        with pytest.raises(ModelError) as caught:
            load_state(tmp_path / "f")
        assert caught.value.code == "RD605"


def test_missing_and_folder(tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "none.pth", "RD601"),
        (tmp_path, "RD602"),
        (tmp_path / ("n" * 300), "RD601"),
        (tmp_path / "nul\0byte", "RD601"),
    ):
        with pytest.raises(ModelError) as caught:
            load_state(path)
        assert caught.value.code == code


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is not a checkpoint"):
        load_state(tmp_path / "pipe")


def test_no_permission(ordinary_user: Path) -> None:
    path = ordinary_user / "f"
    torch.save({"w": torch.ones(1)}, path)
    path.chmod(0)
    with pytest.raises(ModelError, match="may not be read by you"):
        load_state(path)


def good_legacy() -> bytes:
    buffer = io.BytesIO()
    value = {"a": torch.arange(64.0), "b": torch.ones(3, 5)}
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def good_safetensors() -> bytes:
    return safetensors.torch.save({"a": torch.arange(64.0), "b": torch.ones(3, 5)})


GOOD = {"zip": good_zip(), "legacy": good_legacy(), "safetensors": good_safetensors()}


@pytest.mark.parametrize("form", ["legacy", "safetensors"])
def test_cut_at_any_place(tmp_path: Path, form: str) -> None:
    whole = GOOD[form]
    (tmp_path / "f").write_bytes(whole)
    assert list(load_state(tmp_path / "f").tensors) == ["a", "b"]
    for length in range(1, len(whole), 7):
        (tmp_path / "f").write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read_header(tmp_path / "f")
        assert caught.value.code in ("RD605", "RD608")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(form=st.sampled_from(sorted(GOOD)), data=st.data())
def test_changed_bytes_never_end_in_anything_but_an_error_or_weights(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    spoilt = bytearray(GOOD[form])
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "f").write_bytes(spoilt)
    # Any other exception fails the test.
    with contextlib.suppress(ModelError):
        load_state(tmp_path / "f")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x02", b"\x80\x04}("]))
def test_any_bytes_are_a_value_or_a_refusal(data: bytes, start: bytes) -> None:
    with contextlib.suppress(MalformedPickleError, ForbiddenGlobalError):
        read_pickle(io.BytesIO(start + data))


def test_plain_values_are_read_as_pickle_reads_them() -> None:
    value = {
        "numbers": [1, -1, 2**80, 1.5, True, False, None],
        "texts": ("a", "ü" * 300, b"raw", b"r" * 300),
        "nested": {"a": {"b": [{}, [], ()]}, 3: "three", None: 0},
        "shared": [["same"]] * 2,
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        if protocol < 3:
            value["texts"] = ("a", "ü" * 300)
        else:
            value["texts"] = ("a", "ü" * 300, b"raw", b"r" * 300)
        assert read_pickle(io.BytesIO(pickle.dumps(value, protocol))) == value
