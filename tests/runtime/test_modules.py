"""Any torch module as a generator: six of them, in styles that redraft knows nothing of."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import redraft
from redraft.edit.apply import apply_to_file, revert_file
from redraft.errors import ModelError
from redraft.judge.effect import measure
from redraft.judge.wish import draw_goal
from redraft.models.code.family import module_family
from redraft.models.hooked.checks import check
from redraft.models.hooked.hooked import HookedGenerator
from redraft.models.hooked.memory import in_memory
from redraft.models.locate import locate_weights
from redraft.models.open import open_described
from redraft.models.samplers import sampler_of
from redraft.plans.planner import make_plan
from redraft.plans.unseen import judged
from redraft.runs.rule import solve_rule
from redraft.runs.session import collect, open_session, opened_rule
from redraft_dsl.recipe.model import Latents

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "fixtures" / "generators"
SOURCES = ROOT / "runtime" / "redraft" / "models" / "hooked"
BLOCK = Latents(name="z", seed=1, count=400)


@dataclass(frozen=True)
class Case:
    """A generator and what is known of it: pictures, some layers, and behind what values are."""

    size: tuple[int, int]
    behind: dict[str, str]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class Marks:
    """A rule: copies a hat from a picture to the heads of those that are marked."""

    layer: str
    region: str
    copied: int
    marked: tuple[int, ...]
    settings: str = ""


CASES = {
    "residual": Case(
        (32, 32),
        {
            "blocks.0.conv1": "batch norm, ReLU",
            "blocks.0.conv2": "sum",
            "blocks.2.conv2": "sum, batch norm, ReLU",
            "blocks.1.shortcut": "sum",
        },
        ("colours",),
    ),
    "attention": Case(
        (32, 32),
        {"body.0": "leaky ReLU 0.2", "body.3.value": "", "body.3.out": "sum",
         "body.4": "batch norm, ReLU"},
        ("colours",),
    ),
    "styles": Case(
        (32, 32),
        {"mapping.0": "leaky ReLU 0.2", "layers.2.conv": "leaky ReLU 0.2", "layers.2.style": ""},
        ("layers.0.conv", "colours"),
    ),
    "classes": Case(
        (32, 32),
        {"convs.0": "batch norm, factor, sum, ReLU", "last": "ReLU"},
        ("colours",),
    ),
    "grey": Case((48, 80), {"first": "ReLU", "body.1": "ReLU", "body.7": "ReLU"}, ("ink",)),
    "unet": Case(
        (32, 32),
        {"down1": "leaky ReLU 0.2", "up2": "batch norm, leaky ReLU 0.2", "up1": "leaky ReLU 0.2"},
        ("colours",),
    ),
}  # fmt: skip


def described(name: str) -> redraft.Generator:
    """A generator of the fixtures, with the weights that it was trained to."""
    spec = importlib.util.spec_from_file_location(f"generator_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    with torch.random.fork_rng(devices=[]):
        made = file.make()
    made = made if isinstance(made, redraft.Generator) else redraft.Generator(made, name=name)
    made.module.load_state_dict(torch.load(FOLDER / f"{name}.pth", weights_only=True))
    return made


@cache
def opened(name: str) -> HookedGenerator:
    return HookedGenerator(described(name))


def rows(generator: HookedGenerator, count: int = 3) -> Tensor:
    return generator.sampler.rows(BLOCK, range(count))


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_layers_and_their_forms_are_found(name: str) -> None:
    generator, case = opened(name), CASES[name]
    assert generator.facts.image_size == case.size
    found = {layer.name: layer.behind for layer in generator.facts.layers}
    assert {layer: found[layer] for layer in case.behind} == case.behind
    assert tuple(each.part for each in generator.refused) == case.refused


def test_the_cut_network_draws_what_forward_draws(name: str) -> None:
    generator = opened(name)
    latents = rows(generator)
    expected = generator.sample(latents)
    layers = generator.facts.layer_names()
    for layer, inputs in generator.inputs(latents, layers).items():
        form = generator.form(layer)
        values = form.activate(form.response(inputs, form.weight))
        # The form adds bias, batch norm and sums in an order of its own.
        drawn = generator.pictures(layer, values, inputs)
        assert torch.allclose(drawn, expected, rtol=0, atol=1e-5), layer
        own = generator.values(latents, layer)
        assert torch.allclose(values, own, rtol=1e-4, atol=1e-5), layer
        assert torch.equal(generator.pictures(layer, own, inputs), expected), layer


def test_an_edited_layer_is_foreseen(name: str) -> None:
    generator = opened(name)
    latents, state = rows(generator), {k: v.clone() for k, v in generator.state().items()}
    before = generator.sample(latents)
    source = torch.Generator().manual_seed(1)
    for layer in generator.facts.layer_names():
        (inputs,) = generator.inputs(latents, [layer]).values()
        form = generator.form(layer)
        weight = form.weight + 0.2 * form.weight.std() * torch.randn(
            form.weight.shape, generator=source
        )
        values = form.activate(form.response(inputs, weight))
        foreseen = generator.pictures(layer, values, inputs)
        generator.set_weight(layer, weight)
        drawn = generator.sample(latents)
        assert torch.equal(generator.form(layer).weight, weight)
        generator.restore(state)
        assert torch.allclose(foreseen, drawn, rtol=0, atol=1e-5), layer
        assert not torch.equal(drawn, before), layer
    assert all(torch.equal(generator.state()[key], value) for key, value in state.items())


def test_positions_and_taps_give_the_response(name: str) -> None:
    generator = opened(name)
    latents = rows(generator, 2)
    for layer, inputs in generator.inputs(latents, generator.facts.layer_names()).items():
        form = generator.form(layer)
        response = form.response(inputs, form.weight)
        gains = form.gains(inputs, form.weight)[:, :, None, None]
        convolved = (response - form.shift(inputs)) / gains
        numbers = torch.arange(response[0, 0].numel()).reshape(response.shape[2:])
        for phase in form.phases:
            taps = torch.stack([form.weight[:, :, ky, kx] for ky, kx in phase.taps], 2)
            product = phase.unfold(inputs.keys) @ taps.flatten(1).T
            found = product.reshape(len(latents), -1, len(form.weight)).transpose(1, 2)
            there = convolved.flatten(2)[:, :, phase.of(numbers)]
            assert torch.allclose(found, there, rtol=1e-3, atol=1e-3), layer


def test_pictures_do_not_depend_on_how_many_are_drawn(name: str) -> None:
    generator = opened(name)
    latents = rows(generator, 5)
    together = generator.sample(latents)
    alone = torch.cat([generator.sample(row[None]) for row in latents])
    assert torch.allclose(together, alone, rtol=0, atol=1e-5)
    assert check(generator, latents) == []


def test_no_style_is_named_in_the_source() -> None:
    words = r"residual|attention|softmax|adain|(instance|pixel).?norm|\bu-?net|style|class.?cond"
    for source in SOURCES.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        assert not re.findall(words, text, re.IGNORECASE), source.name


# ---- single cases ---------------------------------------------------------------------------


class Chain(nn.Module):
    """Noise to maps, one layer of any kind, and colours."""

    def __init__(self, layer: nn.Module, behind: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(6, 4 * 5 * 4)
        self.layer = layer
        self.behind = behind or nn.Identity()
        self.colours = nn.LazyConv2d(3, 1)

    def forward(self, z: Tensor) -> Tensor:
        maps = functional.relu(self.first(z)).reshape(-1, 4, 5, 4)
        return torch.tanh(self.colours(self.behind(self.layer(maps))))


def chain(layer: Callable[[], nn.Module], behind: nn.Module | None = None) -> HookedGenerator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Chain(layer(), behind)
        module(torch.zeros(2, 6))
        for tensor in module.parameters():
            nn.init.normal_(tensor, std=0.4)
        # Running statistics, and the vectors of spectral norm, as training leaves them.
        for _ in range(5):
            module(torch.randn(16, 6))
    return HookedGenerator(redraft.Generator(module))


def older_weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch would have it newer
        return nn.utils.weight_norm(layer)


SPECTRAL = nn.utils.spectral_norm
NEWER = nn.utils.parametrizations
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(4, 5, 3, padding=1),
    "strided": lambda: nn.Conv2d(4, 5, 3, stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
    "same": lambda: nn.Conv2d(4, 5, 3, padding="same"),
    "reflected": lambda: nn.Conv2d(4, 5, 3, padding=1, padding_mode="reflect"),
    "replicated": lambda: nn.Conv2d(4, 5, (3, 1), padding=(1, 0), padding_mode="replicate"),
    "padded before": lambda: nn.Sequential(nn.ZeroPad2d((2, 1, 0, 1)), nn.Conv2d(4, 5, 3)),
    "transposed": lambda: nn.ConvTranspose2d(4, 5, 4, 2, 1),
    "transposed, uneven": lambda: nn.ConvTranspose2d(4, 5, (3, 5), (1, 3), (0, 2), (0, 2)),
    "transposed, grows": lambda: nn.ConvTranspose2d(4, 5, 3),
    "spectral": lambda: SPECTRAL(nn.Conv2d(4, 5, 3, padding=1)),
    "spectral, newer": lambda: NEWER.spectral_norm(nn.Conv2d(4, 5, 3, padding=1)),
    "spectral, transposed": lambda: NEWER.spectral_norm(nn.ConvTranspose2d(4, 5, 4, 2, 1)),
    "weight norm": lambda: older_weight_norm(nn.Conv2d(4, 5, 3, padding=1)),
    "weight norm, newer": lambda: NEWER.weight_norm(nn.Conv2d(4, 5, 3, padding=1)),
    "weight norm, transposed": lambda: NEWER.weight_norm(nn.ConvTranspose2d(4, 5, 4, 2, 1)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_every_kind_of_layer_is_cut_and_written_back(case: str) -> None:
    generator = chain(LAYERS[case], nn.Sequential(nn.BatchNorm2d(5), nn.LeakyReLU(0.1)))
    (layer,) = (each for each in generator.facts.layer_names() if each.startswith("layer"))
    assert generator.facts.layer(layer).behind == "batch norm, leaky ReLU 0.1"  # type: ignore[union-attr]
    latents = rows(generator, 4)
    (inputs,) = generator.inputs(latents, [layer]).values()
    form = generator.form(layer)
    weight = form.weight * 0.5 + 0.1 * torch.randn(
        form.weight.shape, generator=torch.Generator().manual_seed(2)
    )
    foreseen = generator.pictures(
        layer, form.activate(form.response(inputs, weight)), inputs
    )  # fmt: skip
    generator.set_weight(layer, weight)
    assert torch.allclose(generator.sample(latents), foreseen, rtol=0, atol=1e-5)


class Twice(nn.Module):
    """A layer that runs twice, one that does not run, and one for the class of a picture alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.unused = nn.Linear(6, 48), nn.Linear(6, 6)
        self.conv, self.grouped = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1, groups=3)
        self.last = nn.Conv2d(3, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        maps = self.first(z).view(-1, 3, 4, 4)
        return torch.tanh(self.last(self.grouped(self.conv(self.conv(maps)))))


def test_what_is_no_layer_says_why() -> None:
    generator = HookedGenerator(redraft.Generator(Twice()))
    assert {each.part: each.reason for each in generator.refused} == {
        "conv": "it runs 2 times a picture",
        "grouped": "it has 3 groups",
        "last": "it makes the colours of the picture",
        "unused": "it does not run",
    }
    assert generator.facts.layer_names() == ("first",)


class Bare(nn.Module):
    """Calls what it is given between a linear map and the colours."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.first, self.between, self.colours = nn.Linear(6, 64), between, nn.Conv2d(4, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.colours(self.between(self.first(z).view(-1, 4, 4, 4))))


class Noise(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps + torch.randn_like(maps)


class Batch(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps + maps.mean(0, keepdim=True)


class Counting(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        for _ in range(len(maps)):
            maps = maps * 1.0
        return maps


BROKEN = {
    "noise": (Noise(), "the second time: `between` (Noise)"),
    "batch": (Batch(), "others of its batch: `between` (Batch)"),
    "statistics": (
        nn.BatchNorm2d(4, track_running_stats=False),
        "others of its batch: `between` (BatchNorm2d)",
    ),
    "counting": (Counting(), "from mul in between on"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_promise_is_named(case: str) -> None:
    between, said = BROKEN[case]
    with pytest.raises(ModelError, match=re.escape(said)) as raised:
        open_described(redraft.Generator(Bare(between)))
    assert raised.value.code == "RD676"


def test_a_module_that_draws_nothing_says_what_was_tried() -> None:
    with pytest.raises(ModelError) as raised:
        open_described(redraft.Generator(nn.Linear(6, 5)))
    assert raised.value.code == "RD645"
    assert "latents (N, 6): it gives (2, 5), and pictures are (N, colours, height, width)" in str(
        raised.value
    )


def test_a_module_without_layers_says_why() -> None:
    module = nn.Sequential(nn.ConvTranspose2d(6, 3, 8), nn.Tanh())
    with pytest.raises(ModelError, match="it makes the colours of the picture") as raised:
        open_described(redraft.Generator(module))
    assert raised.value.code == "RD678"


def test_a_package_names_a_detector_and_a_module() -> None:
    source = described("unet").module

    def make(shapes: Mapping[str, tuple[int, ...]]) -> redraft.Generator | None:
        return described("unet") if "joined2.weight" in shapes else None

    family = module_family("owls", "Owls", make)
    state = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    assert family.recognise({"first.weight": (3, 3)}) is None
    found = family.recognise({name: tuple(tensor.shape) for name, tensor in state.items()})
    assert found is not None
    assert found.facts == opened("unet").facts.model_copy(update={"arch": "owls"})
    state["colours.bias"] += 0.25
    built = family.build(state, found.layout, 1.0)
    assert torch.equal(built.state()["colours.bias"], state["colours.bias"])
    assert built.facts == found.facts
    with pytest.raises(ModelError, match=re.escape("`colours.bias` is missing")) as raised:
        family.recognise({"joined2.weight": (32,)})
    assert raised.value.code == "RD658"


# ---- latents, labels, colours ---------------------------------------------------------------


def test_latents_are_drawn_as_their_owner_says() -> None:
    module = Bare(nn.ReLU())
    bank = torch.randn(20, 6)
    uniform, given, made = (
        open_described(redraft.Generator(module, latents=latents)).generator
        for latents in ("uniform", bank, lambda index: [float(index)] * 6)
    )
    assert isinstance(uniform, HookedGenerator)
    drawn = rows(uniform, 200)
    assert -1 <= float(drawn.min()) < -0.95
    assert 0.95 < float(drawn.max()) <= 1
    assert torch.equal(uniform.sampler.rows(BLOCK, [7, 3]), drawn[[7, 3]])
    assert isinstance(given, HookedGenerator)
    assert torch.equal(given.sampler.rows(BLOCK, [4, 4, 19]), bank[[4, 4, 19]])
    with pytest.raises(redraft.RedraftError, match="there is no image 20: the file of latents"):
        given.sampler.rows(BLOCK, [20])
    assert isinstance(made, HookedGenerator)
    assert torch.equal(made.sampler.rows(BLOCK, [5]), torch.full((1, 6), 5.0))


def test_image_i_is_of_class_i_in_turn() -> None:
    generator = opened("classes")
    assert generator.facts.classes == 10
    latents = rows(generator, 13)
    assert latents.shape == (13, 21)
    assert latents[:, -1].tolist() == [*range(10), 0, 1, 2]
    same = latents[:1].repeat(2, 1)
    same[1, -1] = 5
    one, other = generator.sample(same)
    assert not torch.allclose(one, other, atol=1e-2)


class Flat(nn.Module):
    def __init__(self, colours: int) -> None:
        super().__init__()
        self.first, self.colours = nn.Linear(6, 64), nn.Conv2d(4, colours, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.colours(self.first(z).view(-1, 4, 4, 4)))


@pytest.mark.parametrize("colours", [1, 3, 4])
def test_pictures_of_one_three_and_four_channels(colours: int) -> None:
    module = Flat(colours)
    generator = HookedGenerator(redraft.Generator(module, range=(0, 1)))
    latents = rows(generator, 2)
    with torch.no_grad():
        given = module(latents)
    shown = generator.sample(latents)
    assert shown.shape == (2, 3, 4, 4)
    if colours == 4:
        over = given[:, :3] * given[:, 3:] + (1 - given[:, 3:])
        assert torch.allclose((shown + 1) / 2, over, atol=1e-5)
    else:
        assert torch.allclose((shown + 1) / 2, given.expand(-1, 3, -1, -1), atol=1e-6)


def test_latents_of_one_class() -> None:
    generator = opened("classes")
    third = BLOCK.model_copy(update={"name": "three", "label": 3})
    drawn = generator.sampler.rows(third, range(5))
    assert drawn[:, -1].tolist() == [3] * 5
    assert torch.equal(drawn[:, :-1], rows(generator, 5)[:, :-1])
    # A recipe without classes has the digest that it had before there were classes.
    plain, classy = (
        redraft.loads(text).recipe
        for text in (
            recipe(RULES["unet"]),
            recipe(RULES["unet"]).replace("300 }", "300  class 3 }"),
        )
    )
    assert plain is not None
    assert classy is not None
    assert "label" not in plain.canonical_json()
    assert classy.latents[0].label == 3
    assert classy.digest() != plain.digest()


def test_a_range_that_does_not_fit_is_a_warning() -> None:
    generator = HookedGenerator(redraft.Generator(Flat(3), range=(0, 0.01)))
    (said,) = check(generator, rows(generator))
    assert "what lies outside is cut off; say `range=`" in said


# ---- a rule, an edit, a file ----------------------------------------------------------------

HEAD, TIGHT = "box(x 8..24, y 0..12)", "box(x 10..22, y 6..12)"
RULES: dict[str, Marks] = {
    "residual": Marks(
        "blocks.0.conv2", TIGHT, 10, (2, 4, 5, 6, 7, 11, 12, 16, 17, 20, 21, 22, 24, 28, 29, 31)
    ),
    "attention": Marks(
        "body.7", HEAD, 3, (1, 2, 4, 5, 6, 10, 11, 14, 16, 19, 21, 22, 25, 28, 29, 30)
    ),
    "styles": Marks(
        "layers.3.conv",
        TIGHT,
        10,
        (1, 3, 4, 5, 8, 9, 13, 14, 16, 17, 19, 21, 25, 26, 29, 30, 32, 34, 35, 37, 39, 43, 44, 47),
        "rank 16  preserve 0.1  keep 1",
    ),
    "classes": Marks(
        "convs.1",
        HEAD,
        33,
        (0, 1, 2, 6, 9, 13, 16, 18, 19, 20, 21, 22, 23, 26, 29, 30, 32, 34, 35, 37, 39, 42, 43, 45),
        "preserve 0.05  keep 0",
    ),
    "grey": Marks(
        "body.1",
        "box(x 30..50, y 9..18)",
        30,
        (1, 2, 4, 5, 6, 9, 11, 12, 13, 14, 15, 18, 21, 22, 23, 25, 26, 27, 28, 33, 35, 37, 38, 39),
        "rank 16  preserve 0.02  keep 0.1",
    ),
    "unet": Marks(
        "up1",
        TIGHT,
        16,
        (1, 2, 4, 8, 9, 10, 12, 15, 20, 22, 23, 27, 28, 29, 31, 32, 33, 35, 37, 38, 39, 42, 44, 45),
    ),
}


def recipe(marks: Marks) -> str:
    numbers = ", ".join(map(str, marks.marked))
    settings = "".join(f"  {each}\n" for each in marks.settings.split("  ") if each)
    return f"""edition 2026

recipe hats 1.0.0 "A hat on every head"

model mine {{
  arch    module
  weights "weights.pth"
}}

latents z {{ seed 1  count 300 }}

rule hat at {marks.layer} {{
  copy    z[{marks.copied}] {marks.region}
  context z[{numbers}] {marks.region}
{settings}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_module_in_memory_is_edited_by_rules_alone(folder: Path) -> None:
    made = described("attention")
    before = {key: tensor.clone() for key, tensor in made.module.state_dict().items()}
    model = redraft.Model.open(made, device="cpu")
    edit = model.solve(
        "rule dim at body.4 { copy z[3] all  context z[5] all  context z[8] all  rank 2 }"
    )
    drawn = model.sample(4, edit=edit).tensor
    assert all(torch.equal(made.module.state_dict()[k], v) for k, v in before.items())
    with edit.applied(made.module):
        now = made.module.state_dict()
        changed = {key for key, tensor in before.items() if not torch.equal(now[key], tensor)}
        # Spectral norm would scale the whole weight anew; a vector of it keeps the scale.
        assert changed == {
            "body.4.parametrizations.weight.original",
            "body.4.parametrizations.weight.0._v",
        }
        assert torch.allclose(model.sample(4).tensor, drawn, atol=1e-5)
    torch.save(made.module.state_dict(), "weights.pth")
    path = Path("edit.safetensors")
    edit.save(path)
    assert redraft.Edit.load(path).facts == edit.facts


@pytest.mark.parametrize("name", RULES)
def test_a_rule_follows_on_new_pictures(name: str, folder: Path) -> None:
    marks, given = RULES[name], in_memory(described(name))
    checked = redraft.loads(recipe(marks), folder)
    plan = make_plan(checked, folder, generator=given)
    session = open_session(plan, torch.device("cpu"))
    (step,) = plan.rules
    with torch.no_grad():
        for statistics in plan.statistics:
            collect(session, statistics)
        solved = solve_rule(opened_rule(session, step))
        generator = session.model.generator
        drawn = draw_goal(generator, marks.layer, solved.goal, solved.placed.pastes.areas)
        unseen = sampler_of(generator).rows(
            plan.recipe.latents[0], judged(plan.recipe, plan.base.facts)
        )
        effect = measure(generator, marks.layer, solved.delta, unseen, drawn.wish())
        # The same change with the output channels mixed up: as large, in the same directions.
        mixed = torch.randperm(
            len(solved.delta.coefficients), generator=torch.Generator().manual_seed(0)
        )
        other = replace(solved.delta, coefficients=solved.delta.coefficients[mixed])
        null = measure(generator, marks.layer, other, unseen, drawn.wish())
    assert effect.share.value >= 0.6
    assert effect.share.value >= null.share.value + 0.3


@pytest.mark.parametrize("name", RULES)
def test_an_edit_applies_to_module_and_file(name: str, folder: Path) -> None:
    made, marks = described(name), RULES[name]
    before = {key: tensor.clone() for key, tensor in made.module.state_dict().items()}
    torch.save(before, folder / "weights.pth")
    model = redraft.Model.open(made, device="cpu")
    edit = model.solve(recipe(marks), folder=folder)
    weight = edit.facts.rules[0].weight_name
    assert weight.startswith(marks.layer)
    apply_to_file(edit, locate_weights(folder / "weights.pth", "weights"), folder / "edited.pth")
    in_file = torch.load(folder / "edited.pth", weights_only=True)
    plain = model.sample(3).tensor
    with edit.applied(made.module):
        for key, tensor in made.module.state_dict().items():
            assert torch.equal(tensor, in_file[key])
            assert torch.equal(tensor, before[key]) == (key != weight)
        assert not torch.equal(model.sample(3).tensor, plain)
    assert torch.equal(model.sample(3).tensor, plain)
    revert_file(folder / "edited.pth", folder / "again.pth")
    again = torch.load(folder / "again.pth", weights_only=True)
    assert all(torch.equal(again[key], tensor) for key, tensor in before.items())


def test_a_run_its_verification_and_a_live_rule_leave_a_module_in_memory_as_it_was(
    folder: Path,
) -> None:
    made = described("unet")
    before = {key: tensor.clone() for key, tensor in made.module.state_dict().items()}
    (folder / "hats.redraft").write_text(recipe(RULES["unet"]), encoding="utf-8")
    run = redraft.run("hats.redraft", generator=made, device="cpu")
    assert run.record.model.arch == "module"
    now = made.module.state_dict()
    assert all(torch.equal(now[key], tensor) for key, tensor in before.items())
    assert redraft.verify(run.folder, generator=made, device="cpu").holds
    with redraft.Live("hats.redraft", generator=made, device="cpu", numbers=range(2)) as live:
        assert live.answer.edit().to_bytes() == (run.folder / "edit.safetensors").read_bytes()
    now = made.module.state_dict()
    assert all(torch.equal(now[key], tensor) for key, tensor in before.items())
