"""The generators that the authors of the rewriting paper publish, as listed models.

Names and hashes of the files are those of the code at :data:`AUTHORS`; the sizes of the networks
are those that it builds for them. No licence of the weights is stated there.
"""

from __future__ import annotations

from redraft.disk.address import HttpFile
from redraft.models.arch import proggan_shapes
from redraft.models.arch.stylegan2.shapes import facts_for as stylegan2_facts_for
from redraft.models.listed.entry import Entry
from redraft_dsl.facts import ModelFacts

AUTHORS = "https://github.com/davidbau/rewriting"
NOT_STATED = "not stated"
"""The licence of weights whose publisher names none."""
_PROGGANS = "http://gandissect.csail.mit.edu/models/"
_STYLEGANS = "http://rewriting.csail.mit.edu/data/models/"
_STYLEGAN_WIDTHS = {4: 512, 8: 512, 16: 512, 32: 512}
_STYLEGAN_LATENT = 512
_STYLEGAN_DEPTH = 8


def stylegan2_facts(resolution: int, multiplier: int = 2) -> ModelFacts:
    """The facts of a StyleGAN2 of which only the sizes are known.

    Args:
        resolution: of its pictures, in pixels.
        multiplier: widens the layers from 64 px up; 2 in the larger of the vendor's networks.

    """

    def width(size: int) -> int:
        return _STYLEGAN_WIDTHS.get(size, multiplier * 16384 // size)

    return stylegan2_facts_for(resolution, width, _STYLEGAN_LATENT, _STYLEGAN_DEPTH)


def _entry(name: str, shows: str, facts: ModelFacts, url: str) -> Entry:
    titles = {"proggan": "ProgGAN", "stylegan2": "StyleGAN2"}
    return Entry(
        name=f"{facts.arch}-{name}",
        title=f"{shows}, {facts.image_size[0]} px",
        arch=facts.arch,
        facts=facts,
        source=HttpFile(url, url.rpartition(".")[0].rpartition("-")[2]),
        licence=NOT_STATED,
        homepage=AUTHORS,
        description=(
            f"{titles[facts.arch]} weights that its own authors trained ({shows.lower()}), "
            "converted and published by the authors of the rewriting paper."
        ),
    )


def _proggan(name: str, shows: str, filename: str, resolution: int = 256) -> Entry:
    return _entry(name, shows, proggan_shapes.facts_for(resolution), _PROGGANS + filename)


def _stylegan2(name: str, shows: str, filename: str, resolution: int = 256) -> Entry:
    return _entry(name, shows, stylegan2_facts(resolution), _STYLEGANS + filename)


PUBLISHED: tuple[Entry, ...] = (
    _proggan("bedroom", "Bedrooms", "proggan_bedroom-d8a89ff1.pth"),
    _proggan("celebhq", "Celebrities", "proggan_celebhq-620d161c.pth", resolution=1024),
    _proggan("church", "Churches", "proggan_churchoutdoor-7e701dd5.pth"),
    _proggan("conferenceroom", "Conference rooms", "proggan_conferenceroom-21e85882.pth"),
    _proggan("diningroom", "Dining rooms", "proggan_diningroom-3aa0ab80.pth"),
    _proggan("kitchen", "Kitchens", "proggan_kitchen-67f1e16c.pth"),
    _proggan("livingroom", "Living rooms", "proggan_livingroom-5ef336dd.pth"),
    _proggan("restaurant", "Restaurants", "proggan_restaurant-b8578299.pth"),
    _stylegan2("bedroom", "Bedrooms", "stylegan2_bedroom-6fa55a6e.pt"),
    _stylegan2("car", "Cars", "stylegan2_car-3659b4b6.pt", resolution=512),
    _stylegan2("cat", "Cats", "stylegan2_cat-d8dc98b2.pt"),
    _stylegan2("church", "Churches", "stylegan2_church-e8ca9fd0.pt"),
    _stylegan2("faces", "Faces", "stylegan2_faces-2858cc2e.pt", resolution=1024),
    _stylegan2("horse", "Horses", "stylegan2_horse-499b5380.pt"),
    _stylegan2("kitchen", "Kitchens", "stylegan2_kitchen-b3a526e9.pt"),
    _stylegan2("places", "Places", "stylegan2_places-a3b72d71.pt"),
)
