"""Which files are taken for a StyleGAN2, and what is said of those that are broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from redraft.errors import ModelError
from redraft.models.arch.families import recognise
from redraft.models.arch.stylegan2.shapes import Description, read
from redraft.models.listed import catalog

Shapes = dict[str, tuple[int, ...]]
ShapesMaker = Callable[..., Shapes]


def widths(multiplier: int) -> dict[int, int]:
    narrow = {64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    return {
        **dict.fromkeys((4, 8, 16, 32), 512),
        **{size: multiplier * width for size, width in narrow.items()},
    }


def true_shapes(
    make: ShapesMaker, layout: str, size: int = 256, multiplier: int = 2, depth: int = 8
) -> Shapes:
    return make(layout, size=size, depth=depth, latent=512, inner=512, widths=widths(multiplier))


def described(shapes: Shapes) -> Description:
    result = read(shapes)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("layout", "depth", "tensors"),
    [
        ("rosinality", 8, 135),
        ("authors", 8, 136),
        ("authors-fused", 8, 136),
        ("stylegan2-ada", 8, 144),
        ("stylegan2-ada", 2, 132),
    ],
)
def test_files_of_true_size_are_recognised(
    stylegan2_shapes: ShapesMaker, layout: str, depth: int, tensors: int
) -> None:
    shapes = true_shapes(stylegan2_shapes, layout, depth=depth)
    assert len(shapes) == tensors
    result = recognise(shapes)
    assert result.layout == layout
    facts = result.facts
    assert (facts.arch, facts.image_size, facts.latent_size) == ("stylegan2", (256, 256), 512)
    table = [
        (la.name, la.kind, la.in_channels, la.out_channels, la.key_size[0], la.value_size[0])
        for la in facts.layers
    ]
    up, same = "modulated-conv-up", "modulated-conv"
    assert table == [
        ("layer2", same, 512, 512, 4, 4),
        ("layer3", up, 512, 512, 4, 8),
        ("layer4", same, 512, 512, 8, 8),
        ("layer5", up, 512, 512, 8, 16),
        ("layer6", same, 512, 512, 16, 16),
        ("layer7", up, 512, 512, 16, 32),
        ("layer8", same, 512, 512, 32, 32),
        ("layer9", up, 512, 512, 32, 64),
        ("layer10", same, 512, 512, 64, 64),
        ("layer11", up, 512, 256, 64, 128),
        ("layer12", same, 256, 256, 128, 128),
        ("layer13", up, 256, 128, 128, 256),
        ("layer14", same, 128, 128, 256, 256),
    ]
    assert all(la.kernel == (3, 3) for la in facts.layers)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("size", [32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize("layout", ["rosinality", "authors", "stylegan2-ada"])
def test_every_size_and_width_is_read(
    stylegan2_shapes: ShapesMaker, layout: str, size: int, multiplier: int
) -> None:
    facts = described(true_shapes(stylegan2_shapes, layout, size, multiplier)).facts
    assert facts.image_size == (size, size)
    last = facts.layers[-1]
    assert last.out_channels == widths(multiplier)[size]
    assert last.value_size == (size, size)


def test_noise_maps_and_the_mean_may_be_missing_in_the_ports(
    stylegan2_shapes: ShapesMaker,
) -> None:
    for layout in ("rosinality", "authors"):
        shapes = stylegan2_shapes(layout)
        fewer = {n: s for n, s in shapes.items() if "noises" not in n and "avg" not in n}
        assert len(fewer) < len(shapes)
        assert described(fewer).facts == described(shapes).facts
        # The mean may lie among the others, or in place of it a lone 0.
        name = described(shapes).names.mean
        assert described({**shapes, name: (7,)}).facts == described(shapes).facts
    shapes["latents.latent_avg"] = ()
    assert described(shapes).names.mean == "latent_avg"


def test_other_architectures_are_left_to_others(stylegan2_shapes: ShapesMaker) -> None:
    assert read({"0.weight": (10, 24, 4, 4)}) is None
    assert read({"layer1.conv.weight": (512, 512, 4, 4), "layer1.wscale.b": (512,)}) is None
    # A StyleGAN2 discriminator has convolutions of the same names, and no styles.
    assert read({"convs.0.0.weight": (64, 3, 1, 1), "final_linear.0.weight": (1, 2)}) is None
    assert recognise(stylegan2_shapes()).facts.arch == "stylegan2"


def _without(name: str) -> Callable[[Shapes], object]:
    return lambda shapes: shapes.pop(name)


def _with(name: str, shape: tuple[int, ...]) -> Callable[[Shapes], object]:
    return lambda shapes: shapes.update({name: shape})


def _drop(beginning: str) -> Callable[[Shapes], object]:
    return lambda shapes: [shapes.pop(name) for name in list(shapes) if name.startswith(beginning)]


BROKEN = {
    "a tensor": (
        "rosinality",
        _without("convs.3.noise.weight"),
        "`convs.3.noise.weight` is missing",
    ),
    "the constant": ("rosinality", _without("input.input"), "`input.input` is missing"),
    "mapping": ("rosinality", _drop("style."), "its mapping network has 0 layers"),
    "a mapping layer": (
        "rosinality",
        _drop("style.3."),
        "`style.3.weight` is missing (2 of 74 are)",
    ),
    "endless mapping": (
        "stylegan2-ada",
        _with("mapping.fc999999999999.weight", (7, 7)),
        "its mapping network has 1000000000 layers",
    ),
    "a mapping width": (
        "rosinality",
        _with("style.2.weight", (7, 8)),
        "`style.2.weight` takes 8 numbers, and 7 reach it",
    ),
    "a mapping bias": (
        "rosinality",
        _with("style.2.bias", (8,)),
        "`style.2.weight` and `style.2.bias` are not a fully connected layer",
    ),
    "half a size": (
        "rosinality",
        _drop("convs.5."),
        "`convs.5.conv.modulation.weight` is missing (5 of 74 are)",
    ),
    "no size": (
        "rosinality",
        _drop("convs."),
        "it has no layer behind those at 4 px",
    ),
    "too large": (
        "rosinality",
        _with("convs.999999999.conv.weight", (1, 1, 1, 3, 3)),
        f"it draws {4 << 32} px a side, and powers of 2 from 8 to 1024 are read",
    ),
    "odd size": (
        "stylegan2-ada",
        _with("synthesis.b48.const", (1,)),
        "it draws 48 px a side, and powers of 2 from 8 to 1024 are read",
    ),
    "widths": (
        "rosinality",
        _with("convs.3.conv.weight", (1, 8, 9, 3, 3)),
        "`convs.3.conv.weight` has shape (1, 8, 9, 3, 3), and (1, 8, 8, 3, 3) belongs there",
    ),
    "kernel": (
        "rosinality",
        _with("convs.3.conv.weight", (1, 8, 8, 1, 1)),
        "`convs.3.conv.weight` has shape (1, 8, 8, 1, 1), and (1, 8, 8, 3, 3) belongs there",
    ),
    "flat weight": (
        "rosinality",
        _with("convs.3.conv.weight", (8, 8, 3, 3)),
        "`convs.3.conv.weight` has shape (8, 8, 3, 3), and that is not a convolution",
    ),
    "flat constant": (
        "rosinality",
        _with("input.input", (10, 4, 4)),
        "`input.input` has shape (10, 4, 4), and that is no 4 x 4 input",
    ),
    "style": (
        "rosinality",
        _with("convs.0.conv.modulation.weight", (10, 8)),
        "`convs.0.conv.modulation.weight` has shape (10, 8), and (10, 7) belongs there",
    ),
    "grey": (
        "rosinality",
        _with("to_rgbs.2.conv.weight", (1, 1, 6, 1, 1)),
        "`to_rgbs.2.conv.weight` has shape (1, 1, 6, 1, 1), and (1, 3, 6, 1, 1) belongs there",
    ),
    "blur": (
        "rosinality",
        _with("convs.2.conv.blur.kernel", (3, 3)),
        "`convs.2.conv.blur.kernel` has shape (3, 3), and (4, 4) belongs there",
    ),
    "noise size": (
        "rosinality",
        _with("noises.noise_5", (1, 1, 16, 16)),
        "`noises.noise_5` has shape (1, 1, 16, 16), and (1, 1, 32, 32) belongs there",
    ),
    "mean": (
        "authors",
        _with("latents.latent_avg", (1, 7)),
        "`latents.latent_avg` has shape (1, 7), and (7,) belongs there",
    ),
    "more": (
        "rosinality",
        _with("encoder.weight", (3,)),
        "it has no place for `encoder.weight`",
    ),
    "authors": (
        "authors",
        _without("up_rgb2.kernel"),
        "`up_rgb2.kernel` is missing",
    ),
    "vendor": (
        "stylegan2-ada",
        _without("synthesis.b16.conv1.noise_const"),
        "`synthesis.b16.conv1.noise_const` is missing",
    ),
    "idle": (
        "stylegan2-ada",
        _with("synthesis.b4.resample_filter", (4,)),
        "`synthesis.b4.resample_filter` has shape (4,), and (4, 4) belongs there",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(stylegan2_shapes: ShapesMaker, case: str) -> None:
    layout, change, reason = BROKEN[case]
    shapes = stylegan2_shapes(layout)
    change(shapes)
    with pytest.raises(ModelError) as caught:
        recognise(shapes)
    assert caught.value.code == "RD626"
    assert caught.value.message == f"these weights are not a StyleGAN2 generator: {reason}"
    assert "the generator's whole state dict (`g_ema`)" in str(caught.value.help)


def test_a_model_with_classes_is_refused(stylegan2_shapes: ShapesMaker) -> None:
    shapes = stylegan2_shapes("stylegan2-ada")
    shapes["mapping.embed.weight"] = (7, 10)
    with pytest.raises(ModelError) as caught:
        recognise(shapes)
    assert caught.value.code == "RD630"
    assert caught.value.message == (
        "this StyleGAN2 draws by class (it has `mapping.embed`), and that is not supported"
    )
    assert caught.value.help == "use a model that was trained without classes"


def test_recipes_may_name_it_and_truncate_it() -> None:
    known = catalog.known_models()
    assert "stylegan2" in known.architectures
    assert known.truncating == ("stylegan", "stylegan2")


def test_recognising_needs_no_torch() -> None:
    code = "import sys, redraft.models.arch.families; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
