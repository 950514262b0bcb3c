"""Every architecture as a user meets it: from its file through run, apply, verify and revert."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from redraft.cli.app import app
from redraft.disk.digest import tensors_digest
from redraft.edit.artifact import weight_digest
from redraft.models.checkpoint.weights import load_state
from redraft.models.locate import locate_file
from redraft.models.open import open_base

StateMaker = Callable[..., dict[str, Tensor]]
LIMIT = 0.75
pytestmark = pytest.mark.usefixtures("one_thread")


# ---- files as people have them ----------------------------------------------------------------


def save_dcgan(path: Path, make: StateMaker) -> None:
    named = {f"main.{name}": tensor for name, tensor in make(5).items()}
    torch.save({"netG_state_dict": named}, path, _use_new_zipfile_serialization=False)


def save_proggan(path: Path, make: StateMaker) -> None:
    save_file(make(4), path)


def save_training(path: Path, make: StateMaker) -> None:
    """A training file: no mean of the inner latents, and here no noise maps either."""
    state = {name: tensor for name, tensor in make(4).items() if not name.startswith("noises.")}
    del state["latent_avg"]
    torch.save({"g": make(5), "g_ema": state, "ada_aug_p": 0.1}, path)


def save_network(path: Path, make: StateMaker) -> None:
    """A vendor's pickle that holds values within bounds which these networks do go beyond."""
    names = {
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, values in names.items():
            module = types.ModuleType(name)
            vars(module).update(values)
            patch.setitem(sys.modules, name, module)
        network = described(make(4, "stylegan2-ada"), conv_clamp=LIMIT)
        path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": network}))


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("reading a file must not call what it names")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Described:
    """A module as the vendor's pickles describe it: one call with a table of attributes."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        program = "raise SystemExit('the program inside was run')"
        head = {"type": "class", "version": 6, "module_src": program, "class_name": "Module"}
        return _reconstruct_persistent_obj, ({**head, "state": self.state},)


def described(tensors: dict[str, Tensor], conv_clamp: float) -> Described:
    """The tree of modules that tensors with dotted names lie in."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    fixed = {name for name in own if name in {"noise_const", "resample_filter", "w_avg"}}
    inner: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = tensor
    return Described(
        {
            "_parameters": {n: nn.Parameter(t) for n, t in own.items() if n not in fixed},
            "_buffers": {name: own[name] for name in own if name in fixed},
            "_modules": {name: described(each, conv_clamp) for name, each in inner.items()},
            "conv_clamp": conv_clamp,
        }
    )


# ---- one run of each --------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An architecture: its file, what the recipe says of it, and (rule, layer, weight changed)."""

    file: str
    arch: str
    save: Callable[[Path, StateMaker], None]
    maker: str
    rules: tuple[tuple[str, str, str], ...]
    more: str = ""
    assumed: tuple[str, ...] = ()
    limit: float | None = None


CASES = {
    "dcgan": Case(
        "tiny.pth",
        "dcgan",
        save_dcgan,
        "dcgan_state",
        (
            ("rule", "layer6", "main.6.weight"),
            ("erase", "layer3", "main.3.weight"),
            ("zero", "layer9", "main.9.weight"),
        ),
        assumed=(
            "ReLU behind its layers",
            "batch norm with eps 1e-05",
            "tanh at its end",
            "all of its 10 input numbers are noise",
        ),
    ),
    "proggan": Case(
        "tiny.safetensors",
        "proggan",
        save_proggan,
        "proggan_state",
        (
            ("rule", "layer5", "layer5.conv.weight"),
            ("erase", "layer4", "layer4.conv.weight"),
            ("zero", "layer6", "layer6.conv.weight"),
        ),
    ),
    "stylegan2": Case(
        "tiny.pt",
        "stylegan2",
        save_training,
        "stylegan2_state",
        (
            ("rule", "layer6", "convs.3.conv.weight"),
            ("rule", "convs.2", "convs.2.conv.weight"),  # the one that doubles the size
            ("erase", "layer4", "convs.1.conv.weight"),
            ("zero", "layer7", "convs.4.conv.weight"),
        ),
        "  truncation 0.7",
        (
            "the weights `g_ema` of its file, which also holds `g`",
            "noise maps drawn with seed 1",
            "mean of the inner latents over 10000 latents of seed 0",
        ),
    ),
    "stylegan2-ada": Case(
        "tiny.pkl",
        "stylegan2",
        save_network,
        "stylegan2_state",
        (
            ("rule", "layer6", "synthesis.b16.conv1.weight"),
            ("rule", "layer5", "synthesis.b16.conv0.weight"),
            ("erase", "layer4", "synthesis.b8.conv1.weight"),
            ("zero", "layer7", "synthesis.b32.conv0.weight"),
        ),
        "  truncation 0.7",
        limit=LIMIT,
    ),
}


@dataclass(frozen=True)
class Done:
    """A finished run: its folder, its record, and what it printed."""

    case: Case
    folder: Path
    record: dict[str, Any]
    printed: str

    @property
    def model(self) -> Path:
        return self.folder / self.case.file

    @property
    def out(self) -> Path:
        return self.folder / "out"


def invoke(*words: str | Path) -> str:
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="redraft")
    assert result.exit_code == 0, result.output
    return result.stdout


