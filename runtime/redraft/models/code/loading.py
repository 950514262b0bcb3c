"""Running a person's code: a module made, its weights put in, and what it disturbs noticed."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from redraft.errors import ModelError, RedraftError
from redraft.explain.failure import out_of_memory
from redraft.explain.words import first_line
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.code.reference import Code
from redraft.models.code.sources import run_file
from redraft.models.hooked.described import Generator

_MOST_PRINTED = 1 << 12


def described(code: Code, warnings: list[str] | None = None) -> Generator:
    """Run the code and give the generator that it makes.

    Args:
        code: where.
        warnings: gets what it did besides.

    Raises:
        ModelError: it fails, or what it makes is no generator.

    """
    noted = [] if warnings is None else warnings
    with blamed(code, "cannot be run"), undisturbed(noted):
        made = _made(code)
    if isinstance(made, nn.Module):
        made = Generator(made, name=code.name)
    if not isinstance(made, Generator):
        raise ModelError(
            "RD657",
            f"{code.written} gives a {type(made).__name__}, not a module",
            "let it return a torch.nn.Module or a redraft.Generator",
        )
    return made


@contextlib.contextmanager
def blamed(code: Code, what: str) -> Iterator[None]:
    """Code of a person: what it raises is reported under its name.

    Raises:
        ModelError: the block failed.

    """
    try:
        yield
    except RedraftError:
        raise
    except SystemExit as error:
        raise ModelError(
            "RD657", f"{code.written} {what}: it ends the program", "let it return the module"
        ) from error
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            "RD657",
            f"{code.written} {what}: {type(error).__name__}: {first_line(error)}",
            f"repair the code; `python {code.path}` shows whether the file itself runs",
        ) from error


@contextlib.contextmanager
def undisturbed(warnings: list[str]) -> Iterator[None]:
    """A block of foreign code: what it prints and what it changes for others is put right."""
    before, printed, process = _state(), _Printed(), os.getpid()
    generators = (torch.get_rng_state(), np.random.get_state(), random.getstate())
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        if os.getpid() != process:
            os._exit(1)  # A copy that the code has made goes no further.
        after = _state()
        for name, value in before.items():
            if after[name] != value:
                _SETTERS[name](value)
                warnings.append(f"it changes {name} to {after[name]}, which is set back")
        torch.set_rng_state(generators[0])
        np.random.set_state(generators[1])
        random.setstate(generators[2])
        if printed.text.strip():
            warnings.append(f"it prints: {printed.text.strip().splitlines()[0][:80]}")


@contextlib.contextmanager
def guarded(code: Code) -> Iterator[None]:
    """A pass through a person's module in a run, where what it does besides is known already.

    Raises:
        ModelError: it fails.

    """
    with blamed(code, "fails when it draws"), undisturbed([]):
        yield


class _Printed(io.TextIOBase):
    """The beginning of what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Take some of it, and forget the rest."""
        self.text += text[: max(0, _MOST_PRINTED - len(self.text))]
        return len(text)


def _state() -> dict[str, Any]:
    found = {
        "the default dtype": torch.get_default_dtype(),
        "the default device": torch.get_default_device(),
        "the precision of float32 products": torch.get_float32_matmul_precision(),
        "the number of threads": torch.get_num_threads(),
        "whether gradients are kept": torch.is_grad_enabled(),
        "whether algorithms are deterministic": torch.are_deterministic_algorithms_enabled(),
        "whether algorithms are tried out": torch.backends.cudnn.benchmark,
        "the present folder": _folder(),
        "the limit of recursion": sys.getrecursionlimit(),
    }
    if threading.current_thread() is threading.main_thread():
        found["what Ctrl-C does"] = signal.getsignal(signal.SIGINT)
        found["what a request to end does"] = signal.getsignal(signal.SIGTERM)
    return found


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # It was removed.
        return None


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _set_benchmark(on: bool) -> None:
    torch.backends.cudnn.benchmark = on


_SETTERS: Mapping[str, Any] = {
    "the default dtype": torch.set_default_dtype,
    # None, for a device that is set, be it the CPU, slows every operation.
    "the default device": lambda device: torch.set_default_device(
        None if device.type == "cpu" else device
    ),
    "the precision of float32 products": torch.set_float32_matmul_precision,
    "the number of threads": torch.set_num_threads,
    "whether gradients are kept": torch.set_grad_enabled,
    "whether algorithms are deterministic": torch.use_deterministic_algorithms,
    "whether algorithms are tried out": _set_benchmark,
    "the present folder": _set_folder,
    "the limit of recursion": sys.setrecursionlimit,
    "what Ctrl-C does": lambda handler: signal.signal(signal.SIGINT, handler),
    "what a request to end does": lambda handler: signal.signal(signal.SIGTERM, handler),
}


def _made(code: Code) -> Any:
    path = code.path.resolve()
    if path.suffix != ".py":
        raise ModelError("RD649", f"{path} is no Python file", "name a file that ends in .py")
    module = run_file(path, f"_generator_{code.sha256[:16]}")
    if not hasattr(module, code.name):
        names = [each for each in vars(module) if not each.startswith("_")]
        raise ModelError(
            "RD649",
            f"{code.path} has no `{code.name}`",
            f"it has {', '.join(names[:12])}",
        )
    found = getattr(module, code.name)
    return found if isinstance(found, nn.Module | Generator) else found()


def fill(described: Generator, tensors: Mapping[str, Tensor], file: str) -> None:
    """Put the weights of a file into a module.

    Args:
        described: the module.
        tensors: by the names of the file without their shared prefix.
        file: named in errors.

    Raises:
        ModelError: they are not the module's weights.

    """
    # Beside tensors, torch lets modules keep anything there, which no file of weights gives.
    state = {
        name: tensor
        for name, tensor in described.module.state_dict().items()
        if isinstance(tensor, Tensor)
    }
    prefix = shared_prefix(state)
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    for name in sorted(own.keys() | tensors.keys()):
        if name in own and name in tensors and is_lazy(own[name]):
            continue  # It takes the shape of what it is given.
        here, there = _said(own.get(name)), _said(tensors.get(name))
        if here != there:
            raise ModelError(
                "RD658",
                f"{file} does not hold the weights of {described.name}: `{name}` is {there} in the "
                f"file and {here} in the module",
                "give the weights of this module, or build it in the sizes that the file has",
            )
    given = {prefix + name: value for name, value in tensors.items()}
    described.module.load_state_dict(given, strict=False)


def _said(tensor: Tensor | None) -> str:
    if tensor is not None and is_lazy(tensor):
        return "of a shape that is not known yet"
    return "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
