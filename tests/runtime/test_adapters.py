"""Generators that a package brings along: sequences of plain modules, and the entry points."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from redraft.cli import main
from redraft.errors import ModelError
from redraft.models.arch import dcgan
from redraft.models.arch.families import family_named, plugin_report, recognise
from redraft.models.arch.plain import Window, can_be_cut, form_of
from redraft.models.arch.sequential import SequentialGenerator, Stages, sequential_family
from redraft.models.generator import LayerInputs
from redraft.models.listed.catalog import known_models

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "edit-any-generator.md"


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with weights and statistics that all matter, float64."""
    source = torch.Generator().manual_seed(seed)
    module.double().eval().requires_grad_(False)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=source))
        elif tensor.is_floating_point():
            tensor.copy_(0.4 * torch.randn(tensor.shape, generator=source))
    return module


# ---- layers ---------------------------------------------------------------------------------

# A module, the shape of its keys without N, and the batch norm behind it.
LAYERS: dict[str, tuple[nn.Module, tuple[int, ...], nn.Module | None]] = {
    "same": (nn.Conv2d(3, 4, 3, padding=1), (3, 5, 4), nn.BatchNorm2d(4)),
    "bare": (nn.Conv2d(3, 4, 3, padding=1, bias=False), (3, 5, 4), None),
    "valid": (nn.Conv2d(3, 4, (3, 2)), (3, 5, 4), nn.BatchNorm2d(4, affine=False)),
    "wide": (nn.Conv2d(3, 4, 3, padding=(2, 3), dilation=(1, 2)), (3, 5, 4), None),
    "strided": (nn.Conv2d(3, 4, 4, stride=2, padding=1), (3, 8, 6), None),
    "one": (nn.Conv2d(3, 4, 1), (3, 5, 4), None),
    "transposed": (nn.ConvTranspose2d(3, 4, 4, 2, 1), (3, 5, 4), nn.BatchNorm2d(4)),
    "odd": (nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), (3, 5, 4), None),
    "transposed, stride 1": (nn.ConvTranspose2d(3, 4, 3, 1, 1), (3, 5, 4), None),
    "linear": (nn.Linear(3, 4), (3,), nn.BatchNorm1d(4)),
    "linear, bare": (nn.Linear(3, 4, bias=False), (3,), None),
}
ACTIVATIONS = {0.0: functional.relu, 1.0: lambda x: x, 0.3: lambda x: functional.leaky_relu(x, 0.3)}


@pytest.mark.parametrize("slope", ACTIVATIONS)
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_computes_what_its_modules_do(case: str, slope: float) -> None:
    module, shape, norm = LAYERS[case]
    assert can_be_cut(trained(module))
    keys = noise(2, *shape, seed=1)
    wanted = module(keys)
    if norm is not None:
        wanted = trained(norm, seed=2)(wanted)
    form = form_of(module, norm, slope)  # type: ignore[arg-type]
    maps = keys.reshape(*keys.shape[:2], *(keys.shape[2:] or (1, 1)))
    values = form.activate(form.response(LayerInputs(maps), form.weight))
    wanted = ACTIVATIONS[slope](wanted)
    assert torch.allclose(values, wanted.reshape(values.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", LAYERS)
def test_positions_and_taps_give_the_convolution(case: str) -> None:
    module, shape, _ = LAYERS[case]
    form = form_of(trained(module), None, 1.0)  # type: ignore[arg-type]
    keys = noise(2, *shape, seed=1).reshape(2, shape[0], *(shape[1:] or (1, 1)))
    dense = form.convolve(keys, form.weight)
    numbers = torch.arange(dense[0, 0].numel()).reshape(dense.shape[2:])
    assert sorted(torch.cat([part.of(numbers) for part in form.phases]).tolist()) == list(
        range(numbers.numel())
    )
    for part in form.phases:
        taps = torch.stack([form.weight[:, :, ky, kx] for ky, kx in part.taps], 2)
        product = part.unfold(keys) @ taps.reshape(len(taps), -1).T
        wanted = part.of(dense).permute(0, 2, 1).reshape(-1, len(taps))
        assert torch.allclose(product, wanted, rtol=0, atol=1e-12)


def test_a_window_of_one_position() -> None:
    assert Window((1, 1)).taps == ((0, 0),)
    assert Window((2, 2)).unfold(torch.ones(3, 5, 2, 2)).shape == (3, 20)


def hooked() -> nn.Module:
    module = nn.Linear(2, 2)
    module.register_forward_pre_hook(lambda _m, _i: None)
    return module


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.ConvTranspose2d(4, 4, 4),
        nn.ConvTranspose2d(4, 4, (4, 2), (2, 2), (1, 0)),
        nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=2),
        nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1, dilation=2),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)),
        nn.Conv1d(4, 4, 3),
        nn.ReLU(),
        hooked(),
    ],
    ids=str,
)
def test_layers_whose_structure_is_not_known(module: nn.Module) -> None:
    assert not can_be_cut(module)


