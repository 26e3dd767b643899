"""Names of images: given, moved, listed, on each engine."""

import pytest

import kit

pytestmark = pytest.mark.timeout(120)


def test_a_tag_is_one_more_name_of_the_same_image(lab, hello, mine):
    name = hello()
    tagged = kit.tag(name, f"{mine}/other")
    assert tagged.name == f"{mine}/other:latest" and f"{mine}/other:latest is now a name of {name}" in tagged.text()
    names = kit.tags(mine)
    assert list(names) == [name, f"{mine}/other:latest"] and name in names and len(names) == 2
    assert "2 names for 1 image" in names.text()


def test_a_tag_that_led_elsewhere_is_moved(lab, hello, mine):
    first, second = hello("first", text="1\n"), hello("second", text="2\n")
    kit.tag(first, f"{mine}/app:1")
    moved = kit.tag(kit.image(second), f"{mine}/app:1")
    assert "It was moved" in moved.text() and kit.run(f"{mine}/app:1").out == "2\n"
    assert "moved" not in kit.tag(second, f"{mine}/app:1").text()


def test_tagging_what_is_not_there(lab, mine):
    with pytest.raises(kit.NotFound, match="there is no image"):
        kit.tag(f"{mine}/nothing:1", f"{mine}/more:1")


@pytest.mark.parametrize("target", ["UPPER:1", "a b", "", "app:ä", "app@sha256:" + "0" * 64])
def test_a_name_that_can_not_be_given(lab, hello, target):
    with pytest.raises(kit.Invalid):
        kit.tag(hello(), target)


def test_no_name_begins_so(lab, mine):
    assert kit.tags(f"{mine}/nobody").text() == f"No image here has a name that begins with {mine}/nobody."
