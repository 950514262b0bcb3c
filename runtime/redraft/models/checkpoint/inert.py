"""Reads a pickle as data: no function in it is ever looked up, imported or called.

A pickle is a small program. This reader goes through its instructions with ``pickletools``, the
standard library's disassembler, and keeps what torch checkpoints are made of: dicts, lists,
numbers, texts, and the *descriptions* of tensors (``TensorRef``) and of where their bytes lie
(``StorageRef``). A name of anything else ends the reading with ``ForbiddenGlobalError``.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from redraft.models.checkpoint.names import DTYPE_NAMES, FACTORIES, IRRELEVANT, PLAIN
from redraft.models.checkpoint.pickled import (
    ForbiddenGlobalError,
    Instance,
    MalformedPickleError,
    Name,
    Opaque,
    Pickled,
)
from redraft.models.checkpoint.refs import (
    STORAGE_DTYPES,
    PlacedBytes,
    Sealed,
    StorageRef,
    TensorRef,
)

MAX_INSTRUCTIONS = 8_000_000
_MAX_DIMENSIONS = 64
_KEPT_TEXT = 4096


Call = Callable[[tuple[Any, ...]], Any]
"""What stands for a call in a pickle: gets the arguments as they were read."""


@dataclass(frozen=True)
class Vocabulary:
    """What a kind of pickle may name beyond torch's own files.

    Attributes:
        calls: names that are called, and what stands for the call.
        irrelevant: names of values that say nothing about the weights.
        placed: leave bytes in the file, as :class:`PlacedBytes`, and drop long texts.
        classes: take objects of unknown classes as :class:`Instance`.
        storages: gets every storage that is referred to, by its key.

    """

    calls: Mapping[str, Call] = field(default_factory=dict)
    irrelevant: frozenset[str] = frozenset()
    placed: bool = False
    classes: bool = False
    storages: dict[str, StorageRef] | None = None


TORCH = Vocabulary()
TRAINING = Vocabulary(irrelevant=PLAIN, classes=True)
"""What a training saves with ``torch.save``: weights, and whatever lay beside them."""


def read_pickle(stream: BinaryIO, vocabulary: Vocabulary = TORCH) -> Any:
    """The object that the next pickle in ``stream`` describes; the stream stops right after it.

    Mappings come back as plain dicts in file order, without entries whose key is not a text, a
    number or None; sets as lists.

    Raises:
        ForbiddenGlobalError: the pickle names something outside the list.
        MalformedPickleError: it is cut short, has an instruction that torch never writes, or is
            longer than ``MAX_INSTRUCTIONS``.

    """
    return read_whole(stream, vocabulary).value


def read_whole(stream: BinaryIO, vocabulary: Vocabulary = TORCH) -> Pickled:
    """As :func:`read_pickle`, with what was seen on the way."""
    try:
        with warnings.catch_warnings():
            # The disassembler warns of odd texts in damaged files; they are refused or harmless.
            warnings.simplefilter("ignore")
            return _run(stream, vocabulary)
    except (ForbiddenGlobalError, MalformedPickleError):
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise MalformedPickleError(str(error)) from error


def _run(stream: BinaryIO, vocabulary: Vocabulary) -> Pickled:
    machine = _Machine(vocabulary)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= MAX_INSTRUCTIONS:
                raise MalformedPickleError(f"more than {MAX_INSTRUCTIONS} instructions")
            kept = _kept(argument, stream.tell()) if vocabulary.placed else argument
            machine.step(opcode, kept)
        value = machine.result()
    finally:
        # Before whatever else is wrong: the name of code says most about a file.
        machine.refuse_names()
    return Pickled(value, machine.foreign)


def _kept(argument: Any, end: int) -> Any:
    """What is remembered of an argument that ends at byte ``end`` of the file."""
    if isinstance(argument, bytes | bytearray):
        return PlacedBytes(end - len(argument), len(argument))
    if isinstance(argument, str) and len(argument) > _KEPT_TEXT:
        return Opaque("builtins.str")
    return argument


class _Machine:
    """The stack, the marks and the memo of one pickle."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.foreign = False
        self.unresolved: dict[str, None] = {}
        self.instances: list[Instance] = []
        self.made: set[int] = set()

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        action = _ACTIONS.get(opcode.name)
        if action is not None:
            action(self, argument)
        elif argument is not None and not opcode.stack_before and len(opcode.stack_after) == 1:
            self.stack.append(argument)  # a number, a text or bytes, written out in full
        else:
            raise MalformedPickleError(f"instruction {opcode.name}")

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise MalformedPickleError("no single value at the end")
        return self.stack[0]

    def refuse_names(self) -> None:
        """Raise ForbiddenGlobalError for a name that is neither known nor a class of data."""
        empty = [each.dotted for each in self.instances if not each.filled]
        for dotted in (*self.unresolved, *empty):
            raise ForbiddenGlobalError(dotted)

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """Take everything above the last mark off the stack."""
        start = self.marks.pop()
        if start > len(self.stack):
            raise MalformedPickleError("a mark above the stack")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def take(self, count: int) -> list[Any]:
        """Take the top ``count`` values off the stack, deepest first."""
        if count > len(self.stack):
            raise MalformedPickleError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def put(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def name(self, dotted: str) -> None:
        allowed = (
            dotted in _CALLS
            or dotted in self.vocabulary.calls
            or dotted in self.vocabulary.irrelevant
            or dotted in STORAGE_DTYPES
            or dotted in DTYPE_NAMES
            or dotted in IRRELEVANT
            or dotted in FACTORIES
        )
        if not allowed and not self.vocabulary.classes:
            raise ForbiddenGlobalError(dotted)
        if not allowed:
            self.unresolved.setdefault(dotted)
        self.foreign |= not allowed or dotted in PLAIN or dotted in FACTORIES
        self.stack.append(Name(dotted, known=allowed))

    def name_from_stack(self) -> None:
        module, attribute = self.take(2)
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise MalformedPickleError("a name that is not a text")
        self.name(f"{module}.{attribute}")

    def call(self, *, made: bool = False) -> None:
        """``made``: a new object of a class, whose attributes may follow."""
        function, arguments = self.take(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise MalformedPickleError("a call of something that has no name")
        if not function.known:
            self.stack.append(self.instance(function.dotted, arguments, made))
            return
        build = _CALLS.get(function.dotted) or self.vocabulary.calls.get(function.dotted)
        self.stack.append(Opaque(function.dotted) if build is None else build(arguments))

    def instance(self, dotted: str, arguments: tuple[Any, ...], made: bool) -> Instance:
        """An object of an unknown class."""
        if arguments:
            raise ForbiddenGlobalError(dotted)
        found = Instance(dotted)
        self.unresolved.pop(dotted, None)
        self.instances.append(found)
        if made:
            self.made.add(id(found))
        return found

    def set_state(self) -> None:
        # The attributes of a value (a state dict's version notes, a run's arguments) are dropped.
        target, _ = self.take(2)
        if isinstance(target, Sealed):
            raise MalformedPickleError("a value that is changed after it was made")
        if id(target) in self.made:
            target.filled = True
        self.stack.append(target)

    def persistent(self) -> None:
        (identity,) = self.take(1)
        kind, storage, key, _, count = identity[:5]
        if kind != "storage" or not isinstance(key, str) or not _is_size(count):
            raise MalformedPickleError("an unknown reference")
        found = StorageRef(key, STORAGE_DTYPES[storage.dotted], count)
        if self.vocabulary.storages is not None:
            self.vocabulary.storages[key] = found
        self.stack.append(found)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Opaque):
            return
        if isinstance(target, Instance):
            target.filled = True
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Other keys do occur, but no weights lie under them.
            if key is None or isinstance(key, str | int | float):
                target[key] = value

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Opaque):
            target.extend(items)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _tensor(arguments: tuple[Any, ...], dtype: str | None = None) -> TensorRef:
    storage, offset, shape = arguments[:3]
    sizes = (offset, *shape)
    fits = isinstance(storage, StorageRef) and len(sizes) <= _MAX_DIMENSIONS + 1
    if not fits or not all(_is_size(size) for size in sizes):
        raise MalformedPickleError("a tensor without sizes")
    strides = arguments[3] if len(arguments) > 3 else None
    known = (
        isinstance(strides, tuple) and len(strides) == len(shape) and all(map(_is_size, strides))
    )
    return TensorRef(
        tuple(shape), dtype or storage.dtype, storage, offset, strides if known else None
    )