# ---- sequences ------------------------------------------------------------------------------


class Net(nn.Module):
    """A little of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(6, 10),  # 0
            nn.BatchNorm1d(10),
            nn.ReLU(),
            nn.Linear(10, 5 * 4 * 4),  # 3
            nn.Unflatten(1, (5, 4, 4)),
            nn.ELU(inplace=True),
            nn.ConvTranspose2d(5, 6, 4, 2, 1),  # 6
            nn.BatchNorm2d(6),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(6, 7, 3, padding=1),  # 9
            nn.Tanh(),
            nn.Conv2d(7, 7, 3, padding=1, groups=7),  # 11
            nn.Upsample(scale_factor=2),
            nn.Conv2d(7, 8, 1),  # 13
            nn.ReLU(inplace=True),
        )
        self.paint = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.paint(self.body(z)))


def net_stages(_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Stages:
    net = Net()
    return Stages(net, [*net.body, net.paint, nn.Tanh()], latent_size=6)


NAMES = ("body.0", "body.3", "body.6", "body.9", "body.13")


@pytest.fixture
def net() -> SequentialGenerator:
    stages = net_stages()
    trained(stages.module)
    return SequentialGenerator("net", stages)


def test_facts_of_a_sequence(net: SequentialGenerator) -> None:
    assert (net.facts.image_size, net.facts.latent_size) == ((16, 16), 6)
    assert net.facts.layer_names() == NAMES
    seen = [
        (la.kind, la.in_channels, la.out_channels, la.kernel, la.key_size, la.value_size)
        for la in net.facts.layers
    ]
    assert seen == [
        ("linear", 6, 10, (1, 1), (1, 1), (1, 1)),
        ("linear", 10, 80, (1, 1), (1, 1), (1, 1)),
        ("conv-transpose", 5, 6, (4, 4), (4, 4), (8, 8)),
        ("conv", 6, 7, (3, 3), (8, 8), (8, 8)),
        ("conv", 7, 8, (1, 1), (16, 16), (16, 16)),
    ]


def test_keys_layer_and_rest_make_up_the_picture(net: SequentialGenerator) -> None:
    latents = noise(3, 6, seed=4)
    wanted = net.module(latents)
    assert torch.allclose(net.sample(latents), wanted, rtol=0, atol=1e-12)
    inputs = net.inputs(latents, list(reversed(NAMES)))
    assert list(inputs) == list(reversed(NAMES))
    for name in NAMES:
        form = net.form(name)
        values = form.activate(form.response(inputs[name], form.weight))
        kept = values.clone()
        pictures = net.pictures(name, values, inputs[name])
        assert torch.allclose(pictures, wanted, rtol=0, atol=1e-12), name
        # Steps that work in place leave what they were given alone.
        assert torch.equal(values, kept), name


def test_a_written_weight_is_what_the_module_runs_on(net: SequentialGenerator) -> None:
    before = {name: tensor.clone() for name, tensor in net.state().items()}
    latents = noise(2, 6)
    for name in NAMES:
        weight = net.form(name).weight + noise(*net.form(name).weight.shape, seed=3)
        net.set_weight(name, weight)
        assert torch.equal(net.form(name).weight, weight)
        changed = [key for key, value in net.state().items() if not torch.equal(value, before[key])]
        assert changed == [net.weight_name(name)]
        edited = net.sample(latents)
        net.restore(before)
        assert not torch.allclose(edited, net.sample(latents), atol=1e-3)
    assert [net.weight_axes(name) for name in NAMES] == ["linear", "linear", "IO", "OI", "OI"]


def test_an_unknown_layer(net: SequentialGenerator) -> None:
    with pytest.raises(ModelError, match=r"this generator has no layer `body\.99`"):
        net.form("body.99")


def test_what_a_sequence_may_not_be() -> None:
    inner = nn.Sequential(nn.Linear(4, 48), nn.Unflatten(1, (3, 4, 4)))
    with pytest.raises(ModelError, match=r"step 0 of this generator \(Linear\) has weights"):
        SequentialGenerator("net", Stages(nn.Linear(2, 2), list(inner), 4))
    with pytest.raises(ModelError, match=r"gives \(1, 48\), not pictures"):
        SequentialGenerator("net", Stages(inner, [inner[0]], 4))
    shared = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), *inner)
    twice = SequentialGenerator("net", Stages(shared, [shared[0], *shared], 4))
    assert twice.facts.layer_names() == ("layer1",)


def test_a_dcgan_as_a_sequence_is_the_same(
    make_generator: Callable[..., dcgan.DCGAN],
) -> None:
    known = make_generator()
    stages = Stages(known.module, [nn.Unflatten(1, (-1, 1, 1)), *known.module], 10)
    plain = SequentialGenerator("dcgan", stages)
    latents = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plain.sample(latents), known.sample(latents))
    for name in known.facts.layer_names():
        one, other = known.facts.layer(name), plain.facts.layer(name)
        assert one is not None
        assert other is not None
        assert one.model_copy(update={"names": other.names}) == other
        assert plain.weight_name(name) == known.weight_name(name)
        inputs = known.inputs(latents, [name])[name]
        assert torch.equal(plain.inputs(latents, [name])[name].keys, inputs.keys)
        responses = [g.form(name).response(inputs, known.form(name).weight) for g in (plain, known)]
        assert torch.equal(*responses)


# ---- architectures of packages --------------------------------------------------------------


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def test_a_family_recognises_its_own_and_builds_it() -> None:
    family = sequential_family("net", "Net", net_stages)
    found = family.recognise(shapes_of(Net()))
    assert found is not None
    assert found.facts.layer_names() == NAMES
    state = Net().state_dict()
    generator = family.build(state, found.layout, 1.0)
    assert all(torch.equal(value, state[name]) for name, value in generator.state().items())


def test_recognising_draws_no_numbers() -> None:
    shapes = shapes_of(Net())
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    sequential_family("net", "Net", net_stages).recognise(shapes)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"paint.bias": None}, "`paint.bias` is missing in the file and of shape (3,) in the"),
        ({"paint.bias": (4,)}, "`paint.bias` is of shape (4,) in the file and of shape (3,)"),
        ({"more": (1,)}, "`more` is of shape (1,) in the file and missing in the generator"),
    ],
)
def test_a_family_refuses_what_does_not_fit(
    change: dict[str, tuple[int, ...] | None], words: str
) -> None:
    shapes = {**shapes_of(Net()), **change}
    given = {name: shape for name, shape in shapes.items() if shape is not None}
    with pytest.raises(ModelError) as caught:
        sequential_family("net", "Net", net_stages).recognise(given)
    assert words in caught.value.message


def test_names_that_all_begin_alike_are_met_without_their_beginning() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 48))

    def make(_shapes: object) -> Stages:
        module = Wrapped()
        return Stages(module, [*module.net, nn.Unflatten(1, (3, 4, 4))], 4)

    family = sequential_family("wrapped", "Wrapped", make)
    bare = {name.removeprefix("net."): value for name, value in Wrapped().state_dict().items()}
    assert family.recognise({name: tuple(value.shape) for name, value in bare.items()})
    generator = family.build(bare, "sequential", 1.0)
    assert generator.facts.layer_names() == ("net.0",)
    assert generator.weight_name("net.0") == "0.weight"
    assert torch.equal(generator.state()["2.bias"], bare["2.bias"])


Shelf = Callable[..., None]
PLAIN_FAMILY = """
from torch import nn
from redraft.models.arch.sequential import Stages, sequential_family

