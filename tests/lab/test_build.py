"""Building, and what is said of a build that fails, on each engine."""

import pytest

import kit
from kit.lab.blame import instructions, line_of
from kit.lab.build import BuildFailed
from kit.lab.hints import find_hint
from kit.lab.steps import Progress, classic_events

pytestmark = pytest.mark.timeout(180)


def test_a_build_tells_its_steps(lab, mine):
    built = kit.build(dockerfile="FROM busybox:1\nRUN echo some words\n", tag=f"{mine}/a", nocache=True)
    assert built.name == f"{mine}/a:latest" and built.steps[0].instruction == "FROM busybox:1"
    assert "some words" in built.log and built.seconds > 0
    assert kit.image(f"{mine}/a").id == built.image.id and f"Built {mine}/a:latest" in built.text()
    again = kit.build(dockerfile="FROM busybox:1\nRUN echo some words\n", tag=f"{mine}/a")
    assert again.image_id == built.image_id and again.steps[-1].state == "reused" and again.steps[-1].cached


def test_an_engine_that_tells_why_a_step_ran_is_heard():
    aux = {"Step": 2, "Cached": False, "Why": ["the variable V was '1' and is '2'"]}
    messages = [
        {"stream": "Step 1/2 : FROM busybox"},
        {"stream": "Step 2/2 : RUN echo $V"},
        {"id": "layerlab.cache", "aux": aux},
        {"stream": " ---> Running in 0123456789ab\n"},
        {"stream": "2\n"},
        {"stream": "Dockerfile:2\n", "layerlab": "failure"},
        {"error": "it failed"},
    ]
    progress = Progress()
    for event in classic_events(messages):
        progress.take(event)
    step = progress.steps[1]
    assert step.why == ("the variable V was '1' and is '2'",) and not step.cached
    assert "2\n" in step.log and "Dockerfile" not in step.log and progress.failure


def test_arguments_stages_and_a_directory(lab, mine, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox:1 AS one\nARG WHO=nobody\nRUN echo $WHO > /who\nFROM busybox:1 AS two\nCOPY page /\n"
    )
    (tmp_path / "page").write_text("page")
    kit.build(tmp_path, tag=f"{mine}/one:1", args={"WHO": 42}, target="one")
    assert kit.run(f"{mine}/one:1", "cat", "/who").out == "42\n"
    kit.build(tmp_path, tag=f"{mine}/two:1")
    assert kit.run(f"{mine}/two:1", "cat", "/page").out == "page"


@pytest.mark.parametrize(
    ("dockerfile", "line", "said"),
    [
        ("FROM busybox:1\n\n# words\nRUN echo before; exit 7\n", 4, "before"),
        ("FROM busybox:1\nCOPY nothing.txt /\n", 2, "COPY names a file that was not sent"),
        ("FROM busybox:1\nFORM x\n", 2, "no instruction"),
    ],
)
def test_a_build_that_fails_names_the_line(lab, mine, dockerfile, line, said):
    with pytest.raises(BuildFailed) as raised:
        kit.build(dockerfile=dockerfile, tag=f"{mine}/no:1")
    error = raised.value
    assert error.failure.line == line, error
    assert ">>>" in str(error) and said in str(error) + error.log
    assert f"{mine}/no:1" not in kit.tags(mine)


def test_the_exit_code_of_a_step_is_kept(lab, mine):
    with pytest.raises(BuildFailed) as raised:
        kit.build(dockerfile="FROM busybox:1\nRUN exit 7\n", tag=f"{mine}/no:1")
    assert raised.value.code == 7 and isinstance(raised.value, kit.StepFailed)


def test_nothing_to_build():
    with pytest.raises(kit.Invalid, match="pass a directory, or the text of a Dockerfile"):
        kit.build()


def test_a_name_that_no_image_can_have():
    with pytest.raises(kit.Invalid, match="repository name must be lowercase"):
        kit.build(dockerfile="FROM scratch", tag="Upper:1")


def test_instructions_are_found_with_continuations_comments_and_heredocs():
    text = "# c\nFROM a\nRUN one \\\n  # c\n  two\nRUN <<EOF\nCOPY not this\nEOF\nCMD x"
    assert [line for line, _ in instructions(text)] == [2, 3, 6, 9]
    assert (
        line_of("RUN one two", 2, text) == 3 and line_of("CMD x", 99, text) == 9 and line_of("nothing", 9, text) == 0
    )


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ('exec: "/bin/sh": stat /bin/sh: no such file or directory', "shell form in an image without a shell"),
        ("exec /hello: exec format error", "made for another CPU"),
        ("E: Unable to locate package figlet", "apt has no list of packages"),
        ("No command specified", "neither CMD nor ENTRYPOINT"),
        ("invalid reference format: repository name must be lowercase", "a name that no image can have"),
        ("all is well", ""),
    ],
)
def test_an_engines_words_have_a_meaning(said, meaning):
    assert find_hint(said).meaning.startswith(meaning) and (meaning or not find_hint(said).steps)