def recipe(case: Case, side: int) -> str:
    box = f"box(x {side // 4}..{3 * side // 4}, y {side // 4}..{3 * side // 4})"
    contexts = "".join(f"  context z[{index}] {box}\n" for index in range(1, 5))
    bodies = {"rule": f"  copy z[0] {box}\n{contexts}", "erase": contexts, "zero": contexts}
    more = {"rule": "", "erase": "  rank 2\n", "zero": "  rank 1  strength 0.5\n"}
    return (
        'edition 2026\nrecipe demo 1.0.0 "A demonstration"\n'
        f'model m {{ arch {case.arch}  weights "{case.file}"{case.more} }}\n'
        "latents z { seed 3  count 40 }\n"
        + "".join(
            f"{kind} {kind}_{layer.replace('.', '_')} at {layer} {{\n{bodies[kind]}{more[kind]}}}\n"
            for kind, layer, _ in case.rules
        )
    )


@pytest.fixture(scope="module", params=CASES)
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    case.save(folder / case.file, request.getfixturevalue(case.maker))
    side = 64 if case.arch == "dcgan" else 32
    (folder / "demo.redraft").write_text(recipe(case, side), encoding="utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDRAFT_CACHE", str(folder / "cache"))
        printed = invoke("run", folder / "demo.redraft", "--out", folder / "out")
        record = json.loads((folder / "out" / "run.json").read_text(encoding="utf-8"))
        yield Done(case, folder, record, printed)
    torch.set_num_threads(threads)


def test_a_run_reports_every_rule(done: Done) -> None:
    assert [rule["weight_name"] for rule in done.record["rules"]] == [
        weight.removeprefix("main.") for _, _, weight in done.case.rules
    ]
    assert done.record["evaluated_count"] == 40
    for rule in done.record["rules"]:
        assert 0 <= rule["share"] <= 1
        assert rule["outside"] > 0
        assert rule["share_interval"][0] <= rule["share"] <= rule["share_interval"][1]
        if rule["kind"] != "zero":
            assert rule["loss_after"] < rule["loss_before"]
            assert -1 < rule["left_out"]["gain"] <= 1
            assert rule["left_out"]["side"] > 0
        else:
            assert rule["left_out"] is None
        assert rule["name"] in done.printed
    truncation = 0.7 if done.case.more else 1
    assert done.record["model"]["truncation"] == truncation
    assert tuple(done.record["model"]["assumed"]) == done.case.assumed


def test_a_run_leaves_pictures_and_a_report(done: Done) -> None:
    assert sorted(path.name for path in done.out.iterdir()) == [
        "before-after.png",
        "edit.safetensors",
        "recipe.redraft",
        "report.html",
        "run.json",
    ]
    with Image.open(done.out / "before-after.png") as picture:
        assert len(set(picture.convert("L").tobytes())) > 50
    report = (done.out / "report.html").read_text(encoding="utf-8")
    assert all(rule["name"] in report for rule in done.record["rules"])


def test_an_applied_edit_is_read_back_and_reverted(done: Done, tmp_path: Path) -> None:
    edited = tmp_path / done.case.file
    invoke("apply", done.model, done.out, "--out", edited)
    before, after = load_state(done.model), load_state(edited)
    assert after.header.format == before.header.format
    assert after.header.nesting == before.header.nesting
    assert after.header.tensors == before.header.tensors
    # Each rule changed the weight of its own layer, and nothing else has changed.
    changed = [name for name in before.tensors if not same(before, after, name)]
    assert sorted(changed) == sorted(weight for _, _, weight in done.case.rules)
    for rule in done.record["rules"]:
        name = before.header.prefix + rule["weight_name"]
        assert weight_digest(before.tensors[name]) == rule["weight_before"]
        assert weight_digest(after.tensors[name]) == rule["weight_after"]
    # The edited file is a model as good as the first, and draws other pictures.
    models = [
        open_base(locate_file(path, "m"), torch.device("cpu")) for path in (done.model, edited)
    ]
    source = torch.Generator().manual_seed(1)
    latents = torch.randn(2, models[0].base.facts.latent_size, generator=source)
    pictures = [model.generator.sample(latents) for model in models]
    assert pictures[1].isfinite().all()
    assert not torch.equal(*pictures)
    assert [getattr(model.generator, "limit", None) for model in models] == [done.case.limit] * 2
    said = invoke("revert", edited)
    restored = load_state(edited)
    assert all(same(before, restored, name) for name in before.tensors)
    assert tensors_digest(restored.bare()) == done.record["model"]["tensors_digest"]
    assert done.record["model"]["tensors_digest"] in said
    if before.header.format in ("safetensors", "nvidia-pickle"):
        assert edited.read_bytes() == done.model.read_bytes()


def test_a_run_is_verified_bit_for_bit(done: Done) -> None:
    told = json.loads(invoke("verify", done.out, "--format", "json"))
    assert told["holds"] is True
    assert told["same_machine"] is True
    assert [rule["identical"] for rule in told["rules"]] == [True] * len(done.case.rules)


def same(one: Any, other: Any, name: str) -> bool:
    return torch.equal(one.tensors[name], other.tensors[name])
