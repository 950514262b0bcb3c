"""A recipe in which a word of the language stands for a name, in each role that a name may have."""

from __future__ import annotations

ROLES = {"latents": "z", "number": "four", "region": "eyes", "images": "plain", "rule": "a"}
"""The roles, and a name for each."""
RECIPE = """\
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents {latents} {{ seed 1  count 2000 }}
param {number}: int = 4
region {region} = box(x 12..52, y 24..38)
images {images} = {latents}[5, 7]

rule {rule} at layer6 {{
  copy    {latents}[116] {region}
  context {images} {region}
  context {latents}[{number}] {region}
  rank    {number}
}}

sweep some {{ vary rank of {rule} over 1, 2  vary {number} over 1, 2 }}
expect share({rule}) >= 0.5
"""


def named(role: str, word: str) -> str:
    """The recipe with a word as the name in a role."""
    return RECIPE.format(**ROLES | {role: word})
