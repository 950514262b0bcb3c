"""The architectures that can be read: what gives a file away, and who builds its generator.

No torch: a file is recognised by the names and shapes of its tensors, before any is read. Beside
the built-in architectures there are those of installed packages
(:mod:`redraft.models.arch.plugins`); they are asked last, and what goes
wrong in one is reported by its name and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from redraft.errors import ModelError
from redraft.models.arch import dcgan_shapes, plugins, proggan_shapes
from redraft.models.arch.chain import chain_of
from redraft.models.arch.kinds import proggan_names, stylegan_shapes
from redraft.models.arch.kinds.named import KINDS, named
from redraft.models.arch.plugins import Plugin
from redraft.models.arch.said import BY_CODE, Said
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
        assumed: what no file of weights holds and was taken for granted, as clauses.

    """

    facts: ModelFacts
    layout: str
    assumed: tuple[str, ...] = ()


Builder = Callable[..., "Generator"]
"""Called with the tensors by bare name, the layout and the truncation."""

Recogniser = Callable[..., Recognised | None]
"""Called with the shapes, and what a person says where the architecture assumes.

Gives None for another architecture's tensors; raises ModelError for a broken one of its own."""


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
        assumes: whether recogniser and builder are also given what a person says of activations
            and the like (``said=``, see :class:`redraft.models.arch.said.Said`).

    """

    name: str
    title: str
    recognise: Recogniser
    builder: str | Builder
    truncates: bool = False
    beside: tuple[str, ...] = ()
    attributes: bool = False
    assumes: bool = False

    @property
    def build(self) -> Builder:
        """The builder itself."""
        if not isinstance(self.builder, str):
            return self.builder
        found: Builder = resolve_name(self.builder)
        return found


def _dcgan(shapes: Shapes, said: Said = Said()) -> Recognised | None:  # noqa: B008
    if chain_of(shapes) is None and not any(name.split(".")[0].isdigit() for name in shapes):
        return None
    facts, chain = dcgan_shapes.facts(shapes), dcgan_shapes.links(shapes)
    return Recognised(facts, dcgan_shapes.layout_of(chain), dcgan_shapes.assumed(chain, said))


def _proggan(shapes: Shapes) -> Recognised | None:
    named = proggan_names.read(shapes)
    if named is not None:
        return Recognised(proggan_names.facts(named), named.layout, proggan_names.ASSUMED)
    layout = proggan_shapes.layout_of(shapes)
    return None if layout is None else Recognised(proggan_shapes.facts(shapes), layout)


def _stylegan(shapes: Shapes) -> Recognised | None:
    named = stylegan_shapes.read(shapes)
    if named is None:
        return None
    facts = stylegan_shapes.facts(named, shapes)
    return Recognised(facts, named.layout, stylegan_shapes.ASSUMED)


def _stylegan2(shapes: Shapes) -> Recognised | None:
    # A StyleGAN3 has styles under the same names.
    found = None if STYLEGAN3.detect(shapes) else stylegan2_shapes.read(shapes)
    return None if found is None else Recognised(found.facts, found.names.layout)


STYLEGAN3 = KINDS[0]
FAMILIES: tuple[Family, ...] = (
    Family("dcgan", "DCGAN", _dcgan, "redraft.models.kinds.dcgan:build", assumes=True),
    Family("proggan", "ProgGAN", _proggan, "redraft.models.kinds.proggan:build"),
    Family(
        name="stylegan",
        title="StyleGAN",
        recognise=_stylegan,
        builder="redraft.models.kinds.stylegan:build",
        truncates=True,
    ),
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


def recognise(shapes: Shapes, arch: str | None = None, said: Said | None = None) -> Recognised:
    """Which generator the tensors of a file make up.

    Args:
        shapes: the file's.
        said: what a person says that the file does not hold.
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
            more = {"said": said} if family.assumes and said is not None else {}
            found = family.recognise(shapes, **more)
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
    known: list[tuple[Plugin, Recognised]] = []
    for plugin in _plugins():
        try:
            found = _plugin_family(plugin).recognise(shapes)
        except ModelError as error:
            if error.code == plugins.BROKEN:
                broken.append(error)
            continue
        if found is not None:
            known.append((plugin, found))
    if len(known) > 1:
        raise _several([plugin for plugin, _ in known])
    if known:
        return known[0][1]
    first = named(shapes) or (faults[0] if faults else _unknown(shapes))
    hints = [first.help or "", *(fault.message for fault in broken)]
    raise ModelError(first.code, first.message, "; ".join(filter(None, hints)))


def _several(known: Sequence[Plugin]) -> ModelError:
    names = " and ".join(f"`{plugin.name}` of {plugin.origin}" for plugin in known)
    return ModelError(
        "RD687",
        f"several installed packages know this file: {names}",
        f"say which one is meant: `--arch {known[0].name}`, or `arch {known[0].name}` in the "
        "recipe's model",
    )


def _unknown(shapes: Shapes) -> ModelError:
    names = ", ".join(list(shapes)[:3])
    titles = " or ".join(family.title for family in FAMILIES)
    return ModelError(
        "RD626",
        f"these weights are not a generator that is known: their names are {names}, ...",
        f"give the weights of a {titles} generator; {BY_CODE}",
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
