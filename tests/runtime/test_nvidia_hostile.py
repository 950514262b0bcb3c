"""Network pickles that are not what they seem, written by hand: nothing in them may run."""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redraft.errors import ModelError
from redraft.models.checkpoint.header import read_header
from redraft.models.checkpoint.weights import load_state, write_state

RECONSTRUCT = "torch_utils.persistence._reconstruct_persistent_obj"
LOAD = "torch.storage._load_from_bytes"
REBUILD = "torch._utils._rebuild_tensor_v2"


def plain(value: Any) -> bytes:
    """The instructions that put a plain value on the stack."""
    return pickle.dumps(value, 3)[2:-1]


def call(dotted: str, *arguments: bytes) -> bytes:
    module, _, name = dotted.rpartition(".")
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def table(**entries: bytes) -> bytes:
    return b"}(" + b"".join(plain(name) + value for name, value in entries.items()) + b"u"


def storage_bytes(count: int = 4, zipped: bool = False) -> bytes:
    buffer = io.BytesIO()
    untyped = torch.arange(float(count)).untyped_storage()
    storage = torch.storage.TypedStorage(wrap_storage=untyped, dtype=torch.float32, _internal=True)
    torch.save(storage, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def tensor(
    data: bytes | None = None,
    shape: tuple[int, ...] = (2, 2),
    strides: Any = (2, 1),
    offset: int = 0,
    name: str = REBUILD,
) -> bytes:
    storage = call(LOAD, plain(storage_bytes() if data is None else data))
    rest = plain(strides) + plain(False) + call("collections.OrderedDict")
    return call(name, storage, plain(offset), plain(shape), rest)


def module(parameters: bytes = b"}", inner: bytes = b"}", **more: bytes) -> bytes:
    state = table(_parameters=parameters, _buffers=b"}", _modules=inner, **more)
    meta = table(
        type=plain("class"),
        version=plain(6),
        module_src=plain("import os"),
        class_name=plain("Generator"),
        state=state,
    )
    return call(RECONSTRUCT, meta)


def network(content: bytes) -> bytes:
    return b"\x80\x03" + table(G_ema=content) + b"."


GOOD = network(module(table(weight=tensor(), bias=tensor(storage_bytes(2), (2,), (1,)))))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Where a program that ran would leave its mark.
    monkeypatch.chdir(tmp_path)
    return tmp_path / "net.pkl"


def refusal(path: Path, content: bytes) -> ModelError:
    path.write_bytes(content)
    told = []
    for read in (read_header, load_state):
        with pytest.raises(ModelError) as caught:
            read(path)
        told.append(caught.value)
    assert told[0].message == told[1].message
    assert [file.name for file in path.parent.iterdir()] == ["net.pkl"]
    return told[0]


def test_the_honest_file_is_read(path: Path) -> None:
    path.write_bytes(GOOD)
    assert load_state(path).tensors["weight"].tolist() == [[0, 1], [2, 3]]


# ---- code -----------------------------------------------------------------------------------


MARK = plain("touch marker")
NAMES = [
    *("os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.exec"),
    *("builtins.getattr", "builtins.__import__", "builtins.compile", "operator.attrgetter"),
    *("torch.load", "torch.hub.load", "torch.jit.load", "pickle.loads", "numpy.load"),
    *("torch_utils.persistence._src_to_module", "torch_utils.persistence.import_hook"),
    *("torch_utils.persistence.persistent_class", "dnnlib.util.call_func_by_name"),
    *("dnnlib.util.open_url", "dnnlib.util.EasyDict.__init__", "torch.nn.modules.linear.Linear"),
    *("functools.partial", "copyreg._reconstructor", "numpy.core.multiarray.fromfile"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "place",
    [
        lambda bad: network(bad),
        lambda bad: network(module(extra=bad)),
        lambda bad: network(module(table(weight=bad))),
        lambda bad: network(module(inner=table(inner=module(table(weight=tensor()), extra=bad)))),
        lambda bad: network(module(table(weight=tensor()))[:-1] + b"0" + bad),
        lambda bad: network(module(table(weight=tensor())) + bad + b"b"),
    ],
    ids=["network", "attribute", "parameter", "inner", "aside", "state"],
)
def test_a_name_of_anything_else_is_refused_by_its_name(
    path: Path, name: str, place: Callable[[bytes], bytes]
) -> None:
    error = refusal(path, place(call(name, MARK)))
    assert error.code == "RD609"
    assert f"asks to run `{name}` while it is read; it was not run" in error.message


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x80\x02" + call("os.system", MARK) + b".", "os.system"),
        (storage_bytes().replace(b"ctorch\nFloatStorage\n", b"cos\nsystem\n"), "os.system"),
        (b"\x80\x02" + call(LOAD, plain(storage_bytes())) + b".", LOAD),
        (b"\x80\x02" + call(RECONSTRUCT, b"}") + b".", RECONSTRUCT),
    ],
    ids=["alone", "as storage", "nested", "network"],
)
def test_code_in_the_bytes_of_a_tensor(path: Path, data: bytes, name: str) -> None:
    error = refusal(path, network(module(table(weight=tensor(data)))))
    assert error.code == "RD609"
    assert f"asks to run `{name}`" in error.message


