"""A person's Python file run as it is written, with the files beside it. No torch."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType

_MARK = "__redraft_generator__"
"""What is set in the modules that a generator has brought."""


class _AsWritten(SourceFileLoader):
    """Compiles the source anew: what lies in a ``__pycache__`` may be of other code."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def run_file(path: Path, name: str) -> ModuleType:
    """Run a file as a module called ``name``; it finds the files beside it.

    What is beside one generator never stands in for what is beside another, nor for what the
    same file held before.
    """
    loader = _AsWritten(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None, "there is a loader"
    module = importlib.util.module_from_spec(spec)
    with _folder_first(path.parent):
        for each, loaded in list(sys.modules.items()):
            if getattr(loaded, _MARK, None) is True:
                del sys.modules[each]
        before = set(sys.modules)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        finally:
            for each in sys.modules.keys() - before:
                if _lies_in(sys.modules[each], path.parent):
                    setattr(sys.modules[each], _MARK, True)
    return module


@contextlib.contextmanager
def _folder_first(folder: Path) -> Iterator[None]:
    """As ``python FILE.py`` has it; later imports find what is there behind all else."""
    place = str(folder)

    def as_written(searched: str) -> FileFinder:
        if not Path(searched).is_relative_to(folder):
            raise ImportError(searched)
        extensions = (ExtensionFileLoader, EXTENSION_SUFFIXES)
        return FileFinder(searched, extensions, (_AsWritten, SOURCE_SUFFIXES))

    sys.path[:] = [place, *(each for each in sys.path if each != place)]
    sys.path_hooks.insert(0, as_written)
    _forget_finders(folder)
    try:
        yield
    finally:
        sys.path.remove(place)
        sys.path.append(place)
        sys.path_hooks.remove(as_written)
        sys.path_hooks.append(as_written)


def _forget_finders(folder: Path) -> None:
    for each in list(sys.path_importer_cache):
        if Path(each).is_relative_to(folder):
            del sys.path_importer_cache[each]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
