"""The builder's stream, its refusals, and what it leaves behind."""

import gzip
import io
import re
import tarfile
import threading
import time
from pathlib import Path

import pytest

from kit.dockerfile.errors import DockerfileError
from kit.engine.build.options import BuildOptions
from kit.errors import Invalid, KitError
from kit.layer.tarball import UnsafePath
from tests.engine.build.cases import HELLO, PARENT, File, tar
from tests.engine.build.conftest import Lab, text_of


def left(lab: Lab) -> list[str]:
    """What a build has left on the disk beside images and cache."""
    return [*lab.store.rootfs.names(), *(path.name for path in (lab.root / "build" / "builds").iterdir())]


def test_the_stream_is_the_classic_builder_s(lab: Lab) -> None:
    events = lab.events(f"FROM {PARENT}\nRUN echo out; echo err >&2\nCOPY hello /\n", HELLO, tags=("a:1", "reg:5/b"))
    text = text_of(events)
    pattern = r"""Step 1/3 : FROM \S+
 ---> [0-9a-f]{12}
Step 2/3 : RUN echo out; echo err >&2
 ---> Running in ([0-9a-f]{12})
out
\x1b\[91merr
\x1b\[0mRemoving intermediate container \1
 ---> [0-9a-f]{12}
Step 3/3 : COPY hello /
 ---> ([0-9a-f]{12})
Successfully built \2
Successfully tagged a:1
Successfully tagged reg:5/b:latest
"""
    assert re.fullmatch(pattern, text), text
    image = lab.image(events)
    assert image.id.startswith("sha256:" + re.findall(r"built (\w+)", text)[0])
    assert lab.store.images.find("a:1") == lab.store.images.find("reg:5/b") == image.id


def test_quiet_tells_the_id_alone(lab: Lab) -> None:
    events = lab.events("FROM scratch\nCOPY hello /\n", HELLO, quiet=True)
    assert len(events) == 1 and re.fullmatch(r"sha256:[0-9a-f]{64}\n", events[0]["stream"])
    assert lab.fails("FROM scratch\nCOPY nothing /\n", quiet=True)


def test_a_failing_command_is_shown_where_it_stands(lab: Lab) -> None:
    events = lab.events(f"FROM {PARENT}\nRUN echo before\nRUN echo why; exit 7\n")
    message = "The command '/bin/sh -c echo why; exit 7' returned a non-zero code: 7"
    assert events[-1] == {"errorDetail": {"code": 7, "message": message}, "error": message}
    assert text_of(events).endswith("""\
why
------
 > RUN echo why; exit 7:
why
------
Dockerfile:3
--------------------
   1 |     FROM layerlab-same:busybox
   2 |     RUN echo before
   3 | >>> RUN echo why; exit 7
   4 |     \n--------------------
""")
    assert left(lab) == []


@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("seq 100000; printf end", [*map(str, range(99990, 100001)), "end"]),
        ("echo in red >&2", ["in red"]),
        ("true", []),
    ],
)
def test_an_error_repeats_the_end_of_the_output(lab: Lab, command: str, last: list[str]) -> None:
    events = lab.events(f"FROM {PARENT}\nRUN {command}; exit 1\n")
    shown = next(event["stream"] for event in events if event.get("layerlab") == "failure")
    rule = "------"
    repeated = [rule, f" > RUN {command}; exit 1:", *last, rule] if last else []
    assert shown.partition("Dockerfile:2")[0].splitlines() == repeated


def test_a_step_that_runs_nothing_shows_its_place_alone(lab: Lab) -> None:
    assert lab.events("FROM scratch\nCOPY gone /\n")[-2]["stream"].startswith("Dockerfile:2\n-----")


def test_a_command_that_is_not_there(lab: Lab) -> None:
    assert "no such file or directory" in lab.fails(f'FROM {PARENT}\nRUN ["/nothing"]\n')
    assert "/bin/sh" in lab.fails("FROM scratch\nRUN true\n")


