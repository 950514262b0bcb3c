"""The report: one sound HTML file that says what the record says and runs nothing of the user's."""

from __future__ import annotations

import base64
import io
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from redraft.plans.record import (
    ExpectRecord,
    LeftOutRecord,
    MachineRecord,
    ModelRecord,
    PlaceRecord,
    RuleRecord,
    RunRecord,
    StatisticsRecord,
)
from redraft.show.pictures import RegionOutline, Tile
from redraft.show.report.data import ReportData, RuleView
from redraft.show.report.render import render
from redraft.show.report.sentences import verdict, warning_text, when
from redraft.show.report.source import block_of, lines_of

DIGEST = "0123456789abcdef" * 4
HOSTILE = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)>{{ 7 * 7 }}'
RECIPE = """edition 2026
recipe faces-with-glasses 1.0.0 "Every face wears glasses"

# rule glasses at nowhere { a comment is no rule }
rule glasses at layer6 {
  copy    z[5] box(x 2..12, y 4..8)  # } not the end
  context like z[5] box(x 2..12, y 4..8) top 2 among 0..9
  solver  exact { iterations 20 }
  rank    8
}
rule mask at layer6 {
  rank 2
}
"""
VOID = {"meta", "img", "br", "input", "link", "hr"}


class Page(HTMLParser):
    """Checks that elements are balanced, and collects them."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.text, self.faults = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def tile(seed, **more):
    values = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Tile(f"z[{seed}]", values[0], values[1], values[2], **more)


def outline(role):
    area = np.zeros((16, 16))
    area[4:8, 2:12] = 1
    return (RegionOutline(area, role),)


def rule_record(**changes):
    places = tuple(
        PlaceRecord(latents="z", index=i, box=(2, 4, 12, 8), score=score, gain=gain)
        for i, score, gain in ((5, None, 0.6), (6, 0.81, 0.5), (7, 0.42, 0.13))
    )
    fields = {
        "name": "glasses", "kind": "rule", "layer": "layer6", "weight_name": "layer6.conv.weight",
        "rank": 8, "strength": 1.0, "preserve": 0.3, "loss_before": 0.1741, "loss_after": 0.0571,
        "solve_seconds": 0.42,
        "left_out": LeftOutRecord(gain=0.41, side=0.062, gain_spread=0.03, side_spread=0.01),
        "judged": 400, "share": 0.93, "share_interval": (0.91, 0.95),
        "amplitude": 0.32, "amplitude_interval": (0.30, 0.34),
        "outside": 0.024, "outside_interval": (0.023, 0.025),
        "copy_from": places[0], "contexts": places, "pastes": places,
        "singular_values": (2.0, 1.0, 0.25), "norm": 2.25, "delta_digest": DIGEST,
        "weight_before": DIGEST, "weight_after": DIGEST[::-1], "interference": {}, "warnings": (),
    }  # fmt: skip
    return RuleRecord.model_validate(fields | changes)


def view(**changes):
    return RuleView(
        record=rule_record(**changes),
        copy=tile(5, outlines=outline("copy")),
        contexts=(
            tile(5, outlines=outline("context")),
            tile(6, outlines=outline("found")),
            tile(7, outlines=outline("found")),
        ),
        unseen=(tile(20), tile(21)),
        best_matches=(
            tile(6, outlines=outline("found"), heat=torch.linspace(0, 1, 256).reshape(16, 16)),
        ),
    )


def run_record(rules, **changes):
    fields = {
        "recipe": "faces-with-glasses", "version": "1.0.0", "title": "Every face wears glasses",
        "recipe_digest": DIGEST, "recipe_path": "recipes/glasses.redraft",
        "model": ModelRecord(name="faces", arch="dcgan", file_sha256=DIGEST, tensors_digest=DIGEST),
        "machine": MachineRecord(
            device="cpu", threads=2, platform="Linux", versions={"torch": "2.4"}, deterministic=True
        ),
        "statistics": (
            StatisticsRecord(
                layer="layer6", latents="z", count=2000, keys=128000, cached=True, seconds=0.0
            ),
        ),
        "rules": rules, "evaluated_on": "z[200..599]", "evaluated_count": 400,
        "edit_sha256": DIGEST, "started": "2026-03-14T15:09:26+00:00", "seconds": 14.2,
    }  # fmt: skip
    return RunRecord.model_validate(fields | changes)


def report(*views, **changes):
    views = views or (view(), view(name="mask", interference={"glasses": 0.72}))
    record = run_record(tuple(each.record for each in views), **changes)
    return ReportData(record, RECIPE, views, (tile(30), tile(31)))


@pytest.fixture(scope="module")
def html():
    return render(report())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_elements_are_balanced(page):
    assert page.faults == []
    assert page.open == []


def test_every_picture_has_words_and_lies_in_the_file(page):
    pictures = page.all("img")
    assert len(pictures) > 20
    for picture in pictures:
        assert picture["alt"].strip()
        kind, data = picture["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        Image.open(io.BytesIO(base64.b64decode(data, validate=True))).verify()


def test_nothing_is_fetched(html, page):
    assert not re.search(r"https?:|@import|url\(", html)
    for _, attributes, _ in page.elements:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:image/png;", "#")) or name not in attributes
    assert not page.all("link")
    assert not page.all("iframe")
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; img-src data:")


def test_identifiers_are_unique_and_links_lead_somewhere(page):
    names = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = [link["href"] for link in page.all("a")]
    assert targets
    assert {target.removeprefix("#") for target in targets} <= set(names)
    labelled = [a["aria-labelledby"] for _, a, _ in page.elements if "aria-labelledby" in a]
    assert set(labelled) <= set(names)


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_what_the_record_says(page):
    spoken = page.words.replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "Every face wears glasses", "faces-with-glasses", "14 March 2026, 15:09 UTC",
        "Visible on 93 % of new pictures, at a third of full strength",
        "93 % (91\N{EN DASH}95 %) of 400 new pictures changed as meant",
        "the rest of the picture moved by 0.024", "0.174 → 0.0571", "Left-out gain 0.41",
        "1 context marked in the recipe, 2 found by match",
        "z[6] , found, score 0.81", "z[6], score 0.81",
        "taken from the cache", "redraft verify RUN", "redraft apply MODEL RUN --out edited.pth",
        DIGEST,
        "The first 2 of 3 hold nine tenths", "0.72",
    ):  # fmt: skip
        assert said in spoken, said


def test_the_context_that_follows_least_is_shown(page):
    weak = [image for image in page.all("img") if "follows least" in image["alt"]]
    assert [image["alt"].split(",")[0] for image in weak] == ["z[7]", "z[7]"]
    assert "leave it out with except 7" in page.words
    places = tuple(p.model_copy(update={"gain": 0.5}) for p in rule_record().contexts)
    assert "follows least" not in render(report(view(contexts=places)))


def test_all_contexts_are_shown_and_those_that_follow_least_first():
    gains = {f"z[{n}]": 0.9 - n / 100 for n in range(20)}
    places = tuple(
        PlaceRecord(latents="z", index=n, box=(2, 4, 12, 8), gain=gains[f"z[{n}]"])
        for n in range(20)
    )
    many = replace(view(contexts=places), contexts=tuple(tile(n) for n in range(20)))
    page = Page(render(report(many)))
    shown = [image["alt"].split(",")[0] for image in page.all("img") if "result" in image["alt"]]
    assert shown == [f"z[{n}]" for n in reversed(range(20))]


def test_the_pictures_on_which_a_rule_takes_effect_least_are_a_row_of_their_own():
    page = Page(render(report(replace(view(), least=(tile(40), tile(41))))))
    assert "Where it takes effect least" in page.words
    assert [i["alt"] for i in page.all("img") if i["alt"].startswith("z[40]")] == [
        "z[40], before", "z[40], after",
    ]  # fmt: skip


def test_how_far_protected_places_moved_is_said_once():
    guarded = view(protected=0.012)
    page = Page(render(report(replace(guarded, protected=(tile(50),)))))
    assert page.words.replace("\N{NO-BREAK SPACE}", " ").count("1.2 % of what the goal asks") == 1


def test_the_verdict_on_a_misaimed_rule_is_that_nothing_is_known():
    scores = (None, 0.9, 1.27, 1.33, 1.51)
    places = tuple(
        PlaceRecord(latents="z", index=n, box=(2, 4, 12, 8), score=score)
        for n, score in enumerate(scores)
    )
    found = rule_record(contexts=places, places="match")
    assert (found.judgement.word, found.judgement.tone) == ("not known", "unknown")
    assert "stand out more than the marked one" in found.judgement.reason
    # One region of all pictures is not found by the match.
    assert rule_record(contexts=places, places="fixed").judgement.word == "takes effect widely"


def test_a_share_of_places_that_were_found_names_the_pictures_that_have_one():
    shown = report(view(places="match", judged=91, share=0.98, amplitude=0.44))
    words = Page(render(shown)).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "isible on 98 % of the 91 new pictures where its match finds a place" in words
    assert "over the 91 of them that have a place that the rule's match finds" in words
    words = Page(render(report(view(places="fixed", judged=91)))).words
    assert "match finds" not in words


def test_what_was_expected_is_said():
    told = report(view())
    held = ExpectRecord(expected="share(glasses) >= 60%", figure=0.93, holds=True)
    unmet = ExpectRecord(expected="rank(glasses) < 2", figure=None, holds=False)
    run = told.record.model_copy(update={"expects": (held, unmet)})
    words = Page(render(replace(told, record=run))).words
    assert "as expected: share(glasses) >= 60%, and it is 0.93" in words
    assert "NOT as expected: rank(glasses) < 2, and it is not measured" in words


def test_commands_in_warnings_are_code():
    rule = "rule: raise `strength`, to 1 at first (redraft explain RD430)"
    told = report(view(warnings=(rule,)))
    run = told.record.model_copy(update={"warnings": ("see `redraft plan` first",)})
    text = render(replace(told, record=run))
    for code in ("strength", "redraft explain RD430", "redraft plan"):
        assert f"<code>{code}</code>" in text


def test_all_measures_stand_in_one_row():
    text = render(report(view()))
    assert re.search(r'class="bars" style="--bars:(\d)"', text)[1] == str(text.count('class="bar"'))


def test_one_rule_says_nothing_twice():
    page = Page(render(replace(report(view()), whole=())))
    assert page.words.count("of new pictures") == 1
    assert page.words.count("copy z") == 1, "its lines stand in the recipe alone"
    assert "In short" not in page.words


def test_the_commands_name_the_model():
    words = Page(render(replace(report(), run_folder="runs/a", model="faces"))).words
    assert "redraft apply faces runs/a --out edited.pth" in words
    assert "MODEL" not in words


def test_a_page_that_shows_links_finds_a_title_and_a_picture(page):
    named = {m["property"]: m["content"] for m in page.all("meta") if "property" in m}
    assert named["og:title"] == "Every face wears glasses"
    assert named["og:image"] == "before-after.png"
    assert "visible on 93 % of new pictures" in named["og:description"]


def test_warnings_come_with_their_remedy():
    text = "the left-out gain is 0.10; mark more contexts, or try another layer"
    views = (view(warnings=(text,)), view(name="mask"))
    spoken = Page(render(report(*views, warnings=("the disk is slow",)))).words
    assert "The left-out gain is 0.10. What to do: Mark more contexts, or try another" in spoken
    assert "One warning." in spoken
    assert "the disk is slow" in spoken


def test_outlines_are_drawn_over_the_original(page):
    paths = [a for tag, a, _ in page.elements if tag == "path" and a.get("class") == "line"]
    assert any(a["d"] == "M2,4.5 2.5,4 11.5,4 12,4.5 12,7.5 11.5,8 2.5,8 2,7.5Z" for a in paths)
    roles = {a["class"] for tag, a, _ in page.elements if tag == "svg" and "outline" in str(a)}
    assert {"outline copy", "outline context", "outline found"} <= roles


def test_users_texts_cannot_run():
    places = tuple(p.model_copy(update={"latents": HOSTILE}) for p in rule_record().contexts)
    hostile = view(
        name=HOSTILE, layer=HOSTILE, weight_name=HOSTILE, contexts=places,
        warnings=(HOSTILE, f"bad; {HOSTILE}"), interference={HOSTILE: 0.5},
    )  # fmt: skip
    renamed = tuple(replace(each, label=HOSTILE) for each in hostile.contexts)
    hostile = replace(hostile, copy=renamed[0], contexts=renamed, unseen=renamed)
    data = report(
        hostile, recipe=HOSTILE, version=HOSTILE, title=HOSTILE, recipe_path=HOSTILE,
        started=HOSTILE, evaluated_on=HOSTILE, warnings=(HOSTILE,),
        model=ModelRecord(
            name=HOSTILE, arch=HOSTILE, file_sha256=HOSTILE, tensors_digest=HOSTILE
        ),
        machine=MachineRecord(
            device=HOSTILE, threads=1, platform=HOSTILE, versions={HOSTILE: HOSTILE},
            deterministic=False,
        ),
    )  # fmt: skip
    text = RECIPE.replace("z[5]", HOSTILE) + HOSTILE
    data = replace(data, recipe_text=text, run_folder=HOSTILE, whole=renamed)
    page = Page(render(data))
    assert page.faults == []
    assert len(page.all("script")) == 1
    assert "alert" not in "".join(str(a) for a in page.all("script"))
    assert not any(name.startswith("on") for _, a, _ in page.elements for name in a)
    assert all(image["src"].startswith("data:image/png;") for image in page.all("img"))
    assert page.words.count('<script>alert("x")</script>') > 20, "shown as text"
    assert "49" not in page.words.split("{{")[1][:20]


def test_equal_data_gives_equal_text(html):
    assert render(report()) == html


def test_a_run_that_measured_nothing_is_reported():
    figures = dict.fromkeys(
        f"{name}{end}" for name in ("share", "amplitude", "outside") for end in ("", "_interval")
    )
    bare = RuleView(
        rule_record(**figures, kind="zero", left_out=None, copy_from=None, contexts=(), pastes=(),
                    singular_values=())
    )  # fmt: skip
    data = ReportData(run_record((bare.record,), statistics=()), "", (bare,))
    page = Page(render(data))
    assert page.faults == []
    assert "Not measured on new pictures" in page.words
    assert page.all("img") == []


def test_commands_can_be_pasted_into_a_shell():
    words = Page(render(replace(report(), run_folder="my runs/it's"))).words
    assert shlex.split(re.search(r"redraft verify (.*) Draw other", words)[1]) == ["my runs/it's"]


def test_only_some_contexts_may_have_a_goal():
    first, *rest = view().contexts
    mixed = replace(view(), contexts=(replace(first, goal=None), *rest))
    page = Page(render(report(mixed)))
    goals = [image["alt"] for image in page.all("img") if image["alt"].endswith(", goal")]
    assert goals == ["z[7], goal", "z[6], goal"]
    assert "the original, the goal" in page.words


def test_a_rule_that_follows_badly_is_said_so():
    spoken = Page(render(report(view(share=0.2, left_out=None)))).words
    assert "seldom takes effect" in spoken
    assert "none could be left out" in spoken


def test_a_single_rules_unseen_pictures_are_the_big_ones():
    data = replace(report(view()), whole=())
    alts = [image["alt"] for image in Page(render(data)).all("img")]
    assert alts.count("z[20], before") == 1


def test_bands_show_contexts_first_and_then_what_no_rule_saw():
    both = report()
    assert [(band.title, [t.label for t in band.tiles]) for band in both.bands()] == [
        ("glasses at layer6: copy source and contexts", ["z[5]", "z[5]", "z[6]", "z[7]"]),
        ("mask at layer6: copy source and contexts", ["z[5]", "z[5]", "z[6]", "z[7]"]),
        ("New pictures, all rules applied", ["z[30]", "z[31]"]),
    ]
    alone = replace(report(view()), whole=())
    assert alone.bands()[-1].title == "New pictures: glasses"
    many = replace(view(), copy=None, contexts=tuple(tile(n) for n in range(20)))
    assert len(report(many).bands()[0].tiles) == 11


def test_many_large_pictures_do_not_make_a_heavy_file():
    values = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(1)) * 2 - 1
    many = tuple(Tile(f"z[{n}]", values, values) for n in range(60))
    views = tuple(replace(view(name=f"rule-{n}"), contexts=many, unseen=many) for n in range(2))
    images = Page(render(replace(report(*views), whole=many))).all("img")
    # All contexts are there, those that are folded as small pictures.
    assert sum(len(image["src"]) for image in images) < 24_000_000
    sizes = {len(image["src"]) for image in images}
    assert max(sizes) < 200_000


@pytest.mark.parametrize(
    ("share", "badge"),
    [
        (0.93, "takes effect widely"),
        (0.6, "takes effect in part"),
        (0.2, "seldom takes effect"),
    ],
)
def test_badges_go_by_the_share(share, badge):
    assert verdict(rule_record(share=share)).badge == badge


def test_warnings_without_remedy_stay_whole():
    assert (warning_text("the disk is slow").problem, warning_text("the disk is slow").remedy) == (
        "The disk is slow.",
        "",
    )


def test_times_that_cannot_be_read_are_shown_as_they_are():
    assert when("yesterday") == "yesterday"


def test_recipe_lines_keep_their_text():
    lines = lines_of(RECIPE)
    assert "\n".join("".join(t.text for t in line.tokens) for line in lines) + "\n" == RECIPE
    kinds = {token.text: token.kind for line in lines for token in line.tokens}
    assert (kinds["rule"], kinds["rank"], kinds["like"], kinds["2026"]) == (
        "statement", "setting", "inner", "number",
    )  # fmt: skip


def test_a_rules_lines_end_at_its_closing_brace():
    lines = lines_of(RECIPE)
    assert [block_of(lines, "glasses")[at].number for at in (0, -1)] == [5, 10]
    assert [line.number for line in block_of(lines, "mask")] == [11, 12, 13]
    assert block_of(lines, "absent") == ()
    assert len(block_of(lines_of("rule open at layer6 {\n rank 1"), "open")) == 2
