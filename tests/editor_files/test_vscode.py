"""The VS Code extension: its files agree with each other and with the language.

Its grammar is run by a small interpreter of TextMate's rules, as far as it uses them: at each place
the pattern that matches first in the line wins, and of several the one that is listed first.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from redraft_dsl.colours import textmate

Scoped = tuple[str, str]
node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")


@pytest.fixture(scope="module")
def extension(root: Path) -> Path:
    return root / "dsl" / "vscode"


@pytest.fixture(scope="module")
def manifest(extension: Path) -> dict[str, Any]:
    return json.loads((extension / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def grammar(extension: Path) -> dict[str, Any]:
    path = extension / "syntaxes" / "redraft.tmLanguage.json"
    return json.loads(path.read_text(encoding="utf-8"))


def scoped(grammar: dict[str, Any], text: str) -> list[Scoped]:
    """Every piece of a text with its scope; white space, which has none, is left out."""
    found: list[Scoped] = []
    for line in text.split("\n"):
        at = 0
        while at < len(line):
            match, pattern = first(grammar, line, at)
            if match is None:
                break
            found += [(line[at : match.start()], "")] if line[at : match.start()].strip() else []
            if "name" in pattern:
                found.append((match[0], pattern["name"]))
            for number, capture in pattern.get("captures", {}).items():
                found.append((match[int(number)], capture["name"]))
            at = match.end()
        if line[at:].strip():
            found.append((line[at:], ""))
    return found


def first(
    grammar: dict[str, Any], line: str, at: int
) -> tuple[re.Match[str] | None, dict[str, Any]]:
    matches = [
        (match.start(), number, match, pattern)
        for number, pattern in enumerate(grammar["patterns"])
        if (match := re.compile(pattern["match"]).search(line, at)) and match[0]
    ]
    if not matches:
        return None, {}
    _, _, match, pattern = min(matches, key=lambda each: each[:2])
    return match, pattern


def test_the_grammar_is_the_one_that_the_words_make(extension: Path) -> None:
    path = extension / "syntaxes" / "redraft.tmLanguage.json"
    wanted = textmate.text()
    assert path.read_text(encoding="utf-8") == wanted, (
        "run `python -m redraft_dsl.colours.textmate > dsl/vscode/syntaxes/redraft.tmLanguage.json`"
    )


def test_the_grammar_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "redraft_dsl.colours.textmate"],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout == textmate.text()


def test_each_pattern_is_named_or_captures_what_it_has_groups_for(grammar: dict[str, Any]) -> None:
    for pattern in grammar["patterns"]:
        compiled = re.compile(pattern["match"])
        captured = [int(number) for number in pattern.get("captures", {})]
        assert captured == list(range(1, compiled.groups + 1)), pattern
        assert ("name" in pattern) == (not captured), pattern
        # Python alone knows these; Oniguruma would refuse or misread them.
        assert not re.search(r"\(\?P|\(\?\(|\\Z|\(\?[aLu]", pattern["match"])


def test_recipes_have_a_scope_everywhere(grammar: dict[str, Any], recipes: dict[str, str]) -> None:
    for path, text in recipes.items():
        pieces = scoped(grammar, text)
        assert [piece for piece, scope in pieces if not scope] == [], path
        bare = "".join("".join(piece.split()) for piece, _ in pieces)
        assert bare == "".join(text.split()), path


def test_every_keyword_has_a_scope(grammar: dict[str, Any], keywords: tuple[str, ...]) -> None:
    for word in keywords:
        piece, scope = scoped(grammar, f"{word} ")[0]
        assert piece == word
        assert scope.startswith(("keyword.", "support.function.shape")), f"{word}: {scope}"


def test_a_rule_is_scoped_as_it_is_meant(grammar: dict[str, Any]) -> None:
    text = 'rule hat at main.6 { copy z[3] mask("a.png" bilinear) directions context } # end'
    scopes = dict(scoped(grammar, text))
    assert {piece: scope.rpartition(".")[0] for piece, scope in scopes.items()} == {
        "rule": "keyword.control",
        "hat": "entity.name.function",
        "at": "keyword.other",
        "main.6": "entity.name.tag",
        "{": "punctuation",
        "copy": "keyword.other",
        "z": "variable.other",
        "[": "punctuation",
        "3": "constant.numeric",
        "]": "punctuation",
        "mask": "support.function.shape",
        "(": "punctuation",
        '"a.png"': "string.quoted.double",
        "bilinear": "support.constant",
        ")": "punctuation",
        "directions": "support.type.property-name",
        "context": "support.constant",
        "}": "punctuation",
        "# end": "comment.line.number-sign",
    }


def test_the_manifest_names_files_that_are_there(
    extension: Path, manifest: dict[str, Any], grammar: dict[str, Any]
) -> None:
    (language,) = manifest["contributes"]["languages"]
    (colours,) = manifest["contributes"]["grammars"]
    for path in (manifest["main"], language["configuration"], colours["path"], "README.md"):
        assert (extension / path).is_file(), path
    assert language["extensions"] == [".redraft"]
    assert colours["language"] == language["id"]
    assert colours["scopeName"] == grammar["scopeName"]
    assert re.match(language["firstLine"], "edition 2026")
    assert list(manifest["dependencies"]) == ["vscode-languageclient"]


def test_the_version_is_that_of_redraft(manifest: dict[str, Any]) -> None:
    import redraft

    assert manifest["version"] == redraft.__version__


def test_the_editor_knows_brackets_comments_and_names(extension: Path) -> None:
    path = extension / "language-configuration.json"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    assert configuration["comments"] == {"lineComment": "#"}
    assert configuration["brackets"] == [["{", "}"], ["[", "]"], ["(", ")"]]
    word = re.compile(configuration["wordPattern"])
    assert word.findall("glasses-from-one z[116] rule_2") == ["glasses-from-one", "z", "rule_2"]
    more = re.compile(configuration["indentationRules"]["increaseIndentPattern"])
    assert more.search("rule hat at layer6 {")
    assert more.search("rule hat at layer6 {  # a hat")
    assert not more.search("latents z { seed 1  count 20 }")
    assert not more.search("# rule hat {")


def test_git_keeps_it_and_the_wheel_does_not(root: Path, extension: Path) -> None:
    import tomllib

    names = [path.relative_to(root).as_posix() for path in sorted(extension.rglob("*"))
             if path.is_file() and "node_modules" not in path.parts]  # fmt: skip
    assert "dsl/vscode/extension.js" in names
    if (root / ".git").exists():
        done = subprocess.run(
            ["git", "check-ignore", *names, ".pre-commit-hooks.yaml"],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert [name for name in done.stdout.split() if not name.endswith("lock.json")] == []
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    taken = [*wheel["packages"], *wheel.get("force-include", {})]
    assert not any(extension.is_relative_to(root / folder) for folder in taken)


@node
def test_the_client_is_javascript(extension: Path) -> None:
    done = subprocess.run(
        ["node", "--check", str(extension / "extension.js")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


DRIVER = """
"use strict";
// The editor and its client library, as far as they are called; it prints each call.
const Module = require("module");
const settings = JSON.parse(process.argv[3]);
const reported = [];
let changed;
const vscode = {
  workspace: {
    workspaceFolders: [{ uri: { fsPath: "/open" } }],
    getConfiguration: () => ({ get: (name, other) => settings[name] ?? other }),
    onDidChangeConfiguration: (heard) => ((changed = heard), {}),
  },
  window: { showErrorMessage: async (text) => void reported.push(["error", text]) },
  commands: { registerCommand: (name, run) => ((vscode.run = run), { name }) },
};
class LanguageClient {
  constructor(id, name, server, options) {
    reported.push(["made", server.command, server.args, options.documentSelector]);
  }
  async start() {
    reported.push(["start"]);
    if (settings.fails) throw new Error("spawn redraft ENOENT");
  }
  async stop() {
    reported.push(["stop"]);
    if (settings.fails) throw new Error("not running");
  }
}
const load = Module._load;
Module._load = (name, ...rest) =>
  ({ vscode, "vscode-languageclient/node": { LanguageClient } })[name] ?? load(name, ...rest);
