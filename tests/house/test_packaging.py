"""redraft as others install it: the lines that say how, the README of an index, wheel and sdist."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from redraft.explain.install import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WITH_LINES = ("*.py", "*.md", "*.html", "*.jinja", "*.yml", "*.yaml")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("index_readme", ROOT / ".ci" / "index_readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_line_installs_redraft_from_an_index_that_does_not_have_it() -> None:
    folders = [ROOT / name for name in ("runtime", "dsl", "docs", "recipes")]
    paths = [path for folder in folders for kind in WITH_LINES for path in folder.rglob(kind)]
    texts = {path: path.read_text("utf-8") for path in (*paths, *ROOT.glob("*.md"))}
    constant = ROOT / "runtime" / "redraft" / "explain" / "install.py"
    wrong = [
        path.relative_to(ROOT).as_posix()
        for path, text in texts.items()
        if path != constant and re.search(r'pip install (-U )?"?redraft\b', text)
    ]
    assert len(texts) > 100
    assert wrong == []


def test_the_extras_are_those_of_the_project() -> None:
    extras = PROJECT["optional-dependencies"]
    extras["studio"] = [*extras["lsp"], *extras["studio"][1:]]
    assert {name: list(lines) for name, lines in EXTRAS.items()} == {
        name: extras[name] for name in EXTRAS
    }


def test_the_readme_of_an_index_has_no_relative_link(hook: ModuleType) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    relative = re.compile(r"\]\((?!https?://|#)")
    assert relative.search(text)
    shown = hook.index_readme(text, "https://example.org/a/redraft")
    assert not relative.search(shown)
    assert "(https://example.org/a/redraft/blob/main/docs/tutorial.md)" in shown
    assert "](https://example.org/a/redraft/raw/main/docs/pictures/" in shown
    unknown = hook.index_readme(text, "")
    assert not relative.search(unknown)
    assert "Start with the tutorial, or browse the documentation." in unknown


def test_publishing_keeps_no_password() -> None:
    text = (ROOT / ".github" / "workflows" / "publish.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in text
    assert "password" not in text.partition("name: publish")[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_can_be_installed_and_used(tmp_path: Path, kind: str) -> None:
    url = {**os.environ, "REDRAFT_URL": "https://example.org/a/redraft"}
    empty = {name: value for name, value in url.items() if name != "PYTHONPATH"}

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            list(map(str, words)), env=empty, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    source = ROOT
    if kind == "sdist":
        run(python, "-m", "pip", "install", "-q", "build")
        run(python, "-m", "build", "--sdist", "--outdir", tmp_path / "dist", ROOT)
        (source,) = (tmp_path / "dist").glob("*.tar.gz")
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "wheels", source)
    (wheel,) = (tmp_path / "wheels").glob("redraft-*.whl")
    run(python, "-m", "pip", "install", "-q", "--no-deps", wheel)
    # What redraft needs is large, and is here; redraft itself is the wheel's, which comes first.
    ours = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (ours / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(python, "-c", "import redraft, redraft_dsl; print(redraft.__file__)").strip()
    assert Path(where).is_relative_to(ours)
    assert "glasses-from-one" in run(tmp_path / "empty" / "bin" / "redraft", "recipes")
    assert "no problems" in run(tmp_path / "empty" / "bin" / "redraft", "check", "glasses")
    assert "what it means" not in run(tmp_path / "empty" / "bin" / "redraft", "explain", "RD101")
    metadata = next(ours.glob("redraft-*.dist-info")) / "METADATA"
    described = metadata.read_text("utf-8")
    assert "Project-URL: Source, https://example.org/a/redraft" in described
    assert not re.search(r"\]\((?!https?://|#)", described.partition("\n\n")[2])