def make(shapes):
    {first}
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 48))
    return Stages(net, [*net, nn.Unflatten(1, (3, 4, 4))], 4)

family = sequential_family("{name}", "Box", make)
"""
BOX = {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (48, 8), "2.bias": (48,)}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Installs a package of one module with an entry point, for this test only."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def install(name: str, module: str, source: str, package: str = "") -> None:
        if source:
            (tmp_path / f"{module}.py").write_text(source)
        add_package(tmp_path, package or f"pack-{module}", f"{name} = {module}:family")

    yield install
    for added in set(sys.modules) - before:
        if str(getattr(sys.modules[added], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[added]


def add_package(folder: Path, name: str, line: str) -> None:
    """What an installation leaves behind, by which entry points are found."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[redraft.generators]\n{line}\n")


def test_a_package_s_architecture_is_asked_for_what_is_not_built_in(shelf: Shelf) -> None:
    with pytest.raises(ModelError, match="not a DCGAN"):
        recognise(BOX)
    shelf("boxy", "boxy_plugin", PLAIN_FAMILY.format(name="boxy", first="pass"))
    assert "boxy" in known_models().architectures
    assert recognise(BOX).facts.arch == "boxy"
    assert recognise(BOX, "boxy").facts.layer_names() == ("layer0",)
    assert family_named("boxy").title == "Box"
    state = {name: torch.ones(shape) for name, shape in BOX.items()}
    assert family_named("boxy").build(state, "sequential", 1.0).facts.arch == "boxy"
    assert [(plugin.origin, fault) for plugin, fault in plugin_report()] == [
        ("pack-boxy_plugin 1.0", None)
    ]