(async () => {
  const { activate, deactivate } = require(process.argv[2]);
  await activate({ subscriptions: [] });
  await changed({ affectsConfiguration: (name) => name === "another.setting" });
  settings["redraft.path"] = "other";
  await changed({ affectsConfiguration: (name) => name === "redraft.path" });
  await deactivate();
  console.log(JSON.stringify(reported));
})();
"""


def driven(extension: Path, folder: Path, settings: dict[str, Any]) -> list[list[Any]]:
    (folder / "driver.js").write_text(DRIVER, encoding="utf-8")
    done = subprocess.run(
        ["node", "driver.js", str(extension / "extension.js"), json.dumps(settings)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@node
def test_the_client_starts_the_program_that_is_set(extension: Path, tmp_path: Path) -> None:
    selector = [
        {"scheme": "file", "language": "redraft"},
        {"scheme": "untitled", "language": "redraft"},
    ]
    reported = driven(extension, tmp_path, {"redraft.path": "${workspaceFolder}/.venv/bin/redraft"})
    assert reported == [
        ["made", "/open/.venv/bin/redraft", ["lsp"], selector],
        ["start"],
        ["stop"],
        ["made", "other", ["lsp"], selector],
        ["start"],
        ["stop"],
    ]
    assert driven(extension, tmp_path, {})[0][1] == "redraft"
    assert driven(extension, tmp_path, {"redraft.path": "  "})[0][1] == "redraft"


@node
def test_a_program_that_does_not_start_is_reported(extension: Path, tmp_path: Path) -> None:
    reported = driven(extension, tmp_path, {"fails": True})
    errors = [rest[0] for kind, *rest in reported if kind == "error"]
    assert len(errors) == 2
    assert errors[0].startswith("`redraft lsp` does not start, so recipes have colours only: spawn")
    assert errors[1].startswith("`other lsp` does not start")
