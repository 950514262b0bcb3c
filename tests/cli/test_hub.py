"""``redraft push`` and ``pull`` as processes of their own, against a hub on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import Result

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Invoke = Callable[..., Result]
Files = dict[str, bytes]

TOKEN = "hf_thisIsASecretOfMine"
ENDLESS = b"\0" * (1 << 16)


@dataclass
class Repo:
    """A repository: its commits in order, each the hash and the files."""

    private: bool = False
    gated: bool = False
    commits: list[tuple[str, Files]] = field(default_factory=list)

    def commit(self, files: Files) -> str:
        text = repr((len(self.commits), sorted(files.items())))
        self.commits.append((hashlib.sha1(text.encode()).hexdigest(), files))
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, Files] | None:
        if revision == "main":
            return self.commits[-1]
        return next((each for each in self.commits if each[0] == revision), None)


@dataclass
class Hub:
    """What the server knows, what it was asked, and how it misbehaves.

    ``broken`` has answers in place of the true ones, by method and path; ``before`` is called
    before a request of a path is answered, ``after`` when it was.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    large: Files = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    broken: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    url: str = ""
    store: str = ""

    def put(self, name: str, files: Files, *, private: bool = False, gated: bool = False) -> str:
        repo = self.repos.setdefault(name, Repo(private, gated))
        return repo.commit(files)

    def newest(self, name: str) -> Files:
        return self.repos[name].commits[-1][1]


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".png"))


