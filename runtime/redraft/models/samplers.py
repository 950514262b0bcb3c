"""Which rows the images of a recipe's latents stand for, however a generator draws its latents.

A row is all that a generator needs to draw one picture: the numbers of its latent, and its class
behind them where it has classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redraft.errors import ModelError, RunError
from redraft.explain.words import first_line
from redraft.models import latents
from redraft.models.generator import Generator
from redraft_dsl.recipe.model import Latents

Draw = Callable[[Latents, Sequence[int]], Tensor]


@dataclass(frozen=True)
class Sampler:
    """Rows by the number of their image.

    Attributes:
        kind: as :attr:`redraft_dsl.facts.ModelFacts.latents`.
        size: numbers of one latent.
        classes: how many there are; 0 for none.
        bank: (n, size) float32, of ``kind`` bank.
        function: from the number of an image to its latent, of ``kind`` function.

    """

    kind: str
    size: int
    classes: int = 0
    bank: Tensor | None = None
    function: Callable[[int], Any] | None = None

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.size + bool(self.classes)

    def rows(self, block: Latents, indices: Sequence[int]) -> Tensor:
        """(len(indices), size or size + 1) float32, of the images in the order named.

        Raises:
            RunError: there is no such image.
            ModelError: the function of latents fails.

        """
        found = self._latents(block, indices)
        if not self.classes:
            return found
        every = block.label is None
        classes = torch.tensor(
            [index % self.classes if every else block.label for index in indices]
        )
        return torch.cat([found, classes.to(found)[:, None]], 1)

    def some(self, count: int) -> Tensor:
        """Rows (count, width) to look at a module with; those of a short bank come again.

        Raises:
            ModelError: the function of latents fails, or gives others each time.

        """
        there = count if self.bank is None else min(count, len(self.bank))
        block = Latents(name="z", seed=1, count=count)
        rows = self.rows(block, [index % there for index in range(count)])
        if self.function is not None and not torch.equal(rows, self.rows(block, range(count))):
            raise ModelError(
                "RD646",
                "the function of latents gives another latent for an image the second time",
                "let it give the same one for a number each time, as from "
                "torch.Generator().manual_seed(number)",
            )
        return rows

    def batches(
        self, block: Latents, count: int, batch: int, start: int = 0
    ) -> Iterator[Tensor]:  # fmt: skip
        """The rows of ``count`` images from ``start`` on, one batch at a time."""
        if self.kind in ("normal", "uniform") and not self.classes:
            yield from latents.batches(block.seed, count, self.size, batch, start, self.kind)
            return
        for first in range(start, start + count, batch):
            yield self.rows(block, range(first, min(first + batch, start + count)))

    def _latents(self, block: Latents, indices: Sequence[int]) -> Tensor:
        if self.bank is not None:
            wrong = [index for index in indices if not 0 <= index < len(self.bank)]
            if wrong:
                raise RunError(
                    "RD590",
                    f"there is no image {wrong[0]}: the file of latents holds {len(self.bank)}",
                    f"write `count {len(self.bank)}` or less, and images below that number",
                )
            return self.bank[list(indices)]
        if self.function is not None:
            return torch.stack([self._called(self.function, index) for index in indices])
        return latents.rows(block.seed, list(indices), self.size, self.kind)

    def _called(self, function: Callable[[int], Any], index: int) -> Tensor:
        try:
            row = torch.as_tensor(function(index)).detach().reshape(-1).float().cpu()
        except Exception as error:
            raise ModelError(
                "RD646",
                f"the function of latents fails for image {index}: {type(error).__name__}: "
                f"{first_line(error)}",
                "it is given the number of an image and gives its latent",
            ) from error
        if len(row) != self.size:
            raise ModelError(
                "RD646",
                f"the function of latents gives {len(row)} numbers for image {index}, and the "
                f"module takes {self.size}",
                "let it give latents of one shape",
            )
        return row


def sampler_of(generator: Generator) -> Sampler:
    """How a generator's latents are drawn."""
    found: Sampler | None = getattr(generator, "sampler", None)
    return found if found is not None else Sampler("normal", generator.facts.latent_size)


def bank_kind(bank: Tensor) -> str:
    """The name of a bank (n, size) of latents: what it holds, and how many."""
    digest = hashlib.sha256(bank.contiguous().numpy().tobytes()).hexdigest()
    return f"bank-{len(bank)}-{digest[:16]}"
