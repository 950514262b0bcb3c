from __future__ import annotations

import subprocess
import sys

import pytest

from redraft.errors import ModelError
from redraft.models.catalog import CATALOG, FACES, find, known_models
from redraft.models.download import fetch
from redraft.models.header import read_header


def test_a_listed_model_is_found() -> None:
    assert find("faces").source.requirement == "gan-face-generate==1.1.1"


@pytest.mark.parametrize(
    ("name", "help_text"),
    [
        ("face", "did you mean 'faces'?"),
        ("Faces", "did you mean 'faces'?"),
        ("zebra", "the list has: faces"),
        ("", "the list has: faces"),
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
        for before, after in zip(entry.facts.layers, entry.facts.layers[1:], strict=False):
            assert before.out_channels == after.in_channels
            assert before.value_size == after.key_size


@pytest.mark.faces
def test_the_facts_of_faces_are_those_of_its_weights() -> None:
    try:
        header = read_header(fetch(FACES))
    except ModelError as error:
        if error.code not in ("RD621", "RD622"):
            raise
        pytest.skip(str(error))
    assert header.nesting == ("netG_state_dict",)
    first = header.named("0.weight")
    assert first is not None
    assert first.shape[0] == FACES.facts.latent_size
    for layer in FACES.facts.layers:
        weight = header.tensors[f"{layer.names[1]}.weight"]
        assert weight.shape == (layer.in_channels, layer.out_channels, *layer.kernel)


def test_hashes_are_sha256() -> None:
    for entry in CATALOG:
        for digest in (entry.source.wheel_sha256, entry.source.member_sha256):
            assert len(bytes.fromhex(digest)) == 32


def test_the_list_needs_no_torch() -> None:
    program = (
        "import sys; from redraft.models.catalog import known_models\n"
        "known_models(); print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
