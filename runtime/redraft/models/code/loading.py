"""Running a person's code: a module made, its weights put in, and what it disturbs noticed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from redraft.errors import ModelError, RedraftError
from redraft.explain.words import first_line
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.code.reference import Code
from redraft.models.hooked.described import Generator


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
        raise ModelError(
            "RD657",
            f"{code.written} {what}: {type(error).__name__}: {first_line(error)}",
            f"repair the code; `python {code.path}` shows whether the file itself runs",
        ) from error


@contextlib.contextmanager
def undisturbed(warnings: list[str]) -> Iterator[None]:
    """A block of foreign code: what it prints and what it changes for others is put right."""
    before, printed = _state(), io.StringIO()
    generators = (torch.get_rng_state(), np.random.get_state(), random.getstate())
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        after = _state()
        for name, value in before.items():
            if after[name] != value:
                _SETTERS[name](value)
                warnings.append(f"it changes {name} to {after[name]}, which is set back")
        torch.set_rng_state(generators[0])
        np.random.set_state(generators[1])
        random.setstate(generators[2])
        if printed.getvalue().strip():
            warnings.append(f"it prints: {printed.getvalue().strip().splitlines()[0][:80]}")


def _state() -> dict[str, Any]:
    return {
        "the default dtype": torch.get_default_dtype(),
        "the number of threads": torch.get_num_threads(),
        "whether gradients are kept": torch.is_grad_enabled(),
        "whether algorithms are deterministic": torch.are_deterministic_algorithms_enabled(),
    }


_SETTERS: Mapping[str, Any] = {
    "the default dtype": torch.set_default_dtype,
    "the number of threads": torch.set_num_threads,
    "whether gradients are kept": torch.set_grad_enabled,
    "whether algorithms are deterministic": torch.use_deterministic_algorithms,
}


def _made(code: Code) -> Any:
    path = code.path.resolve()
    # As `python FILE.py` has it, so that the files beside it can be imported, now and later.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = f"_generator_{code.sha256[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError("RD649", f"{path} is no Python file", "name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
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
    state = described.module.state_dict()
    prefix = shared_prefix(state)
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    for name in sorted(own.keys() | tensors.keys()):
        here, there = _said(own.get(name)), _said(tensors.get(name))
        if here != there:
            raise ModelError(
                "RD658",
                f"{file} does not hold the weights of {described.name}: `{name}` is {there} in the "
                f"file and {here} in the module",
                "give the weights of this module, or build it in the sizes that the file has",
            )
    described.module.load_state_dict({prefix + name: value for name, value in tensors.items()})


def _said(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
