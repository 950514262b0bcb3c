"""How redraft, and what it can do without, is installed: the lines that messages and cards give.

redraft is on no package index yet, so it is installed from a copy of its repository. No torch.
"""

from __future__ import annotations

REDRAFT = "pip install ./redraft  # a copy of redraft's repository"
"""Once a package index has it: ``pip install redraft``."""
EXTRAS = {
    "hub": ("huggingface_hub>=1",),
    "lsp": ("pygls>=2",),
    "notebook": ("ipython>=8.20",),
    "rivals": ("opencv-python-headless>=4.10",),
    "studio": ("pygls>=2", "starlette>=0.40", "uvicorn>=0.30", "websockets>=15"),
}
"""What each extra of ``pyproject.toml`` installs."""


def extra(name: str) -> str:
    """The line that installs what an extra stands for, wherever redraft came from."""
    packages = " ".join(f'"{each}"' for each in EXTRAS[name])
    return f"pip install {packages}"
