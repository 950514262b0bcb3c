"""The text of a lock: it reads back as it was written, and nothing else is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.errors import PlanError
from redraft.plans import lock
from redraft.plans.lock import Lock, Record

DIGEST = "0123456789abcdef" * 4
SAMPLE = f"""redraft-lock 1
import "parts/village.redraft" as village village 2.0.0 redraft-recipe-v1+sha256 {DIGEST}
latents z seed 3 count 120 size 10 sampler numpy-legacy-normal-float32 {DIGEST}
mask "eyes of all.png" sha256 {DIGEST}
match glasses line 1 place 2 z[14] x 0 y -8
match glasses line 1 place 10 z[7] x +16 y 0
model tiny file sha256 {DIGEST}
model tiny tensors sha256 {DIGEST}
recipe demo 1.0.0 redraft-recipe-v1+sha256 {DIGEST}
rule glasses rank 2
rule glasses solver.loss l2
set glasses.rank 2
set strength 5%
statistics layer6 before glasses latents z count 120 dtype float64 estimator a-v1
"""


# ---- the text ---------------------------------------------------------------------------------

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
numbers = st.integers(0, 2**31).map(str)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
paths = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"\\'),
    min_size=1,
    max_size=20,
)
moves = st.integers(-4096, 4096).map(lambda move: f"{move:+d}" if move else "0")


def records(kind: str, form: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[Record]:
    return st.fixed_dictionaries(parts).map(lambda found: Record(kind, form.format(**found)))


any_record = st.one_of(
    records("import", '"{p}" as {a} {a} 1.2.3 algo+sha256 {d}', p=paths, a=names, d=digests),
    records("mask", '"{p}" sha256 {d}', p=paths, d=digests),
    records("model", "{n} file sha256 {d}", n=names, d=digests),
    records("recipe", "{n} 1.0.0 algo+sha256 {d}", n=names, d=digests),
    records("rule", "{r} {s} {v}", r=names, s=names, v=numbers),
    records("set", "{r}.{s} {v}", r=names, s=names, v=numbers),
    records("latents", "{n} seed {s} count {c} size 9 sampler x {d}", n=names, s=numbers,
            c=numbers, d=digests),
    records("statistics", "main.{n} before {r} latents z count {c} dtype float64 estimator e-1",
            n=numbers, r=names, c=numbers),
    records("match", "{r} line {n} place {p} z[{i}] x {dx} y {dy}", r=names, n=numbers, p=numbers,
            i=numbers, dx=moves, dy=moves),
)  # fmt: skip
any_lock = st.lists(any_record, max_size=12, unique_by=lambda record: record.key).map(lock.make)


@given(any_lock, st.randoms(use_true_random=False))
def test_a_lock_reads_back_as_it_was_written(made: Lock, random: Any) -> None:
    again = lock.parse(made.text, "a.lock")
    assert again == made
    assert again.text == made.text
    head, *lines = made.text.splitlines()
    random.shuffle(lines)
    merged = lock.parse("\r\n".join([head, *lines]), "a.lock")
    assert (merged.text, merged.sha256) == (made.text, made.sha256)


@given(st.text(max_size=60), st.integers(0, len(SAMPLE)), st.integers(0, 40))
def test_no_text_is_more_than_refused(noise: str, at: int, length: int) -> None:
    for text in (noise, f"redraft-lock 1\n{noise}", SAMPLE[:at] + noise + SAMPLE[at + length :]):
        try:
            found = lock.parse(text, "a.lock")
        except PlanError as error:
            assert error.code in ("RD411", "RD412", "RD414")  # noqa: PT017
            assert error.help is not None  # noqa: PT017
        else:
            assert lock.parse(found.text, "a.lock") == found


def test_places_are_told_by_line_in_order() -> None:
    found = lock.parse(SAMPLE, "a.lock").places("glasses")
    assert [(p.latents, p.index, p.shift) for p in found[1]] == [
        ("z", 14, (-8, 0)),
        ("z", 7, (0, 16)),
    ]
    assert lock.parse(SAMPLE, "a.lock").places("other") == {}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "RD411", "a.lock is not a lock: it does not begin with `redraft-lock 1`"),
        ("redraft-lock\n", "RD411", "a.lock is not a lock"),
        ("redraft-lock one\n", "RD411", "a.lock is not a lock"),
        ("redraft-lock 2\nfuture x\n", "RD412", "this redraft reads format 1"),
        ("redraft-lock 1\nfuture x\n", "RD414", "a.lock:2 has a record of an unknown kind"),
        ("redraft-lock 1\n\n", "RD414", "a.lock:2 has a record of an unknown kind, ``"),
        ("redraft-lock 1\nrule glasses rank\n", "RD411", "a.lock:2 is not a rule record"),
        ("redraft-lock 1\nrule glasses rank 2 \n", "RD411", "a.lock:2 is not a rule record"),
        ("redraft-lock 1\nmatch a line 01 place 1 z[1] x 0 y 0\n", "RD411", "not a match record"),
        ("redraft-lock 1\nmatch a line 1 place 1 z[1] x 4 y 0\n", "RD411", "not a match record"),
        (f"redraft-lock 1\nmodel a file sha256 {DIGEST.upper()}\n", "RD411", "not a model record"),
        ("redraft-lock 1\n<<<<<<< ours\n", "RD411", "a.lock:2 is a conflict that git left"),
        (
            "redraft-lock 1\nrule a rank 2\nrule b rank 1\nrule a rank 3\n",
            "RD411",
            "a.lock:4 is about the same thing as line 2",
        ),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_refused_by_line(text: str, code: str, message: str) -> None:
    with pytest.raises(PlanError, match=r"redraft lock a\.redraft") as caught:
        lock.parse(text, "a.lock")
    assert caught.value.code == code
    assert message in caught.value.message


def test_files_that_cannot_be_locks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert lock.read(path) is None
    path.write_bytes(b"redraft-lock 1\n\xff\n")
    with pytest.raises(PlanError, match="is not a text in UTF-8") as caught:
        lock.read(path)
    assert caught.value.code == "RD411"
    with path.open("wb") as file:
        file.truncate(lock.MAX_BYTES + 1)
    with pytest.raises(PlanError, match="is too large") as caught:
        lock.read(path)
    assert caught.value.code == "RD413"
    path.unlink()
    path.mkdir()
    with pytest.raises(PlanError, match="cannot be read: is a directory"):
        lock.read(path)