def test_code_in_an_archive_of_a_tensor(path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + call("os.system", MARK) + b".")
    error = refusal(path, network(module(table(weight=tensor(buffer.getvalue())))))
    assert "asks to run `os.system`" in error.message


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_tensorflow_network_is_told_apart(path: Path, protocol: int) -> None:
    if protocol == 2:
        made = b"\x80\x02" + b"cdnnlib.tflib.network\nNetwork\n)\x81}b" * 3 + b"\x87."
    else:
        name = b"\x8c\x15dnnlib.tflib.network\x8c\x07Network"
        made = b"\x80\x04" + name.replace(b"\x15", b"\x14") + b"\x93)\x81."
    error = refusal(path, made)
    assert error.code == "RD608"
    assert "is a network of NVIDIA's TensorFlow code" in error.message
    assert error.help is not None
    assert "python legacy.py --source OLD.pkl --dest NEW.pkl" in error.help


# ---- sizes and shapes -----------------------------------------------------------------------


def zipped(
    compression: int = zipfile.ZIP_STORED, data: bytes = b"\0" * 16, pickled: bytes = b""
) -> bytes:
    """An archive of a storage of 4 numbers whose record holds ``data``."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(storage_bytes(zipped=True))) as source,
        zipfile.ZipFile(out, "w", compression) as target,
    ):
        for entry in source.infolist():
            content = source.read(entry.filename)
            if "/data/" in entry.filename:
                content = data
            elif pickled and entry.filename.endswith("data.pkl"):
                content = pickled
            target.writestr(entry.filename, content)
    return out.getvalue()


HONEST = storage_bytes()
BROKEN = {
    "fewer bytes": (tensor(HONEST[:-1]), "16 bytes promised and not there"),
    "more bytes": (tensor(HONEST + b"\0"), "16 bytes promised and not there"),
    "another count": (
        tensor(HONEST[:-24] + struct.pack("<q", 5) + HONEST[-16:]),
        "16 bytes promised and not there",
    ),
    "cut head": (tensor(HONEST[:100]), "only 0 remain"),
    "no storage": (
        tensor(re.sub(rb"\x80\x02\(.*?Q\.", b"\x80\x02}.", HONEST, flags=re.S)),
        "bytes that are not a tensor's",
    ),
    "other archive's content": (tensor(zipped(pickled=b"\x80\x02}.")), "not a tensor's"),
    "not torch": (tensor(b"\x80\x02N." * 5), "bytes that are not a tensor's"),
    "empty": (tensor(b""), "pickle exhausted"),
    "byte order": (
        tensor(HONEST.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")),
        "another byte order",
    ),
    "other archive": (tensor(zipped().replace(b"data.pkl", b"DATA.pkl")), "not a tensor's"),
    "compressed archive": (tensor(zipped(zipfile.ZIP_DEFLATED)), "compressed archive"),
    "bomb": (tensor(zipped(zipfile.ZIP_DEFLATED, b"\0" * (20 << 20))), "compressed archive"),
    "short record": (tensor(zipped(data=b"\0" * 15)), "16 bytes promised and not there"),
    "cut archive": (tensor(zipped()[:-30]), "a broken archive"),
    "no strides": (tensor(strides=None), "is not described in full"),
    "negative strides": (tensor(strides=(-2, 1)), "is not described in full"),
    "text for bytes": (
        call(REBUILD, call(LOAD, plain("text")), plain(0), plain((1,)), plain((1,))),
        "a tensor without bytes",
    ),
    "negative offset": (tensor(offset=-1), "a tensor without sizes"),
    "tensor changed": (tensor() + b"}b", "changed after it was made"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_tensors_that_do_not_hold_what_they_say(path: Path, case: str) -> None:
    content, words = BROKEN[case]
    error = refusal(path, network(module(table(weight=content))))
    assert error.code == "RD605"
    assert words in error.message


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((2, 2), (2, 1), 1),  # past the end
        ((2, 3), (2, 1), 0),  # rows that overlap
        ((1 << 20, 1 << 20), (0, 0), 0),  # stretched
        ((5,), (1,), 0),
        ((2, 2), (1, 1), 0),
        ((), (), 4),
        ((0, 1 << 30, 1 << 30), (1, 1, 1), 0),
    ],
)
def test_views_outside_their_bytes_or_of_one_byte_twice(
    path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    content = tensor(shape=shape, strides=strides, offset=offset)
    error = refusal(path, network(module(table(weight=content))))
    assert error.code == "RD610"
    assert f"a tensor of shape {shape} is larger than the bytes" in error.message


def test_a_tensor_whose_bytes_lie_outside_the_file(path: Path) -> None:
    elsewhere = plain("storage") + b"ctorch\nFloatStorage\n" + plain("0") + plain("cpu")
    storage = b"(" + elsewhere + plain(4) + b"tQ"
    content = call(REBUILD, storage, plain(0), plain((2, 2)), plain((2, 1)))
    assert "is not described in full" in refusal(path, network(content)).message


@pytest.mark.parametrize(
    "meta",
    [
        table(type=plain("function"), class_name=plain("G"), state=b"}"),
        table(type=plain("class"), class_name=plain(3), state=b"}"),
        table(type=plain("class"), class_name=plain("G"), state=plain([1])),
        table(type=plain("class")),
        plain("text"),
        b"",
    ],
)
def test_networks_without_attributes(path: Path, meta: bytes) -> None:
    assert refusal(path, network(call(RECONSTRUCT, meta))).code == "RD605"


def test_a_network_that_is_changed_after_it_was_made(path: Path) -> None:
    for change in (table(weight=tensor()) + b"b", plain("x") + b"Ns", plain("x") + b"a"):
        error = refusal(path, network(module() + change))
        assert error.code == "RD605"


def test_a_table_with_arguments(path: Path) -> None:
    assert refusal(path, network(call("dnnlib.util.EasyDict", plain({"a": 1})))).code == "RD605"


def test_networks_inside_themselves(path: Path) -> None:
    # The table of inner modules is put aside as number 900 and gets the module itself later.
    inner = b"}r" + struct.pack("<I", 900)
    itself = module(inner=inner) + b"r" + struct.pack("<I", 901)
    content = itself + b"j" + struct.pack("<I", 900)
    content += plain("again") + b"j" + struct.pack("<I", 901) + b"s0"
    error = refusal(path, network(content))
    assert error.code == "RD610"
    assert "its modules lie inside each other without end" in error.message


def test_one_network_under_ever_more_names(path: Path) -> None:
    content = module(table(weight=tensor()))
    for place in range(1000, 1020):
        again = b"j" + struct.pack("<I", place)
        held = b"}(" + plain("a") + content + b"r" + struct.pack("<I", place)
        content = module(inner=held + plain("b") + again + b"u")
    error = refusal(path, network(content))
    assert "its modules lie inside each other without end" in error.message


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04N" + b"r\xff\xff\xff\x7f" + b".",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x04B" + struct.pack("<I", 0xFFFFFFFF) + b"x.",
        b"\x80\x04\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"x.",
        b"\x80\x03" + table(G=b")" + b"\x85" * 500_000) + b".",
        b"\x80\x03(V" + b"x" * 3_000_000 + b".",
        network(tensor(HONEST[:-24] + struct.pack("<q", 1 << 40) + HONEST[-16:])),
    ],
    ids=["memo", "bytes8", "text8", "bytearray8", "bytes4", "number", "deep", "line", "count"],
)
def test_programs_that_would_exhaust_the_machine(
    path: Path, content: bytes, limited: Callable[..., str]
) -> None:
    path.write_bytes(content)
    program = (
        "import sys; from pathlib import Path; from redraft.errors import ModelError\n"
        "from redraft.models.checkpoint.header import read_header\n"
        "try: read_header(Path(sys.argv[1]))\n"
        "except ModelError as error: print(error.code)\n"
    )
    assert limited(program, str(path)).strip() in ("RD605", "RD608")


# ---- damage ---------------------------------------------------------------------------------


def test_cut_at_any_place(path: Path) -> None:
    for length in range(1, len(GOOD), 5):
        path.write_bytes(GOOD[:length])
        with pytest.raises(ModelError) as caught:
            read_header(path)
        assert caught.value.code in ("RD605", "RD608")


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), archive=st.booleans())
def test_changed_bytes_never_end_in_anything_but_an_error_or_weights(
    path: Path, data: st.DataObject, archive: bool
) -> None:
    content = network(module(table(weight=tensor(zipped())))) if archive else GOOD
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(spoilt)
    # Any other exception fails the test.
    with contextlib.suppress(ModelError):
        state = load_state(path)
        ones = {name: torch.ones_like(tensor) for name, tensor in state.tensors.items()}
        write_state(path.with_name("out.pkl"), ones, state)
        assert len(path.with_name("out.pkl").read_bytes()) == len(spoilt)