def test_an_unknown_user(lab: Lab) -> None:
    assert "unable to find user nobody-here" in lab.fails(f"FROM {PARENT}\nUSER nobody-here\nRUN true\n")
    assert "unable to find user x" in lab.fails(f"FROM {PARENT}\nCOPY --chown=x hello /\n", HELLO)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM scratch\nCOPY gone /\n", "file not found in build context or excluded by .dockerignore: stat gone"),
        ("FROM scratch\nCOPY d/../../../etc/passwd /\n", "stat etc/passwd: file does not exist"),
        (f"FROM {PARENT}\nCOPY hello /etc/passwd/x\n", "not a directory"),
        (f"FROM {PARENT}\nRUN mkdir -p /d/hello\nCOPY hello /d\n", "cannot replace to directory /d/hello with file"),
        ("FROM nobody/nothing:1\nRUN x\n", "pull access denied for"),
        (f"FROM {PARENT}\nWORKDIR /etc/passwd\n", "not a directory"),
    ],
)
def test_a_step_that_can_not_be_done_says_why(lab: Lab, dockerfile: str, words: str) -> None:
    assert words in lab.fails(dockerfile, HELLO)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM scratch\nFOO bar\n", "unknown instruction: FOO"),
        ("COPY a b\n", "no build stage in current context"),
        ("", "cannot be empty"),
    ],
)
def test_a_bad_dockerfile_is_refused_before_the_first_event(lab: Lab, dockerfile: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        lab.start(dockerfile)
    assert left(lab) == []


def test_a_parse_error_names_its_place(lab: Lab) -> None:
    with pytest.raises(DockerfileError) as refused:
        lab.start("FROM scratch\nCOPY a b\nFOO bar\n")
    assert refused.value.line == 3 and "Dockerfile:3" in str(refused.value)


def test_names_and_targets_are_checked_first(lab: Lab) -> None:
    with pytest.raises(Invalid, match="invalid reference format"):
        lab.start("FROM scratch\n", tags=("UPPER:x y",))
    with pytest.raises(Invalid, match="target stage"):
        lab.start("FROM scratch\nCOPY a b\n", target="nowhere")
    with pytest.raises(Invalid, match="forbidden path outside the build context"):
        lab.start("FROM scratch\n", dockerfile="../Dockerfile")
    with pytest.raises(Invalid, match="Cannot locate specified Dockerfile: other"):
        lab.start("FROM scratch\n", dockerfile="other")


@pytest.mark.parametrize(
    "member",
    [
        ("../out", {}),
        ("/etc/../../out", {}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "../../out"}),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "../out"}),
    ],
)
def test_a_context_that_leaves_its_root_is_refused(lab: Lab, member: tuple[str, dict[str, object]]) -> None:
    out = io.BytesIO(tar({}, "FROM scratch\nCOPY . /\n"))
    with tarfile.open(fileobj=out, mode="a") as archive:
        info = tarfile.TarInfo(member[0])
        for key, value in member[1].items():
            setattr(info, key, value)
        archive.addfile(info)
    out.seek(0)
    with pytest.raises((UnsafePath, Invalid)):
        lab.builder.build(out, BuildOptions())
    assert left(lab) == []


@pytest.mark.parametrize(
    "bytes_", [b"", b"no tar at all", b"\x1f\x8b broken", b"\0" * 1024, tar(HELLO, "FROM x")[:700]]
)
def test_hostile_bytes_are_refused(lab: Lab, bytes_: bytes) -> None:
    with pytest.raises(KitError):
        lab.builder.build(io.BytesIO(bytes_), BuildOptions())
    assert left(lab) == []


def test_a_packed_context(lab: Lab) -> None:
    packed = io.BytesIO(gzip.compress(tar(HELLO, "FROM scratch\nCOPY hello /h\n")))
    image = lab.image([event.to_json() for event in lab.builder.build(packed, BuildOptions())])
    assert lab.read(image, "h") == "hello\n"


def test_a_dockerfile_with_an_ignore_file_of_its_own(lab: Lab) -> None:
    files = {
        "sub/My.Dockerfile": File(b"FROM scratch\nCOPY . /d\n"),
        "sub/My.Dockerfile.dockerignore": File(b"*\n!keep\n"),
        "keep": File(b"k"),
        "other": File(b"o"),
    }
    image = lab.build("FROM nothing-here", files, dockerfile="sub/My.Dockerfile")
    assert set(lab.tree(image)) == {"d", "d/keep"}


def test_a_stage_without_run_makes_no_root_file_system(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = lab.store.rootfs.create
    made: list[str] = []
    monkeypatch.setattr(
        lab.store.rootfs, "create", lambda name, *a, **k: made.append(name) or unpacked(name, *a, **k)
    )
    lab.build(f"FROM {PARENT}\nCOPY hello /\nENV A=1\nWORKDIR /w\n", HELLO)
    assert made == []
    lab.build(f"FROM {PARENT}\nRUN true\nCOPY hello /\nRUN cat /hello\nCOPY hello /b\nRUN cat /b\n", HELLO)
    assert len(made) == 1, "one for a stage, worked on in place"


def test_a_cancelled_build_ends_at_once_and_leaves_nothing(lab: Lab) -> None:
    build = lab.builder.build(io.BytesIO(tar({}, f"FROM {PARENT}\nRUN echo on; sleep 60\n")), BuildOptions())
    seen: list[str] = []
    running = threading.Event()

    def read() -> None:
        for event in build:
            seen.append(str(event.to_json().get("stream")))
            if "on\n" in seen:
                running.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert running.wait(30)
    began = time.monotonic()
    build.cancel()
    reader.join(10)
    assert not reader.is_alive() and time.monotonic() - began < 5
    assert left(lab) == []
    assert "Running in" in text_of(lab.events(f"FROM {PARENT}\nRUN echo on; sleep 0\n"))


def test_a_closed_build_leaves_nothing(lab: Lab) -> None:
    build = lab.builder.build(io.BytesIO(tar({}, f"FROM {PARENT}\nRUN echo on; sleep 60\n")), BuildOptions())
    for event in build:
        if event.to_json().get("stream") == "on\n":
            break
    build.close()
    assert left(lab) == [] and list(build) == []


def test_a_new_builder_cleans_up_after_one_that_was_killed(lab: Lab) -> None:
    build = lab.builder.build(io.BytesIO(tar(HELLO, f"FROM {PARENT}\nRUN echo on; sleep 2\n")), BuildOptions())
    for event in build:
        if event.to_json().get("stream") == "on\n":
            break
    assert left(lab)
    type(lab.builder)(lab.store, lab.isolator, root=Path(lab.root / "build"), pull=lambda *a, **k: iter(()))
    assert left(lab) == []
    build.close()