class Handler(BaseHTTPRequestHandler):
    """Speaks as a model hub does; ``server.hub`` is the Hub."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def answer_all(self) -> None:
        self.hub: Hub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(self.path.partition("?")[0])
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        where = "store" if self.server is not self.hub_server() else "hub"
        self.hub.asked.append((where, path, self.headers.get("Authorization")))
        self.hub.before.get(path, lambda: None)()
        with suppress(ConnectionError):
            if f"{self.command} {path}" in self.hub.broken:
                self.reply(*self.hub.broken[f"{self.command} {path}"])
            else:
                self.route(path)
        self.hub.after.get(path, lambda: None)()

    do_GET = do_POST = do_PUT = answer_all  # noqa: N815

    def hub_server(self) -> Any:
        return self.server.first  # type: ignore[attr-defined]

    def route(self, path: str) -> None:
        rules: list[tuple[str, Callable[..., None]]] = [
            (r"POST /api/repos/create", self.create),
            (r"POST /api/validate-yaml", lambda: self.as_json({"errors": [], "warnings": []})),
            (r"GET /api/models/([^/]+/[^/]+)(?:/revision/main)?", self.info),
            (r"POST /api/models/([^/]+/[^/]+)/preupload/main", self.preupload),
            (r"POST /api/models/([^/]+/[^/]+)/commit/main", self.commit),
            (r"POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.batch),
            (r"PUT /large/(\w+)", self.take),
            (r"GET /large/(\w+)", lambda oid: self.reply(200, {}, self.hub.large[oid])),
            (r"GET /([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.resolve),
        ]
        for pattern, deed in rules:
            found = re.fullmatch(pattern, f"{self.command} {path}")
            if found:
                deed(*found.groups())
                return
        self.reply(404, {}, b"")

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is ENDLESS:
            self.close_connection = True
            self.end_headers()
            while True:
                self.wfile.write(body)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def as_json(self, value: Any, status: int = 200) -> None:
        self.reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.reply(status, {"X-Error-Code": code, "X-Error-Message": message}, b"")

    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repo(self, name: str) -> Repo | None:
        """A repository that may be seen; else the refusal has been sent."""
        found = self.hub.repos.get(name)
        if found is None or (found.private and not self.known()):
            self.refuse(401 if not self.known() else 404, "RepoNotFound")
            return None
        return found

    def create(self) -> None:
        asked = json.loads(self.body)
        if not self.known():
            self.as_json({"error": "Invalid username or password."}, 401)
        elif asked["organization"] != "alice":
            self.as_json({"error": f"no rights for {TOKEN}"}, 403)
        elif f"alice/{asked['name']}" in self.hub.repos:
            self.as_json({"error": "exists", "url": f"{self.hub.url}/alice/{asked['name']}"}, 409)
        else:
            name = f"alice/{asked['name']}"
            private = asked.get("visibility") == "private" or asked.get("private") is True
            self.hub.put(name, {".gitattributes": b"*.png filter=lfs"}, private=private)
            self.as_json({"url": f"{self.hub.url}/{name}"})

    def info(self, name: str) -> None:
        repo = self.repo(name)
        if repo is not None:
            commit, files = repo.commits[-1]
            siblings = [{"rfilename": each} for each in files]
            told = {"id": name, "sha": commit, "private": repo.private, "siblings": siblings}
            self.as_json({**told, "tags": [], "downloads": 0, "likes": 0})

    def preupload(self, name: str) -> None:
        now, answers = self.hub.newest(name), []
        for asked in json.loads(self.body)["files"]:
            path, oid = asked["path"], None
            if path in now and is_large(path):
                oid = hashlib.sha256(now[path]).hexdigest()
            elif path in now:
                oid = hashlib.sha1(b"blob %d\0" % len(now[path]) + now[path]).hexdigest()
            mode = "lfs" if is_large(path) else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.as_json({"files": answers})

    def batch(self, name: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.url}/large/{each['oid']}"}}}
            for each in json.loads(self.body)["objects"]
        ]
        self.as_json({"transfer": "basic", "objects": objects})

    def take(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.large[oid] = self.body
        self.reply(200, {}, b"")

    def commit(self, name: str) -> None:
        repo = self.hub.repos[name]
        head, *lines = [json.loads(line) for line in self.body.splitlines()]
        if head["value"]["parentCommit"] != repo.commits[-1][0]:
            self.as_json({"error": "another commit came first"}, 412)
            return
        files = dict(self.hub.newest(name))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        oid = repo.commit(files)
        self.hub.asked.append(("message", head["value"]["summary"], None))
        self.as_json({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid})

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        found = repo.at(revision)
        if repo.gated:
            self.refuse(403, "GatedRepo")
        elif found is None:
            self.refuse(404, "RevisionNotFound")
        elif path not in found[1]:
            self.refuse(404, "EntryNotFound")
        else:
            data = found[1][path]
            oid = hashlib.sha256(data).hexdigest()
            headers = {"ETag": f'"{oid}"', "X-Repo-Commit": found[0]}
            if is_large(path):
                self.hub.large.setdefault(oid, data)
                place = f"{self.hub.store}/large/{oid}"
                self.reply(302, {**headers, "Location": place}, b"")
            else:
                self.reply(200, headers, data)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub, and a store for large files at another address; the program is told of the hub."""
    known = Hub()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    threads = []
    for server in servers:
        server.daemon_threads = True
        server.hub = known  # type: ignore[attr-defined]
        server.first = servers[0]  # type: ignore[attr-defined]
        threads.append(threading.Thread(target=server.serve_forever, args=(0.02,)))
        threads[-1].start()
    known.url, known.store = (f"http://127.0.0.1:{each.server_port}" for each in servers)
    monkeypatch.setenv("HF_ENDPOINT", known.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / ".hub"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_HUB_OFFLINE", "HF_DEBUG", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    yield known
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def files(recipe: Path, invoke: Invoke) -> Files:
    """The files of ``demo.redraftpack``, a pack without a run, in the current folder."""
    assert invoke("pack", "demo.redraft", "-o", "demo.redraftpack").exit_code == 0
    assert invoke("unpack", "demo.redraftpack", "-o", "true").exit_code == 0
    return contents(Path("true"))


def contents(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a program that did well has said."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert TOKEN not in done.stdout
    return done.stdout.splitlines()


def refused(done: subprocess.CompletedProcess[str], code: str) -> str:
    """What a program that was refused has said, once: an error and its remedy, no traceback."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith(f"error[{code}]: "), done.stderr
    assert re.fullmatch(r"error.*\n  = help: .+\n", done.stderr)
    assert TOKEN not in done.stderr
    return done.stderr


def test_a_pack_goes_to_a_hub_and_comes_back_as_it_was(
    hub: Hub, finished: Path, program: Run, invoke: Invoke
) -> None:
    invoke("pack", str(finished / "run"), "-o", "demo.redraftpack")
    invoke("unpack", "demo.redraftpack", "-o", "true")
    sha256 = hashlib.sha256(Path("demo.redraftpack").read_bytes()).hexdigest()
    shown = told(program("push", "demo.redraftpack", "alice/demo"))
    commit = hub.repos["alice/demo"].commits[-1][0]
    assert shown == [
        f"pushed: {hub.url}/alice/demo (7 files)",
        f"commit: {commit}",
        f"sha256: {sha256}",
        f"to get it: redraft pull alice/demo --revision {commit}",
    ]
    there = hub.newest("alice/demo")
    assert {n: d for n, d in there.items() if n != ".gitattributes"} == contents(Path("true"))
    assert there["README.md"].startswith(b"---\nlibrary_name: redraft\n")
    assert ("message", "demo 1.0.0", None) in hub.asked
    assert not hub.repos["alice/demo"].private
    assert told(program("pull", "alice/demo", "-o", "mine")) == [
        "pulled: mine (7 files)",
        "demo 1.0.0: A demonstration",
        f"from:   {hub.url}/alice/demo/tree/{commit}",
        f"commit: {commit}",
        f"sha256: {sha256}",
        "to repeat it: redraft verify mine",
    ]
    assert contents(Path("mine")) == contents(Path("true"))
    shutil.copy(finished / "tiny.pth", "mine/tiny.pth")
    verified = invoke("verify", "mine")
    assert verified.exit_code == 0, verified.output
    assert "verified: the promise holds for every rule" in verified.stdout


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: Hub, finished: Path, program: Run) -> None:
    told(program("push", str(finished / "run"), "alice/secret", "--private"))
    assert hub.repos["alice/secret"].private
    told(program("pull", "alice/secret"))
    assert (
        contents(Path("secret"))["edit.safetensors"]
        == hub.newest("alice/secret")["edit.safetensors"]
    )
    stored = [authorization for where, _, authorization in hub.asked if where == "store"]
    assert stored == [None, None]
    assert ("hub", "/api/models/alice/secret", f"Bearer {TOKEN}") in hub.asked


def test_a_run_that_is_there_already_makes_no_commit(
    hub: Hub, finished: Path, program: Run
) -> None:
    told(program("push", str(finished / "run"), "alice/demo", "--message", "my first one"))
    assert ("message", "my first one", None) in hub.asked
    commit = hub.repos["alice/demo"].commits[-1][0]
    shown = told(program("push", str(finished / "run"), "alice/demo"))
    assert shown[:2] == [
        f"the same is there already: {hub.url}/alice/demo (7 files)",
        f"commit: {commit}",
    ]
    assert hub.repos["alice/demo"].commits[-1][0] == commit
    again = program("push", str(finished / "run"), "alice/demo", "--format", "json")
    assert json.loads(again.stdout)["there"] is True
    pulled = json.loads(program("pull", "alice/demo", "--format", "json").stdout)
    assert (pulled["pulled"], pulled["commit"]) == ("demo", commit)


def test_what_an_earlier_push_left_is_removed_and_can_still_be_pulled(
    hub: Hub, finished: Path, files: Files, program: Run
) -> None:
    told(program("push", str(finished / "run"), "alice/demo"))
    before, there = hub.repos["alice/demo"].commits[-1]
    hub.put("alice/demo", {**there, "notes.txt": b"the owner's own"})
    told(program("push", "demo.redraftpack", "alice/demo"))
    assert hub.newest("alice/demo") == {
        **files,
        ".gitattributes": there[".gitattributes"],
        "notes.txt": b"the owner's own",
    }
    shown = told(program("pull", "alice/demo", "-o", "new"))
    assert shown[-1] == "to run it: redraft run new/recipe.redraft"
    assert contents(Path("new")) == files
    told(program("pull", "alice/demo", "-o", "old", "--revision", before))
    assert contents(Path("old")) == {n: d for n, d in there.items() if n != ".gitattributes"}


def test_all_files_are_of_one_commit_whatever_is_pushed_meanwhile(
    hub: Hub, files: Files, program: Run
) -> None:
    commit = hub.put("alice/demo", files)
    other = {**files, "recipe.redraft": b"another one"}
    hub.after["/alice/demo/resolve/main/manifest.json"] = lambda: hub.put("alice/demo", other)
    shown = told(program("pull", "alice/demo", "-o", "mine"))
    assert f"commit: {commit}" in shown
    assert hub.repos["alice/demo"].commits[-1][0] != commit
    assert contents(Path("mine")) == files


def test_a_push_does_not_undo_a_commit_that_came_between(
    hub: Hub, files: Files, program: Run
) -> None:
    hub.put("alice/demo", {".gitattributes": b""})
    theirs = {"theirs.txt": b"just arrived"}
    hub.before["/api/models/alice/demo/preupload/main"] = lambda: hub.put("alice/demo", theirs)
    shown = refused(program("push", "demo.redraftpack", "alice/demo"), "RD779")
    assert "alice/demo was changed while this was pushed" in shown
    assert hub.newest("alice/demo") == theirs


def naming(files: Files, name: str, size: int) -> Files:
    """The files with a manifest that names one more of them."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"sha256": "0" * 64, "size": size}
    return {**files, name: b"x", "manifest.json": json.dumps(manifest).encode()}


def resolved(path: str, revision: str = "main") -> str:
    return f"GET /alice/demo/resolve/{revision}/{path}"


def send(files: Files, name: str, body: bytes, **headers: str) -> Callable[[Hub], None]:
    """The hub sends another file in place of one, at its only commit."""

    def twist(hub: Hub) -> None:
        commit = hub.put("alice/demo", files)
        known = {"X-Repo-Commit": commit} | {n.replace("_", "-"): v for n, v in headers.items()}
        for revision in ("main", commit):
            hub.broken[resolved(name, revision)] = (200, known, body)

    return twist


def hold(files: Files) -> Callable[[Hub], object]:
    return lambda hub: hub.put("alice/demo", files)


HOSTILE: dict[str, tuple[str, str, Callable[[Files], Callable[[Hub], object]]]] = {
    "another file": (
        "RD722",
        "`recipe.redraft` in alice/demo is not the file",
        lambda files: send(files, "recipe.redraft", b"import os"),
    ),
    "another file of the same size": (
        "RD722",
        "`README.md` in alice/demo is not the file",
        lambda files: hold({**files, "README.md": files["README.md"][::-1]}),
    ),
    "a file without an end": (
        "RD722",
        "`recipe.redraft` in alice/demo is not the file",
        lambda files: send(files, "recipe.redraft", ENDLESS),
    ),
    "a manifest without an end": (
        "RD725",
        "alice/demo has too large a manifest.json",
        lambda files: send(files, "manifest.json", ENDLESS),
    ),
    "no manifest at all": (
        "RD776",
        "alice/demo on 127.0.0.1",
        lambda files: hold({"README.md": b"a model"}),
    ),
    "a manifest of something else": (
        "RD725",
        "manifest.json in alice/demo is damaged",
        lambda files: hold({**files, "manifest.json": b'{"name": "a web app"}'}),
    ),
    "a manifest of a later redraft": (
        "RD715",
        "alice/demo has the format redraft-pack-9",
        lambda files: hold(
            files | {"manifest.json": files["manifest.json"].replace(b"-pack-1", b"-pack-9")}
        ),
    ),
    "a file that is missing": (
        "RD724",
        "`README.md` is missing in alice/demo",
        lambda files: hold({n: d for n, d in files.items() if n != "README.md"}),
    ),
    "a path that leads out": (
        "RD716",
        "alice/demo has an entry with an unsafe name, `../evil.txt`",
        lambda files: hold(naming(files, "../evil.txt", 1)),
    ),
    "two names that are one": (
        "RD721",
        "`README.md` and `readme.md` in alice/demo",
        lambda files: hold(naming(files, "readme.md", 1)),
    ),
    "files of a terabyte": (
        "RD718",
        "alice/demo says to hold 1000000",
        lambda files: hold(naming(files, "a.bin", 10**12)),
    ),
    "no commit": (
        "RD778",
        "does not answer as a model hub does: it does not say which commit",
        lambda files: send(files, "manifest.json", files["manifest.json"], X_Repo_Commit="HEAD"),
    ),
    "a compressed answer": (
        "RD778",
        "it sends compressed files without being asked",
        lambda files: send(files, "manifest.json", b"bomb", Content_Encoding="gzip"),
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_written_of_what_is_not_as_it_should_be(
    hub: Hub, files: Files, program: Run, what: str
) -> None:
    code, said, twist = HOSTILE[what]
    twist(files)(hub)
    before = contents(Path())
    assert said in refused(program("pull", "alice/demo", "-o", "mine"), code)
    assert {n: d for n, d in contents(Path()).items() if not n.startswith(".hub/")} == before
    assert not Path("mine").exists()


def test_files_that_the_manifest_does_not_name_are_not_fetched(
    hub: Hub, files: Files, program: Run
) -> None:
    extra = {".gitattributes": b"", "../../evil.txt": b"x", "setup.py": b"import os"}
    hub.put("alice/demo", {**files, **extra})
    told(program("pull", "alice/demo", "-o", "mine"))
    assert contents(Path("mine")) == files
    fetched = [path.rpartition("/")[2] for _, path, _ in hub.asked if "/resolve/" in path]
    assert sorted(fetched) == sorted(files)


def test_a_folder_in_use_is_left_alone_and_the_hub_is_not_asked(
    hub: Hub, files: Files, program: Run
) -> None:
    hub.put("alice/demo", files)
    Path("demo").mkdir()
    Path("demo/mine.txt").write_text("mine")
    shown = refused(program("pull", "alice/demo"), "RD726")
    assert "the folder demo is not empty" in shown
    assert contents(Path("demo")) == {"mine.txt": b"mine"}
    assert hub.asked == []
    Path("true/old.txt").write_text("left over")
    told(program("pull", "alice/demo", "-o", "true", "--force"))
    assert contents(Path("true")) == files


def broken(answer: str, status: int, body: bytes = b"", **headers: str) -> Callable[[Hub], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def twist(hub: Hub) -> None:
        hub.broken[answer] = (status, named, body)

    return twist


CREATE = "POST /api/repos/create"
PULL, PUSH = ("pull", "alice/demo"), ("push", "demo.redraftpack", "alice/demo")
Twist = Callable[[Hub], object]
ANSWERS: dict[str, tuple[tuple[str, ...], Twist, str, str]] = {
    "a name without an owner": (
        ("pull", "demo"),
        lambda hub: None,
        "RD771",
        "`demo` is not a repository's name",
    ),
    "a name that no hub allows": (
        ("pull", "alice/de--mo"),
        lambda hub: None,
        "RD771",
        "`alice/de--mo` is not a repository's name",
    ),
    "an address": (
        ("push", "demo.redraftpack", "https://hub/alice/demo"),
        lambda hub: None,
        "RD771",
        "write OWNER/NAME",
    ),
    "no such repository": (
        ("pull", "alice/none"),
        lambda hub: None,
        "RD773",
        "there is no repository alice/none on 127.0.0.1",
    ),
    "no such revision": (
        (*PULL, "--revision", "v9/x"),
        lambda hub: hub.put("alice/demo", {}),
        "RD773",
        "has no revision `v9/x`",
    ),
    "gated": (
        PULL,
        lambda hub: hub.put("alice/demo", {}, gated=True),
        "RD775",
        "alice/demo is gated",
    ),
    "a token that is not valid": (
        PULL,
        broken(
            resolved("manifest.json"),
            401,
            X_Error_Message="Invalid credentials",
        ),
        "RD774",
        "sign in with `hf auth login`, or set HF_TOKEN",
    ),
    "somebody else's name": (
        ("push", "demo.redraftpack", "bob/demo"),
        lambda hub: None,
        "RD774",
        "does not allow you this with bob/demo",
    ),
    "a broken hub": (PULL, broken(resolved("manifest.json"), 503), "RD778", "HTTP 503 Service"),
    "a page that is no hub": (PULL, broken(resolved("manifest.json"), 404), "RD773", "alice/demo"),
    "a refusal that says why": (
        PUSH,
        broken(CREATE, 400, json.dumps({"error": f"no\n  {TOKEN} here"}).encode()),
        "RD778",
        "answered HTTP 400 Bad Request: no *** here",
    ),
    "an answer that is not JSON": (
        PUSH,
        broken(CREATE, 200, b"<html>welcome"),
        "RD778",
        "does not answer as a model hub does: ",
    ),
    "a card that the hub refuses": (
        PUSH,
        broken("POST /api/validate-yaml", 400, b'{"errors": [{"message": "no such licence"}]}'),
        "RD778",
        "Invalid metadata in README.md. - no such licence",
    ),
    "a public repository": (
        (*PUSH, "--private"),
        lambda hub: hub.put("alice/demo", {}),
        "RD777",
        "alice/demo is public already",
    ),
    "a repository of something else": (
        PUSH,
        lambda hub: hub.put("alice/demo", {"README.md": b"", "model.bin": b"mine"}),
        "RD777",
        "holds something else than a pack, such as `model.bin`",
    ),
    "somebody else's manifest": (
        PUSH,
        lambda hub: hub.put("alice/demo", {"manifest.json": b"{}", "app.js": b""}),
        "RD777",
        "holds something else than a pack, such as `app.js`",
    ),
}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("what", ANSWERS)
def test_every_refusal_is_told_with_its_remedy(hub: Hub, program: Run, what: str) -> None:
    words, twist, code, said = ANSWERS[what]
    twist(hub)
    before = {name: len(repo.commits) for name, repo in hub.repos.items()}
    assert said in refused(program(*words), code)
    after = {name: len(repo.commits) for name, repo in hub.repos.items()}
    assert {**after, **before} == after
    assert all("manifest.json" not in hub.newest(name) for name in after if name not in before)


def test_nobody_pushes_without_a_token(
    hub: Hub, files: Files, program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    shown = refused(program("push", "demo.redraftpack", "alice/demo"), "RD774")
    assert "does not know who you are" in shown
    hub.put("alice/demo", files)
    told(program("pull", "alice/demo", "-o", "mine"))
    assert contents(Path("mine")) == files


def test_an_upload_that_fails_is_told_and_leaves_no_commit(
    hub: Hub, finished: Path, program: Run
) -> None:
    edit = (finished / "run" / "edit.safetensors").read_bytes()
    oid = hashlib.sha256(edit).hexdigest()
    hub.broken[f"PUT /large/{oid}"] = (403, {}, b"")
    shown = refused(program("push", str(finished / "run"), "alice/demo"), "RD774")
    assert "does not allow you this with alice/demo" in shown
    assert set(hub.newest("alice/demo")) == {".gitattributes"}


def test_a_hub_that_is_not_there_is_told(
    hub: Hub, files: Files, program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "unset HF_HUB_OFFLINE" in refused(program("pull", "alice/demo"), "RD772")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    # The password of an address is nobody's business either.
    monkeypatch.setenv("HF_ENDPOINT", "http://me:hidden@127.0.0.1:9")
    for words in (PULL, PUSH):
        shown = refused(program(*words), "RD772")
        assert "could not reach 127.0.0.1:9: " in shown
        assert "hidden" not in shown
    monkeypatch.setenv("HF_ENDPOINT", "nowhere")
    refused(program("pull", "alice/demo"), "RD772")


def test_what_cannot_be_pushed_is_told_before_the_hub_is_asked(
    hub: Hub, files: Files, program: Run
) -> None:
    Path("bad.redraftpack").write_bytes(Path("demo.redraftpack").read_bytes()[:-9])
    refused(program("push", "bad.redraftpack", "alice/demo"), "RD714")
    refused(program("push", "none", "alice/demo"), "RD713")
    assert hub.asked == []


FULL = """
import resource, sys
from redraft.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on file sizes")
@pytest.mark.usefixtures("uncounted")
def test_a_full_disk_is_told_when_pulling(hub: Hub, files: Files) -> None:
    hub.put("alice/demo", files)
    before = sorted(Path().iterdir())
    command = [sys.executable, "-c", FULL, "pull", "alice/demo", "-o", "new/mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "free some space" in refused(done, "RD729")
    assert sorted(Path().iterdir()) == before


def test_without_its_package_the_remedy_is_told(
    program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "huggingface_hub.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    for words in (("pull", "alice/demo"), ("push", "a.redraftpack", "alice/demo")):
        assert 'pip install "huggingface_hub>=1"' in refused(program(*words), "RD770")
