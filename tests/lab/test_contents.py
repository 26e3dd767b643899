"""What can be read out of an image, also when no container sees it."""

import pytest

import kit
from kit.lab.contents import LARGEST_FILE
from kit.oci.digest import CHUNK

pytestmark = pytest.mark.timeout(180)
SECRET = "correct horse battery staple"


def test_a_deleted_file_is_found_and_read(lab, mine):
    text = "FROM busybox:1\nCOPY key /root/key\nRUN rm /root/key\nCOPY other /root/key\n"
    kit.build(dockerfile=text, files={"key": SECRET, "other": "nothing"}, tag=f"{mine}/leak:1")
    base = len(kit.image("busybox:1").layers)
    found = kit.grep(SECRET, f"{mine}/leak:1")
    assert [(one.kind, one.words, one.layer) for one in found] == [("file", "root/key", base)]
    assert kit.peek("/root/key", f"{mine}/leak:1") == {base: SECRET.encode(), base + 2: b"nothing"}
    assert "layer 1" in found.text() and "/root/key" in found.html()


def test_what_the_configuration_tells(lab, mine):
    text = f"FROM busybox:1\nARG TOKEN\nENV USUAL={mine}\nRUN : $TOKEN\n"
    kit.build(dockerfile=text, args={"TOKEN": SECRET}, tag=f"{mine}/arg:1")
    assert "history" in {one.kind for one in kit.grep(SECRET, f"{mine}/arg:1")}
    assert "config" in {one.kind for one in kit.grep(f"USUAL={mine}", f"{mine}/arg:1")}


def test_a_text_across_two_pieces_of_a_file_is_found(lab, mine):
    data = b"x" * (CHUNK - 5) + SECRET.encode() + b"y" * 10
    kit.build(dockerfile="FROM scratch\nCOPY f /\n", files={"f": data}, tag=f"{mine}/pieces:1")
    assert len(kit.grep(SECRET, f"{mine}/pieces:1")) == 1


def test_what_is_nowhere(lab, mine):
    kit.build(dockerfile="FROM scratch\nCOPY f /\n", files={"f": bytes(LARGEST_FILE + 1)}, tag=f"{mine}/zeros:1")
    found = kit.grep(SECRET, f"{mine}/zeros:1")
    assert not found and "is nowhere in" in found.text()
    with pytest.raises(kit.NotFound, match="holds a file /etc/shadow"):
        kit.peek("/etc/shadow", f"{mine}/zeros:1")
    with pytest.raises(kit.Invalid, match="too large"):
        kit.peek("f", f"{mine}/zeros:1")
    with pytest.raises(kit.Invalid, match="which text"):
        kit.grep("", f"{mine}/zeros:1")
