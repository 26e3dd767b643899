"""The family of images: ancestry by content, and what sharing saves."""

import pytest

from kit.errors import NotFound
from kit.oci.digest import DiffID, ImageID, digest_of
from kit.views.models.family import Family, Member

SIZES = {"debian": 100, "python": 20, "report": 1, "page": 2, "alone": 7}
LAYERS = {name: (DiffID(digest_of(name.encode())), size) for name, size in SIZES.items()}


def member(name: str, *layers: str, history: str = "", more: tuple[str, ...] = ()) -> Member:
    """An image of that name with these layers; its history has a line for each letter."""
    return Member((name, *more), ImageID(digest_of(name.encode())), tuple(map(LAYERS.get, layers)), tuple(history))


@pytest.fixture
def family() -> Family:
    return Family(
        (
            member("report", "debian", "python", "report", history="dpr"),
            member("page", "debian", "python", "page", history="dpg", more=("page:latest",)),
            member("python", "debian", "python", history="dp"),
            member("debian", "debian", history="d"),
            member("labelled", "debian", "python", history="dpl"),
            member("scratch", "alone"),
        )
    )


def test_the_parent_is_the_nearest_image_whose_layers_are_below(family):
    assert family.parent_of("python") == "debian"
    assert family.parent_of("debian") == family.parent_of("scratch") == ""


def test_of_images_with_the_same_layers_history_tells_who_stands_on_whom(family):
    assert family.parent_of("labelled") == "python"
    assert family.added_by("labelled") == 0
    assert family.parent_of("page:latest") == family.parent_of("report") == "python"


def test_images_with_the_same_layers_and_other_histories_are_no_ones_parents():
    twins = Family((member("one", "alone", history="a"), member("two", "alone", history="b")))
    assert twins.parent_of("one") == twins.parent_of("two") == ""
    assert twins.saved == SIZES["alone"]


def test_where_no_history_goes_on_layers_are_enough():
    strange = Family((member("base", "debian", history="d"), member("child", "debian", "python", history="x")))
    assert strange.parent_of("child") == "base"


def test_each_layer_is_stored_once(family):
    assert family.listed == 121 + 122 + 120 + 100 + 120 + 7
    assert family.stored == sum(SIZES.values())
    assert family.saved == family.listed - family.stored


def test_deleting_frees_what_nobody_else_has(family):
    assert [family.freed_by(name) for name in ("report", "python", "debian", "scratch")] == [1, 0, 0, 7]


def test_a_layer_that_comes_twice_is_counted_once_where_it_is_stored():
    twice = Family((member("empty", "alone", "alone"),))
    assert (twice.listed, twice.stored, twice.freed_by("empty")) == (14, 7, 7)


def test_a_name_that_is_not_of_the_family_is_refused(family):
    with pytest.raises(NotFound, match="'nobody' is none of report, page, "):
        family.parent_of("nobody")


def test_the_picture_shows_each_image_below_its_parent(family):
    text = family.text()
    order = [text.index(part) for part in ("debian", "└─ python", "├─ labelled", "├─ page, page:latest", "└─ report")]
    assert order == sorted(order)
    assert "Listed sizes add up to 590 B; stored are 130 B: sharing saves 460 B." in text
    assert "scratch" in text and "no parent here" in text


def test_the_indent_of_a_grandchild_is_kept_in_html(family):
    assert "\u00a0\u00a0\u00a0└─ report" in family.html()
