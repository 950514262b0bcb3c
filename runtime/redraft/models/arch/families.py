"""The architectures that can be read: what gives a file away, and who builds its generator.

No torch: a file is recognised by the names and shapes of its tensors, before any is read. Beside
the built-in architectures there are those of installed packages
(:mod:`redraft.models.arch.plugins`); they are asked last, and what goes
wrong in one is reported by its name and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from redraft.errors import ModelError
from redraft.models.arch import dcgan_shapes, plugins, proggan_shapes
from redraft.models.arch.plugins import Plugin
from redraft.models.arch.stylegan2 import shapes as stylegan2_shapes
from redraft_dsl.facts import ModelFacts

if TYPE_CHECKING:
    from redraft.models.generator import Generator

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name without the prefix that all names of a file share, to shape."""


@dataclass(frozen=True)
class Recognised:
    """What the shapes in a file say.

    Attributes:
        facts: picture, latent and layers.
        layout: the manner in which the file names its tensors; an architecture may have several.

    """

    facts: ModelFacts
    layout: str


Builder = Callable[..., "Generator"]
"""Called with the tensors by bare name, the layout and the truncation."""

Recogniser = Callable[[Shapes], Recognised | None]
"""Gives None for another architecture's tensors; raises ModelError for a broken one of its own."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        name: as recipes call it (``arch dcgan``).
        title: as sentences call it.
        recognise: see :data:`Recogniser`.
        builder: see :data:`Builder`. The built-in ones are given as ``module:function``, so that
            torch is loaded only when weights are.
        truncates: whether it has a mapping network whose output can be truncated.
        beside: names of tensors that files keep beside the generator's own, and that the builder
            wants among them.
        attributes: whether the builder is also given what the file says of how the generator was
            made (``attributes=``, see :class:`redraft.models.checkpoint.header.Header`).

    """

    name: str
    title: str
    recognise: Recogniser
    builder: str | Builder
    truncates: bool = False
    beside: tuple[str, ...] = ()
    attributes: bool = False

    @property
    def build(self) -> Builder:
        """The builder itself."""
        if not isinstance(self.builder, str):
            return self.builder
        found: Builder = resolve_name(self.builder)
        return found


def _dcgan(shapes: Shapes) -> Recognised | None:
    if not any(name.split(".")[0].isdigit() for name in shapes):
        return None
    return Recognised(dcgan_shapes.facts(shapes), "sequential")


def _proggan(shapes: Shapes) -> Recognised | None:
    layout = proggan_shapes.layout_of(shapes)
    return None if layout is None else Recognised(proggan_shapes.facts(shapes), layout)


def _stylegan2(shapes: Shapes) -> Recognised | None:
    found = stylegan2_shapes.read(shapes)
    return None if found is None else Recognised(found.facts, found.names.layout)


FAMILIES: tuple[Family, ...] = (
    Family("dcgan", "DCGAN", _dcgan, "redraft.models.arch.dcgan:build"),
    Family("proggan", "ProgGAN", _proggan, "redraft.models.arch.proggan:build"),
    Family(
        name="stylegan2",
        title="StyleGAN2",
        recognise=_stylegan2,
        builder="redraft.models.arch.stylegan2.generator:build",
        truncates=True,
        beside=("latent_avg",),
        attributes=True,
    ),
)


def recognise(shapes: Shapes, arch: str | None = None) -> Recognised:
    """Which generator the tensors of a file make up.

    Args:
        shapes: the file's.
        arch: what the recipe says it is. An architecture of a package that is named there is
            asked alone, for a simple network may look like one that is built in.

    Raises:
        ModelError: none that is known, or a damaged one; or the package that should know it is
            broken.

    """
    named = [plugin for plugin in _plugins() if plugin.name == arch and plugin.fault is None]
    if named:
        found = _plugin_family(named[0]).recognise(shapes)
        if found is None:
            raise _unknown(shapes)
        return found
    faults: list[ModelError] = []
    for family in FAMILIES:
        try:
            found = family.recognise(shapes)
        except ModelError as error:
            faults.append(error)
            continue
        if found is not None:
            return found
    return _by_plugin(shapes, faults)


def family_named(name: str) -> Family:
    """The architecture called ``name``; one that :func:`recognise` gave."""
    for family in FAMILIES:
        if family.name == name:
            return family
    return _plugin_family(next(plugin for plugin in _plugins() if plugin.name == name))


def provenance(name: str) -> str:
    """The architecture called ``name``, and whose code it is: results depend on both.

    A built-in one is named alone; one of a package with the package and its version, as in
    ``boxy of inkpot 1.0``. The code of somebody's own module counts with its weights.
    """
    if any(family.name == name for family in FAMILIES):
        return name
    origin = next((plugin.origin for plugin in _plugins() if plugin.name == name), None)
    return name if origin is None else f"{name} of {origin}"


def architectures() -> tuple[str, ...]:
    """Every name that a recipe can give as ``arch``; nothing is imported."""
    built_in = tuple(family.name for family in FAMILIES)
    return built_in + tuple(plugin.name for plugin in _plugins() if plugin.fault is None)


def plugin_report() -> list[tuple[Plugin, ModelError | None]]:
    """Every architecture of an installed package, and what is wrong with it; imports them all."""
    report: list[tuple[Plugin, ModelError | None]] = []
    for plugin in _plugins():
        try:
            _plugin_family(plugin)
        except ModelError as error:
            report.append((plugin, error))
        else:
            report.append((plugin, None))
    return report


def _plugins() -> tuple[Plugin, ...]:
    return plugins.installed({family.name for family in FAMILIES})


def _by_plugin(shapes: Shapes, faults: list[ModelError]) -> Recognised:
    """Ask the packages' architectures; ``faults`` are what the built-in ones found amiss."""
    broken: list[ModelError] = []
    for plugin in _plugins():
        try:
            found = _plugin_family(plugin).recognise(shapes)
        except ModelError as error:
            if error.code == plugins.BROKEN:
                broken.append(error)
            continue
        if found is not None:
            return found
    first = faults[0] if faults else _unknown(shapes)
    hints = [first.help or "", *(fault.message for fault in broken)]
    raise ModelError(first.code, first.message, "; ".join(filter(None, hints)))


def _unknown(shapes: Shapes) -> ModelError:
    names = ", ".join(list(shapes)[:3])
    titles = " or ".join(family.title for family in FAMILIES)
    return ModelError(
        "RD626",
        f"these weights are not a generator that is known: their names are {names}, ...",
        f"give the weights of a {titles} generator (not the discriminator's); the weights of any "
        "other torch generator need `--generator FILE.py:NAME`, the code that makes it",
    )


def _plugin_family(plugin: Plugin) -> Family:
    """The architecture of a package, whose errors are reported under its name.

    Raises:
        ModelError: it cannot be used.

    """
    family = plugins.imported(plugin)
    if not isinstance(family, Family) or family.name != plugin.name:
        raise plugins.broken(plugin, f"it names no redraft Family called `{plugin.name}`")
    recognise, build = family.recognise, family.build

    def guarded_recognise(shapes: Shapes) -> Recognised | None:
        with plugins.blamed(plugin):
            found = recognise(shapes)
            if found is not None and found.facts.arch != plugin.name:
                raise ValueError(f"it calls its generators {found.facts.arch}")
            return found

    def guarded_build(*arguments: object, **more: object) -> Generator:
        with plugins.blamed(plugin):
            return build(*arguments, **more)

    return replace(family, recognise=guarded_recognise, builder=guarded_build)
