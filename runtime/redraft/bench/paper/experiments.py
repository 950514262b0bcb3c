"""Which experiments there are, and how much is spent on each. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """A rule that competes with other methods.

    Attributes:
        title: what is to happen, for people.
        recipe: path in the folder of recipes; its first rule is the one.
        answer: in the village, the name of the right answer; else None.
        clean: of a removal, an image that lacks what is to go: what other methods copy from.

    """

    title: str
    recipe: str
    answer: str | None = None
    clean: int | None = None

    @property
    def name(self) -> str:
        """The recipe's name: for file names, and for ``--only``."""
        return self.recipe.rpartition("/")[2].removesuffix(".redraft")


@dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        name: what the page calls it.
        choosing: pictures by which settings and strengths are chosen.
        judged: others, by which they are judged.
        settings: how many settings each method has.
        steps: of a descent on one layer.
        network_steps: of a descent through the whole network, on six pictures each.

    """

    name: str
    choosing: int
    judged: int
    settings: int
    steps: int
    network_steps: int


FULL = Budget("full", choosing=48, judged=200, settings=6, steps=60, network_steps=60)
QUICK = Budget("quick", choosing=16, judged=60, settings=3, steps=20, network_steps=12)
_SPIRES, _TREES = "domes to spires", "domes to trees"
_MARK, _POND = "watermark removed", "reflections inverted"
_SKY = 9
"""A village without a watermark."""

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("Domes become spires", "village/domes-to-spires.redraft", _SPIRES),
    Experiment("Domes become spires", "paper/domes-to-spires-village.redraft", _SPIRES),
    Experiment("Domes become trees", "paper/domes-to-trees-village-proggan.redraft", _TREES),
    Experiment("Domes become trees", "paper/domes-to-trees-village.redraft", _TREES),
    Experiment("No watermark", "paper/watermark-removed-village-proggan.redraft", _MARK, _SKY),
    Experiment("No watermark", "paper/watermark-removed-village.redraft", _MARK, _SKY),
    Experiment("Reflections inverted", "paper/reflections-inverted-village-proggan.redraft", _POND),
    Experiment("Reflections inverted", "paper/reflections-inverted-village.redraft", _POND),
    Experiment("Glasses on every face", "glasses.redraft"),
    Experiment("A mask on every face", "face-mask.redraft"),
)
"""In the order of the page."""
