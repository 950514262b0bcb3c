"""Which tensors of a file are the generator's: the sets of weights in it, and the choice of one.

A set is a dict inside the file, or the part of a dict whose names begin with the name of a network
(``generator.`` beside ``discriminator.``, as training frameworks save them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from redraft.models.checkpoint import refusals
from redraft.models.checkpoint.pickled import Instance
from redraft.models.checkpoint.refs import TensorRef

T = TypeVar("T")

SMOOTHED = (
    *("g_ema", "G_ema", "netG_ema", "generator_ema", "gen_ema", "G_EMA", "ema_generator"),
    *("generator_smooth", "g_smooth", "Gs", "gen_shadow", "shadow", "g_running", "G_running"),
    *("ema_model", "model_ema", "params_ema", "state_dict_ema", "ema_state_dict", "ema"),
    *("averaged_model", "avg_param_G", "GAN_ema", "GE", "avgG", "shadow_generator"),
)
"""What trainings call the running mean of the generator's weights."""
GENERATORS = (
    *("netG_state_dict", "generator_state_dict", "G_state_dict", "gen_state_dict", "netG"),
    *("generator", "gen", "G", "g", "net_g", "model_G", "netG_A2B", "online_model", "decoder_G"),
)
GENERIC = ("state_dict", "model_state_dict", "params", "model", "weights")
# Where the generator's weights lie when a file holds several sets, best first.
RANKED = (*SMOOTHED, *GENERATORS, *GENERIC)
OTHERS = frozenset(
    {
        *("discriminator", "disc", "dis", "D", "d", "netD", "net_d", "critic", "discriminator_ema"),
        *("netD_state_dict", "discriminator_state_dict", "D_state_dict", "model_D"),
        *("encoder", "E", "netE", "loss", "criterion", "perceptual_loss", "lpips", "vgg"),
        *("adversarial_loss", "valid", "fid", "inception", "augment"),
    }
)
"""What trainings call networks that lie beside a generator."""
COUNTERS = frozenset(
    {"n_averaged", "num_updates", "decay", "step", "initted", "epoch", "iteration", "iter"}
)
"""Numbers that lie among tensors, such as how many weights a mean was taken over."""
_MAX_DEPTH = 4
_MAX_ENTRIES = 2_000_000


@dataclass(frozen=True)
class WeightSet(Generic[T]):
    """Some tensors of a file that belong together.

    Attributes:
        nesting: keys that lead to the dict that holds them.
        word: what their names in it begin with, where the dict holds other networks too.
        tensors: by their names in the dict.

    """

    nesting: tuple[str, ...]
    word: str
    tensors: dict[str, T]

    @property
    def name(self) -> str:
        """As a person writes it: ``g_ema``, ``state_dict.generator``; empty for a whole file."""
        return ".".join((*self.nesting, self.word)).strip(".")

    @property
    def rank(self) -> int:
        """Place of the best known key on the way; smaller is likelier the generator."""
        keys = (*self.nesting, self.word.rpartition(".")[2])
        return min((RANKED.index(key) for key in keys if key in RANKED), default=len(RANKED))


@dataclass(frozen=True)
class Chosen(Generic[T]):
    """One set of a file, and the names of the others."""

    taken: WeightSet[T]
    others: tuple[str, ...]


def generator_set(path: Path, found: Any, asked: str | None) -> Chosen[TensorRef]:
    """The generator's set of tensors in what a file holds.

    Args:
        path: for errors.
        found: the object, with tensors described.
        asked: the name of a set, where a person says which.

    Raises:
        ModelError: there are none, it is not clear which, or there is none of that name.

    """
    sets = list(_tensor_sets(path, found))
    if not sets:
        classes = _instances(found)
        raise refusals.forbidden(path, classes[0]) if classes else refusals.no_tensors(path)
    return choose(path, sets, asked)