def test_nothing_is_imported_for_what_is_built_in(
    shelf: Shelf, dcgan_state: Callable[..., dict[str, Tensor]]
) -> None:
    shelf("boxy", "boxy_plugin", "raise SystemExit('imported')")
    assert "boxy" in known_models().architectures
    assert recognise({name: tuple(t.shape) for name, t in dcgan_state().items()}).layout
    assert "boxy_plugin" not in sys.modules


BROKEN = {
    "no module": ("", "ModuleNotFoundError: No module named"),
    "syntax": ("def", "SyntaxError: "),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises": ("raise ValueError('no luck\\nat all')", "ValueError: no luck"),
    "nothing": ("", "ModuleNotFoundError"),
    "no family": ("family = 3", "it names no redraft Family called `boxy`"),
    "missing": ("other = 3", "AttributeError: "),
    "other name": (PLAIN_FAMILY.format(name="bax", first="pass"), "it names no redraft Family"),
    "fails": (PLAIN_FAMILY.format(name="boxy", first="shapes['x']"), "KeyError: 'x'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_package_is_named_and_the_rest_works(
    shelf: Shelf, case: str, dcgan_state: Callable[..., dict[str, Tensor]]
) -> None:
    source, words = BROKEN[case]
    shelf("boxy", f"boxy_{case.replace(' ', '_')}", source)
    shelf("good", "good_plugin", PLAIN_FAMILY.format(name="good", first="pass"))
    assert recognise(BOX).facts.arch == "good"
    assert recognise({name: tuple(t.shape) for name, t in dcgan_state().items()}).facts.layers
    with pytest.raises(ModelError) as caught:
        recognise(BOX, "boxy")
    assert caught.value.code == "RD619"
    assert "the generator plug-in `boxy` of pack-boxy_" in caught.value.message
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    with pytest.raises(ModelError) as unknown:
        recognise({"a.weight": (1,), "b.weight": (2,)})
    assert unknown.value.code == "RD626"
    assert unknown.value.help is not None
    assert "the generator plug-in `boxy` of pack-boxy_" in unknown.value.help


def test_a_family_that_calls_its_generators_otherwise(shelf: Shelf) -> None:
    source = PLAIN_FAMILY.format(name="bax", first="pass")
    renamed = "\nimport dataclasses\nfamily = dataclasses.replace(family, name='boxy')\n"
    shelf("boxy", "boxy_renamed", source + renamed)
    with pytest.raises(ModelError, match="it calls its generators bax"):
        recognise(BOX, "boxy")


def test_names_that_cannot_be_used(shelf: Shelf) -> None:
    good = PLAIN_FAMILY.format(name="dcgan", first="pass")
    shelf("dcgan", "dcgan_plugin", good)
    shelf("two words", "spaced_plugin", good)
    shelf("twice", "twice_one", good)
    shelf("twice", "twice_two", good)
    faults = {plugin.name: error.message for plugin, error in plugin_report() if error}
    assert "that is the name of a built-in architecture" in faults["dcgan"]
    assert "a recipe cannot write such a name" in faults["two words"]
    assert "2 packages use that name" in faults["twice"]
    names = known_models().architectures
    assert "twice" not in names
    assert names.count("dcgan") == 1
    assert not {"dcgan_plugin", "spaced_plugin", "twice_one"} & set(sys.modules)
    with pytest.raises(ModelError, match="not a DCGAN"):
        recognise(BOX, "dcgan")


def test_weights_that_no_package_knows_either(shelf: Shelf) -> None:
    shelf("boxy", "boxy_choosy", PLAIN_FAMILY.format(name="boxy", first="return None"))
    with pytest.raises(ModelError, match="not a generator that is known"):
        recognise(BOX, "boxy")
    with pytest.raises(ModelError, match="not a DCGAN"):
        recognise(BOX)


def test_two_packages_that_know_a_file_are_both_named(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("boxy", "crate"):
        shelf(name, f"{name}_rival", PLAIN_FAMILY.format(name=name, first="pass"))
    path = tmp_path / "box.pth"
    torch.save({name: torch.ones(shape) for name, shape in BOX.items()}, path)
    assert main(["layers", str(path)]) == 1
    said = capsys.readouterr().err
    assert "error[RD687]" in said
    assert "`boxy` of pack-boxy_rival 1.0 and `crate` of pack-crate_rival 1.0" in said
    assert "--arch boxy" in said
    for name in ("boxy", "crate"):
        assert main(["layers", str(path), "--arch", name]) == 0
        assert f"{name}, pictures 4 x 4" in capsys.readouterr().out


# ---- from end to end ------------------------------------------------------------------------


@pytest.mark.usefixtures("uncounted")
def test_the_documented_package_edits_a_linear_layer_and_a_convolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forking: Any
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(?:python|redraft|toml) (\S+)\n(.*?)^```$", page, re.M | re.S))
    for name, text in blocks.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    adapter = blocks["redraft_inkpot.py"]
    assert len(adapter.splitlines()) < 40
    add_package(tmp_path, "redraft-inkpot", "inkpot = redraft_inkpot:family")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))

    def program(*words: str) -> str:
        done = forking.run(*words, module="redraft")
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    subprocess.run([sys.executable, "inkpot.py"], check=True)
    add_package(tmp_path, "redraft-torn", "torn = nowhere:family")
    models = program("models")
    assert "Files of architecture `inkpot` are read by redraft-inkpot 1.0." in models
    assert "warning: the generator plug-in `torn` of redraft-torn 1.0 cannot be used" in models
    listed = json.loads(program("layers", "inkpot.pth", "--format", "json"))
    assert [layer["names"] for layer in listed["layers"]] == [
        ["first"],
        ["second"],
        ["rough"],
        ["fine"],
    ]
    program("run", "ink.redraft", "--out", "run", "--device", "cpu")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [rule["layer"] for rule in told["rules"]] == ["fine", "second"]
    for rule in told["rules"]:
        assert rule["loss_after"] < 0.95 * rule["loss_before"]
    program("apply", "inkpot.pth", "run", "--out", "edited.pth")
    before, after = (
        torch.load(tmp_path / n, weights_only=True) for n in ("inkpot.pth", "edited.pth")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"second.weight", "fine.weight"}
    program("revert", "edited.pth", "--out", "back.pth")
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert all(torch.equal(back[name], before[name]) for name in before)
