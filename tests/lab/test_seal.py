"""One digest on any day: the same layers and settings become the same image, on each engine."""

import pytest

import kit

pytestmark = pytest.mark.timeout(120)
DOCKERFILE = """
FROM busybox:1
COPY hello /
ENV MODE=x
LABEL a=b
WORKDIR /
USER 1000
CMD ["/hello"]
"""


def test_two_builds_of_one_recipe_become_one_image(lab, mine):
    for tag in ("1", "2"):
        files = {"hello": kit.elf.tiny(f"Hello {mine}\n")}
        kit.build(dockerfile=DOCKERFILE, files=files, tag=f"{mine}/app:{tag}", nocache=True)
    first, second = (kit.seal(f"{mine}/app:{tag}", f"{mine}/sealed:{tag}", date=1767225600) for tag in ("1", "2"))
    assert first.id == second.id and first.diff_ids == kit.image(f"{mine}/app:1").diff_ids
    assert {line.created for line in first.history} == {"2026-01-01T00:00:00Z"}
    before = kit.image(f"{mine}/app:1")
    for key in ("Cmd", "Env", "Labels", "User", "WorkingDir"):
        assert first.config[key] == before.config[key]
    assert kit.run(f"{mine}/sealed:2").out == f"Hello {mine}\n"
    assert kit.seal(first, f"{mine}/sealed:3").id != first.id  # another date, another image


def test_other_settings_are_another_image(lab, mine, hello):
    kit.build(dockerfile=f"FROM {hello()}\nENV A=1\n", tag=f"{mine}/app:2")
    assert kit.seal(f"{mine}/hello:1", f"{mine}/s:1").id != kit.seal(f"{mine}/app:2", f"{mine}/s:2").id


def test_what_can_not_be_sealed(lab, mine, hello):
    with pytest.raises(kit.NotFound):
        kit.seal(f"{mine}/nothing:1", f"{mine}/s:1")
    with pytest.raises(kit.Invalid, match="is no date"):
        kit.seal(hello(), f"{mine}/s:1", date=10**20)
    with pytest.raises(kit.Invalid):
        kit.seal(f"{mine}/hello:1", "NO SUCH NAME")