def choose(path: Path, sets: list[WeightSet[T]], asked: str | None) -> Chosen[T]:
    """One of the sets of a file; raises as :func:`generator_set`."""
    parts = [part for each in sets for part in split(each)]
    if asked is not None:
        taken = _named(path, parts, asked)
    else:
        taken = min(parts, key=lambda each: (each.rank, -len(each.tensors)))
        rivals = [each for each in parts if each is not taken and each.rank == taken.rank]
        whole = any(not each.nesting and not each.word for each in parts)
        if rivals and taken.rank == len(RANKED) and not whole:
            raise refusals.ambiguous(path, sorted(each.name for each in parts))
    others = [each for each in parts if each is not taken and each.rank < len(RANKED)]
    return Chosen(taken, tuple(each.name for each in others if each.name))


def split(whole: WeightSet[T]) -> list[WeightSet[T]]:
    """A set as it is, or the networks whose names its tensors begin with."""
    tensors = {name: each for name, each in whole.tensors.items() if name not in COUNTERS}
    if not tensors:
        return [whole]
    prefix = shared_prefix(tensors)
    groups: dict[str, dict[str, T]] = {}
    for name, tensor in tensors.items():
        word, dot, _ = name.removeprefix(prefix).partition(".")
        groups.setdefault(word if dot else "", {})[name] = tensor
    networks = groups.keys() & {*SMOOTHED, *GENERATORS}
    if len(groups) < 2 or not networks or not groups.keys() <= {*RANKED, *OTHERS}:
        return [WeightSet(whole.nesting, whole.word, tensors)]
    return [WeightSet(whole.nesting, prefix + word, part) for word, part in groups.items()]


def shared_prefix(names: Mapping[str, object]) -> str:
    """The leading words that all names have in common, with their dots; numbers do not count.

    ``{"module.main.0.weight", "module.main.3.weight"}`` share ``"module.main."``. A word that
    ends in a digit is a layer, not a wrapper.
    """
    if len(names) < 2:
        return ""
    split_names = [name.split(".") for name in names]
    prefix = ""
    for position in range(min(map(len, split_names)) - 2):
        words = {parts[position] for parts in split_names}
        word = words.pop()
        if words or not word or word[-1].isdigit():
            break
        prefix += f"{word}."
    return prefix


def _named(path: Path, parts: list[WeightSet[T]], asked: str) -> WeightSet[T]:
    same = [each for each in parts if each.name == asked]
    ending = [each for each in parts if each.name.rpartition(".")[2] == asked]
    found = same or ending
    if len(found) != 1:
        raise refusals.no_such_set(path, asked, sorted(each.name for each in parts))
    return found[0]


def _instances(found: Any) -> list[str]:
    """Classes of unknown objects right in what a file holds."""
    inside = found.values() if isinstance(found, dict) else ()
    return [each.dotted for each in (found, *inside) if isinstance(each, Instance)]


def _tensor_sets(path: Path, found: Any) -> Iterator[WeightSet[TensorRef]]:
    """Every dict with tensors in it, with the keys that lead there; outermost first.

    One dict may lie in several places. Dicts that hold each other over and over would take for
    ever, so the entries looked at are counted.
    """
    looked_at = 0
    level: list[tuple[tuple[str, ...], dict[Any, Any]]] = []
    if isinstance(found, dict):
        level.append(((), found))
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[tuple[str, ...], dict[Any, Any]]] = []
        for keys, holder in level:
            looked_at += len(holder) + 1
            if looked_at > _MAX_ENTRIES:
                raise refusals.hostile_sizes(path, "its tables lie inside each other without end")
            named = {key: inner for key, inner in holder.items() if isinstance(key, str)}
            tensors = {key: ref for key, ref in named.items() if isinstance(ref, TensorRef)}
            if tensors:
                yield WeightSet(keys, "", tensors)
            deeper += [
                ((*keys, key), inner) for key, inner in named.items() if isinstance(inner, dict)
            ]
        level = deeper
