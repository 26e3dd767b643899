"""An image, opened: the same facts on each engine."""

import os
from dataclasses import replace

import pytest

import kit
from kit.lab.home import Home

pytestmark = pytest.mark.timeout(180)
TEXT = """
FROM busybox:1
ENV GREETING=hello
COPY a b /data/
RUN rm /data/a && echo longer > /data/b
WORKDIR /data
EXPOSE 80
LABEL who=ada
USER 1000
CMD ["cat", "b"]
"""


@pytest.fixture
def image(lab, mine):
    kit.build(dockerfile=TEXT, files={"a": b"x" * 1000, "b": (mine, 0o640)}, tag=f"{mine}/app:1")
    return kit.image(f"{mine}/app:1")


def test_its_config(image):
    assert (image.cmd, image.entrypoint, image.user, image.working_dir) == (["cat", "b"], None, "1000", "/data")
    assert image.env["GREETING"] == "hello" and image.labels == {"who": "ada"} and image.ports == ["80/tcp"]
    assert image.config["Cmd"] == ["cat", "b"] and image.config["Volumes"] == {} and image.config["Nonsense"] is None


def test_its_layers_and_what_of_them_nobody_sees(image, mine):
    copied, removed = image.above("busybox:1")[:2]
    assert copied.files["data/b"].mode == 0o640 and copied.size == 1000 + len(mine)
    assert removed.removed == {"data/a"} and removed.files["data/b"].size == 7
    assert "data/a" not in image.files and image.files["data/b"].size == 7
    assert image.dead == 1000 + len(mine) and image.stored == image.visible + image.dead
    assert {(dead.path, dead.size) for dead in image.dead_files} >= {("data/a", 1000), ("data/b", len(mine))}


def test_its_picture_in_text_and_html(image):
    for words in (image.text(), image.html()):
        assert "dead weight" in words and "data/a" in words and "− removed" in words
    assert "RUN rm /data/a" in image.text() and len(image.html()) < 30_000


def test_it_is_the_same_when_it_is_opened_again(image):
    again = kit.image(image.reference)
    assert (again.id, again.diff_ids) == (image.id, image.diff_ids)
    assert kit.image(image) is image


def test_what_is_not_its_parent(image, hello):
    with pytest.raises(kit.Invalid, match="does not stand on"):
        image.above(hello())


def test_an_image_that_is_not_there(lab, mine):
    with pytest.raises(kit.NotFound, match=r"kit\.tags\(\) lists the names"):
        kit.image(f"{mine}/nothing:1")
    with pytest.raises(kit.Invalid):
        kit.image("")


def test_a_family_is_told_by_layers(lab, mine):
    child, twin = f"{mine}/child:1", f"{mine}/twin:1"
    kit.build(dockerfile="FROM busybox:1\nCOPY a /\n", files={"a": mine}, tag=child)
    kit.tag(child, twin)
    found = kit.family("busybox:1", child, twin, child)
    assert found.parent_of(twin) == "busybox:1"
    assert found[child].names == (child, twin)
    assert found.freed_by(child) == found.added_by(child) == len(mine)
    with pytest.raises(kit.NotFound):
        kit.family(f"{mine}/nothing:1")
    with pytest.raises(kit.Invalid, match="name some images"):
        kit.family()


class Counting:
    """The client's own way to save an image, counting the bytes that are read of it."""

    def __init__(self, api):
        self.read, self._get = 0, api.get_image

    def __call__(self, *words, **options):
        for piece in self._get(*words, **options):
            self.read += len(piece)
            yield piece


BIG = 'FROM scratch\nCOPY big /\nCMD ["/big"]\n'


@pytest.fixture
def counting(lab, monkeypatch, tmp_path):
    """Nothing is known of any image; what is read from now on is counted, and what is hashed is listed."""
    from kit.lab import images

    counter, scanned, scan = Counting(lab.client.api), [], images.scan
    monkeypatch.setattr(lab.client.api, "get_image", counter)
    monkeypatch.setattr(images, "scan", lambda tar: scanned.append(tar) or scan(tar))
    return counter, scanned, replace(lab, home=Home(tmp_path / "home", tmp_path))


def test_of_an_image_whose_layers_are_known_only_the_configuration_is_read(counting, lab, mine):
    counter, scanned, fresh = counting
    big = os.urandom(12_000_000)
    kit.build(dockerfile=BIG, files={"big": big}, tag=f"{mine}/one:1")
    kit.build(dockerfile=BIG + "LABEL who=ada\n", files={"big": big}, tag=f"{mine}/two:1")
    one = kit.image(f"{mine}/one:1", lab=fresh)
    assert len(scanned) == 1 and counter.read > 12_000_000
    counter.read = 0
    two = kit.image(f"{mine}/two:1", lab=fresh)
    assert two.labels == {"who": "ada"} and two.files == one.files and two.diff_ids == one.diff_ids
    assert len(scanned) == 1, "no layer was looked into again"
    if lab.kind == "Layerlab":
        assert counter.read < 6_000_000, "and the rest of the archive was not asked for"
    assert kit.image(f"{mine}/two:1", lab=fresh).config == two.config


def test_a_layer_that_is_known_is_not_looked_into_again_when_there_is_one_above_it(counting, mine):
    _, scanned, fresh = counting
    kit.build(dockerfile=BIG, files={"big": os.urandom(100_000)}, tag=f"{mine}/parent:1")
    for number in range(3):
        text = f"FROM {mine}/parent:1\nCOPY small /\n"
        kit.build(dockerfile=text, files={"small": f"{mine} {number}"}, tag=f"{mine}/child:{number}")
    seen = []
    for number in range(3):
        scanned.clear()
        child = kit.image(f"{mine}/child:{number}", lab=fresh)
        assert set(child.files) == {"big", "small"} and len(child.layers) == 2
        seen.append(len(scanned))
    assert seen == [2, 1, 1]