def _tensor_v3(arguments: tuple[Any, ...]) -> TensorRef:
    dtype = arguments[6]
    if not isinstance(dtype, Name) or dtype.dotted not in DTYPE_NAMES:
        raise MalformedPickleError("a tensor without a dtype")
    return _tensor(arguments, dtype.dotted.removeprefix("torch."))


def _parameter(arguments: tuple[Any, ...]) -> Any:
    if not isinstance(arguments[0], TensorRef):
        raise MalformedPickleError("a parameter without a tensor")
    return arguments[0]


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = arguments[0] if arguments else ()
    return {key: value for key, value in pairs if isinstance(key, str | int | float)}


def _default_dict(_arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return {}


_CALLS: dict[str, Call] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}


def _pairs_to_dict(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.push({})
    machine.set_items(items)


def _instance(machine: _Machine, argument: str) -> None:
    machine.name(argument.replace(" ", ".", 1))
    raise MalformedPickleError("an instruction of the oldest pickles")


def _refuse(_machine: _Machine, _argument: object) -> None:
    raise MalformedPickleError("an instruction that refers outside the file")


# What each instruction does. Plain values (numbers, texts, bytes) need no entry.
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": lambda _m, _: None,
    "FRAME": lambda _m, _: None,
    "STOP": lambda _m, _: None,
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": lambda m, _: m.take(1),
    "POP_MARK": lambda m, _: m.since_mark(),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "EMPTY_SET": lambda m, _: m.push([]),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.take(3))),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "DICT": lambda m, _: _pairs_to_dict(m),
    "SETITEM": lambda m, _: m.set_items(m.take(2)),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "APPEND": lambda m, _: m.add_items(m.take(1)),
    "APPENDS": lambda m, _: m.add_items(m.since_mark()),
    "ADDITEMS": lambda m, _: m.add_items(m.since_mark()),
    "PUT": lambda m, arg: m.put(arg),
    "BINPUT": lambda m, arg: m.put(arg),
    "LONG_BINPUT": lambda m, arg: m.put(arg),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "GET": lambda m, arg: m.push(m.memo[arg]),
    "BINGET": lambda m, arg: m.push(m.memo[arg]),
    "LONG_BINGET": lambda m, arg: m.push(m.memo[arg]),
    "GLOBAL": lambda m, arg: m.name(arg.replace(" ", ".", 1)),
    "INST": lambda m, arg: _instance(m, arg),
    "STACK_GLOBAL": lambda m, _: m.name_from_stack(),
    "REDUCE": lambda m, _: m.call(),
    "NEWOBJ": lambda m, _: m.call(made=True),
    "BUILD": lambda m, _: m.set_state(),
    "BINPERSID": lambda m, _: m.persistent(),
}
_ACTIONS.update(dict.fromkeys(("PERSID", "EXT1", "EXT2", "EXT4"), _refuse))
