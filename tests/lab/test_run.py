"""Running a container to its end, on each engine."""

import json

import pytest

import kit
from kit.lab.run import LARGEST_OUTPUT

pytestmark = pytest.mark.timeout(120)


def test_what_it_prints_and_how_it_ends(lab, hello):
    result = kit.run(hello(text="Hello from here\n"))
    assert (result.code, result.out, result.err, result.ok) == (0, "Hello from here\n", "", True)
    assert "Hello from here" in result.text() and "Hello from here" in result.html()


def test_the_streams_are_kept_apart_and_the_code_is_the_programs(lab):
    result = kit.run("busybox:1", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err, result.started) == (3, "out\n", "err\n", True)


def test_an_image_can_be_passed_instead_of_its_name(lab, hello):
    assert kit.run(kit.image(hello())).ok


def test_shell_form_without_a_shell_does_not_start(lab, hello):
    result = kit.run(hello(start="CMD /hello"))
    assert (result.code, result.started, result.out) == (127, False, "")
    assert "/bin/sh" in result.err and "no such file or directory" in result.err
    assert result.meaning == "shell form in an image without a shell" and len(result.hints) == 3


def test_a_command_that_is_not_there_does_not_start(lab, hello):
    result = kit.run(hello(), "ls")
    assert result.code == 127 and "executable file not found in $PATH" in result.err
    assert result.meaning == "there is no such program in the image"


def test_an_image_that_says_nothing_of_what_to_start(lab, hello):
    result = kit.run(hello(start=""))
    assert (result.code, result.started) == (125, False) and "o command specified" in result.err


def test_a_file_that_may_not_be_executed(lab, mine):
    tag = f"{mine}/noexec:1"
    kit.build(
        dockerfile='FROM scratch\nCOPY a /\nCMD ["/a"]\n', files={"a": (kit.elf.tiny("x"), 0o644)}, tag=tag, lab=lab
    )
    result = kit.run(tag)
    assert result.code == 126 and "permission denied" in result.err
    assert result.meaning == "the file may not be executed"


def test_a_missing_image_is_an_error_not_a_result(lab, mine):
    with pytest.raises(kit.NotFound, match=f"there is no image '{mine}/nothing:1' here"):
        kit.run(f"{mine}/nothing:1")


@pytest.mark.parametrize("name", ["", "UPPER:1", "a b"])
def test_a_name_that_no_image_can_have(lab, name):
    with pytest.raises((kit.Invalid, kit.NotFound)):
        kit.run(name)


def test_a_command_is_words(lab):
    with pytest.raises(kit.Invalid, match="a command is words, one by one"):
        kit.run("busybox:1", ["ls", "-l"])


def test_it_is_stopped_after_the_timeout_and_removed(lab):
    before = {container.id for container in lab.client.containers.list(all=True)}
    result = kit.run("busybox:1", "sh", "-c", "echo before; sleep 100", timeout=1.5)
    assert (result.code, result.out, result.stopped_after) == (137, "before\n", 1.5)
    assert "was stopped after 1.5 seconds" in result.text()
    ours = [one for one in lab.client.containers.list(all=True) if one.id not in before]
    assert not [one for one in ours if "sleep 100" in " ".join(one.attrs["Config"]["Cmd"] or ())]


def test_it_can_not_write_into_its_root_file_system(lab):
    result = kit.run("busybox:1", "sh", "-c", "echo x > /file")
    assert result.code != 0 and "ead-only file system" in result.err


def test_it_has_no_network(lab):
    result = kit.run("busybox:1", "sh", "-c", "nc -w 3 192.0.2.1 80 2>&1; exit 0")
    assert "unreachable" in result.out.lower()


def test_a_flood_of_output_is_cut(lab):
    result = kit.run("busybox:1", "sh", "-c", "yes 0123456789 | head -c 3000000", timeout=60)
    assert 0 < len(result.out) <= LARGEST_OUTPUT
    assert len(result.html()) < 30_000 and "more lines" in result.text()


def test_failures_are_put_side_by_side(lab, hello):
    from kit.views import failures

    table = failures([hello("good", text="Fine\n"), hello("bad", start="CMD /hello")])
    assert [result.code for result in table.results] == [0, 127]
    for words in (table.text(), table.html()):
        assert "2 images run, 1 of them started" in words and "shell form in an image" in words and "Fine" in words


def test_a_service_is_asked_without_the_proxies_of_dockers_settings(lab, monkeypatch, tmp_path):
    settings = {"proxies": {"default": {"httpProxy": "http://192.0.2.1:1"}}}  # an address that nobody has
    (tmp_path / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    kit.parents("web:1")
    assert "It works" in kit.serve("web:1").answer
