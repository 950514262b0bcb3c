from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from redraft.disk.address import HttpFile
from redraft.errors import ModelError
from redraft.models.arch.families import recognise
from redraft.models.checkpoint.header import read_header
from redraft.models.listed.catalog import CATALOG, FACES, find, known_models
from redraft.models.listed.download import obtain
from redraft.models.listed.entry import Shipped, WheelMember


def test_a_listed_model_is_found() -> None:
    source = find("faces").source
    assert isinstance(source, WheelMember)
    assert source.requirement == "gan-face-generate==1.1.1"


@pytest.mark.parametrize(
    ("name", "help_text"),
    [
        ("face", "did you mean 'faces'?"),
        ("Faces", "did you mean 'faces'?"),
        ("proggan-churches", "did you mean 'proggan-church'?"),
        ("zebra", f"the list has: {', '.join(sorted(entry.name for entry in CATALOG))}"),
        ("", f"the list has: {', '.join(sorted(entry.name for entry in CATALOG))}"),
    ],
)
def test_an_unknown_name_gets_a_hint(name: str, help_text: str) -> None:
    with pytest.raises(ModelError) as caught:
        find(name)
    assert caught.value.message == f"there is no model named {name!r} in the list"
    assert caught.value.help == help_text


def test_names_are_unique() -> None:
    names = [entry.name for entry in CATALOG]
    assert len(set(names)) == len(names)


def test_the_checker_sees_every_entry() -> None:
    known = known_models()
    assert list(known.names()) == sorted(entry.name for entry in CATALOG)
    for entry in CATALOG:
        assert entry.arch in known.architectures
        assert entry.facts.arch == entry.arch


def test_layers_go_by_both_names() -> None:
    facts = find("faces").facts
    assert facts.layer_names() == ("layer3", "layer6", "layer9")
    layer = facts.layer("main.6")
    assert layer is facts.layer("layer6")
    assert layer is not None
    assert (layer.in_channels, layer.out_channels) == (256, 128)
    assert (layer.key_size, layer.value_size) == ((8, 8), (16, 16))


def test_each_layer_takes_what_the_one_before_gives() -> None:
    for entry in CATALOG:
        for before, after in itertools.pairwise(entry.facts.layers):
            assert before.out_channels == after.in_channels
            # A ProgGAN enlarges its maps before some of its convolutions.
            larger = after.key_size[0] // before.value_size[0]
            assert larger in ((1, 2) if entry.arch == "proggan" else (1,))
            assert after.key_size == tuple(larger * size for size in before.value_size)
        assert entry.facts.layers[-1].value_size[0] in {
            entry.facts.image_size[0],
            entry.facts.image_size[0] // 2,
        }


@pytest.mark.parametrize("name", ["stylegan2-church", "stylegan2-car", "stylegan2-faces"])
def test_facts_of_a_stylegan2_are_those_that_a_file_of_its_sizes_gives(
    name: str, stylegan2_shapes: Callable[..., dict[str, tuple[int, ...]]]
) -> None:
    facts = find(name).facts
    widths = {layer.value_size[0]: layer.out_channels for layer in facts.layers}
    file = stylegan2_shapes(size=facts.image_size[0], depth=8, latent=512, inner=512, widths=widths)
    assert recognise(file).facts == facts


@pytest.mark.faces
def test_the_facts_of_faces_are_those_of_its_weights() -> None:
    try:
        header = read_header(obtain(FACES).path)
    except ModelError as error:
        if error.code not in ("RD621", "RD622"):
            raise
        pytest.skip(str(error))
    assert header.nesting == ("netG_state_dict",)
    first = header.tensors.get(f"{header.prefix}0.weight")
    assert first is not None
    assert first.shape[0] == FACES.facts.latent_size
    for layer in FACES.facts.layers:
        weight = header.tensors[f"{layer.names[1]}.weight"]
        assert weight.shape == (layer.in_channels, layer.out_channels, *layer.kernel)


def test_hashes_are_sha256() -> None:
    for entry in CATALOG:
        if isinstance(entry.source, WheelMember):
            for digest in (entry.source.wheel_sha256, entry.source.member_sha256):
                assert len(bytes.fromhex(digest)) == 32
        elif isinstance(entry.source, Shipped):
            for digest in (entry.source.half_sha256, entry.source.sha256):
                assert len(bytes.fromhex(digest)) == 32
        else:
            assert len(bytes.fromhex(entry.source.sha256_head)) == 4


def test_files_on_the_web_are_named_by_their_hash_and_by_nothing_twice() -> None:
    sources = [entry.source for entry in CATALOG if isinstance(entry.source, HttpFile)]
    assert len({source.filename for source in sources}) == len(sources) >= 8
    for source in sources:
        assert re.fullmatch(rf"[\w-]+-{source.sha256_head}\.pth?", source.filename)
        assert source.url == f"http://{source.host}/{source.url.split('/', 3)[3]}"


@pytest.mark.parametrize(
    ("name", "url", "size", "layer", "channels"),
    [
        (
            "proggan-church",
            "http://gandissect.csail.mit.edu/models/proggan_churchoutdoor-7e701dd5.pth",
            256,
            "layer8",
            (256, 256),
        ),
        (
            "proggan-celebhq",
            "http://gandissect.csail.mit.edu/models/proggan_celebhq-620d161c.pth",
            1024,
            "layer9",
            (512, 256),
        ),
        (
            "stylegan2-horse",
            "http://rewriting.csail.mit.edu/data/models/stylegan2_horse-499b5380.pt",
            256,
            "layer8",
            (512, 512),
        ),
        (
            "stylegan2-faces",
            "http://rewriting.csail.mit.edu/data/models/stylegan2_faces-2858cc2e.pt",
            1024,
            "layer17",
            (64, 32),
        ),
    ],
)
def test_published_models_are_known_without_their_files(
    name: str, url: str, size: int, layer: str, channels: tuple[int, int]
) -> None:
    entry = find(name)
    assert isinstance(entry.source, HttpFile)
    assert entry.source.url == url
    assert (entry.facts.image_size, entry.facts.latent_size) == ((size, size), 512)
    assert entry.licence == "not stated"
    found = entry.facts.layer(layer)
    assert found is not None
    assert (found.in_channels, found.out_channels) == channels


def test_the_list_needs_no_torch() -> None:
    program = (
        "import sys; from redraft.models.listed.catalog import known_models\n"
        "known_models(); print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
