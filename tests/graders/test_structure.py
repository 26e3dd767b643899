"""container-structure-test files on real images: the verdicts of container-structure-test, its dangers refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest

import kit
from graders.facts import Image
from graders.report import NotGraded, Verdict
from graders.request import Request
from graders.run import run_rubric
from graders.structure_file import StructureFile, read_structure_file
from graders.structure_test import expand, find, mode_text, run_structure_tests
from kit.errors import Invalid

NAME = "llstructure/app:1"
DOCKERFILE = """
FROM busybox:1
ENV GREETING=hello WHERE=/data
COPY text /data/
RUN ln -s /data/text /data/link && ln -s /data /here && mkdir -m 1777 /sticky && chown 7:8 /data/text \\
 && chmod 4755 /data/text
LABEL who=ada version=1.2
EXPOSE 80/tcp 53/udp
VOLUME /v
WORKDIR /data
USER 1000
CMD ["cat", "text"]
"""
HEAD = "schemaVersion: 2.0.0\n"


@pytest.fixture(scope="module")
def image(grading_environment: dict[str, str], dockerd: docker.DockerClient) -> Iterator[Image]:
    patch = pytest.MonkeyPatch()
    for name in ("DOCKER_HOST", "LAYERLAB_HOME", "HOME"):
        patch.setenv(name, grading_environment[name])
    kit.build(dockerfile=DOCKERFILE, files={"text": "first\nsecond\n"}, tag=NAME)
    yield kit.image(NAME)
    dockerd.images.remove(NAME, force=True)
    patch.undo()


def read(tmp_path: Path, text: str) -> StructureFile:
    (tmp_path / "tests.yaml").write_text(HEAD + text)
    return read_structure_file(tmp_path / "tests.yaml")


def errors(tmp_path: Path, text: str, image: Image) -> list[tuple[str, ...]]:
    return [outcome.errors for outcome in run_structure_tests(read(tmp_path, text), image, NAME)]


EXISTENCE: Mapping[str, str] = {
    "path: /data/text": "",
    "path: /data/text\n  permissions: urwxr-xr-x\n  uid: 7\n  gid: 8\n  isExecutableBy: other": "",
    "path: $WHERE/text": "",
    "path: ${WHERE}/te${NOTHING}xt": "",
    "path: /here/text\n  uid: 7": "",
    "path: /here\n  permissions: Lrwxrwxrwx": "",
    "path: /sticky\n  permissions: dtrwxrwxrwx": "",
    "path: /sticky\n  permissions: drwxrwxrwt": "has the permissions dtrwxrwxrwx",
    "path: /data": "",
    "path: /nothing": "/nothing does not exist",
    "path: /nothing\n  shouldExist: no": "",
    "path: /data/text\n  shouldExist: false": "exists, and should not",
    "path: /data/text\n  uid: 0": "belongs to the user 7, not 0",
    "path: /data/text\n  uid: -1": "",
    "path: /data/text\n  isExecutableBy: nobody": "can't be executed by 'nobody'",
}


@pytest.mark.parametrize(("test", "error"), EXISTENCE.items())
def test_what_a_file_is(tmp_path: Path, image: Image, test: str, error: str) -> None:
    (found,) = errors(tmp_path, f"fileExistenceTests:\n- name: it\n  {test}\n", image)
    assert bool(found) is bool(error) and error in "".join(found)


METADATA: Mapping[str, str] = {
    "envVars: [{key: GREETING, value: hello}, {key: WHERE, value: '^/d', isRegex: true}]": "",
    "envVars: [{key: GREETING, value: hell}]": "the variable GREETING is 'hello', not 'hell'",
    "envVars: [{key: GREETING, value: '(', isRegex: true}]": "the variable GREETING",
    "unboundEnvVars: [{key: GREETING}]": "GREETING is set, and should not be",
    "labels: [{key: who, value: ada}, {key: version, value: '^[0-9.]+$', isRegex: true}]": "",
    "labels: [{key: who, value: eve}]": "the label who is 'ada'",
    "cmd: [cat, text]": "",
    "cmd: [cat]": "Cmd is ['cat', 'text'], not ['cat']",
    "cmd: []": "Cmd is ['cat', 'text'], not []",
    "entrypoint: []": "",
    "exposedPorts: [80, 53]": "",
    "exposedPorts: [80/tcp]": "the port 80/tcp is not exposed",
    "unexposedPorts: [80]": "the port 80 is exposed",
    "volumes: [/v]\n  unmountedVolumes: [/w]\n  workdir: /data\n  user: 1000": "",
    "volumes: [/w]": "/w is no volume",
    "unmountedVolumes: [/v]": "/v is a volume",
    "workdir: /": "WorkingDir is '/data', not '/'",
    "user: root": "User is '1000', not 'root'",
}


@pytest.mark.parametrize(("test", "error"), METADATA.items())
def test_what_the_configuration_says(tmp_path: Path, image: Image, test: str, error: str) -> None:
    (found,) = errors(tmp_path, f"metadataTest:\n  {test}\n", image)
    assert bool(found) is bool(error) and error in "".join(found)


def test_what_a_file_holds(tmp_path: Path, image: Image) -> None:
    found = errors(
        tmp_path,
        """
fileContentTests:
- {name: both, path: /data/text, expectedContents: ['first\\nsec', '(?m)^second$'], excludedContents: [third]}
- {name: end, path: /data/text, expectedContents: ['first$']}
- {name: link, path: /data/link, expectedContents: [first]}
- {name: behind, path: /data/text, excludedContents: ['(?<=f)irst']}
- {name: directory, path: /data, expectedContents: ['']}
- {name: nothing, path: /nothing, excludedContents: [x]}
""",
        image,
    )
    assert [bool(errors) for errors in found] == [False, True, False, True, True, True]
    assert "can't be read" in found[4][0] and "there is no file /nothing" in found[5][0]


def test_what_a_command_does(tmp_path: Path, image: Image) -> None:
    found = errors(
        tmp_path,
        """
globalEnvVars: [{key: DEEP, value: '$GREETING!'}]
commandTests:
- {name: words, command: echo, args: ['$GREETING', '${WHERE}', '$DEEP'], expectedOutput: ['^hello /data hello!\\n$']}
- name: prepared
  setup: [[sh, -c, 'echo kept > /tmp/a'], [sh, -c, 'false']]
  teardown: [[never, run]]
  command: cat
  args: [/tmp/a]
  expectedOutput: [kept]
- {name: not kept, command: cat, args: [/tmp/a], exitCode: 1, expectedError: ['No such file']}
- {name: variables, envVars: [{key: A, value: 'b'}], command: sh, args: [-c, 'env'], expectedOutput: ['A=b']}
- {name: nothing, command: no-such-program, exitCode: 127}
- {name: code, command: sh, args: [-c, 'echo out; echo err >&2; exit 3'], excludedOutput: [out], excludedError: [e]}
""",
        image,
    )
    assert [bool(errors) for errors in found] == [False, False, False, False, True, True], found
    assert "does not start" in found[4][0]
    assert len(found[5]) == 3 and "exit code 3, not 0" in found[5][2]


def test_commands_run_as_the_user_named_and_leave_nothing(
    tmp_path: Path, image: Image, dockerd: docker.DockerClient
) -> None:
    text = "containerRunOptions: {user: '5'}\ncommandTests:\n"
    text += "- {name: who, setup: [['true']], command: id, args: [-u], expectedOutput: ['^5\\n$']}\n"
    before = {one.id for one in dockerd.images.list(filters={"reference": "llstructure/*"})}
    assert errors(tmp_path, text, image) == [()]
    assert {one.id for one in dockerd.images.list(filters={"reference": "llstructure/*"})} == before
    assert not dockerd.containers.list(all=True, filters={"ancestor": NAME})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "containerRunOptions: {privileged: true}",
            "privileged asks for all rights over this machine, and is refused",
        ),
        ("containerRunOptions: {bindMounts: ['/etc:/host']}", "directories of this machine"),
        ("containerRunOptions: {capabilities: [SYS_ADMIN]}", "rights that a container has not"),
        ("containerRunOptions: {envVars: [SECRET]}", "variables of this machine"),
        ("containerRunOptions: {envFile: .env}", "a file of this machine"),
        ("licenseTests: [{debian: true}]", "licenseTests are not run"),
        ("fileExistanceTests: []", "the schema has no 'fileExistanceTests'"),
        ("fileExistenceTests: [{name: a, path: /a, shouldexist: false}]", "the schema has no 'shouldexist'"),
        ("fileExistenceTests: [{name: a, path: /a, shouldExist: maybe}]", "true or false is asked for"),
        ("fileExistenceTests: [{path: /a}]", "every test needs its name"),
        ("commandTests: [{name: a, command: [ls]}]", "a text is asked for"),
        ("commandTests: {name: a}", "a list is asked for"),
        ("commandTests: [a", "can't be read"),
        ("- 1", "can't be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Invalid) as error:
        read(tmp_path, text + "\n")
    assert why in str(error.value)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text("schemaVersion: 1.0.0\n")
    with pytest.raises(Invalid, match=r"schemaVersion 2\.0\.0"):
        read_structure_file(tmp_path / "tests.yaml")
    with pytest.raises(Invalid, match="can't be read"):
        read_structure_file(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}$B", "a-a"),
        ("$", "$"),
        ("$$A", "A"),
        ("$ A", "$ A"),
        ("${", ""),
        ("${}x", "x"),
        ("$1A$*", "A"),
        ("${A B}", ""),
        ("\\$A", "\\a"),
    ],
)
def test_variables_are_expanded_as_go_does(text: str, value: str) -> None:
    assert expand(text, {"A": "a"}) == value


def test_modes_are_written_as_go_does() -> None:
    assert mode_text("file", 0o644) == "-rw-r--r--"
    assert mode_text("directory", 0o1777) == "dtrwxrwxrwx"
    assert mode_text("file", 0o6755) == "ugrwxr-xr-x"


def test_links_without_an_end_lead_nowhere(image: Image) -> None:
    class Link:
        kind, mode, uid, gid, size, digest = "symlink", 0o777, 0, 0, 0, None

        def __init__(self, target: str) -> None:
            self.target = target

    loop = {"a": Link("b"), "b": Link("a"), "up": Link("../../../here"), "here": Link("data")}
    assert find(loop, "/a/x") is None
    assert find({**image.files, **loop}, "/up/text") is not None


RUBRIC = """
from graders.criteria import criterion

@criterion(points=3)
def test_structure(structure_test):
    "It passes the structure tests."
    structure_test("tests.yaml")
"""


def test_a_file_beside_the_rubric_is_a_criterion_with_points_in_part(tmp_path: Path, image: Image) -> None:
    rubric = tmp_path / "rubric_99_test.py"
    rubric.write_text(RUBRIC)
    read(tmp_path, "fileExistenceTests:\n- {name: a, path: /data}\n- {name: b, path: /b}\n- {name: c, path: /v}\n")
    request = Request(engine=kit.connect().docker_host, image=NAME)
    (row,) = run_rubric(rubric, request, name="A99").rows
    assert (row.points, row.max, row.verdict, row.advice) == (2, 3, Verdict.PARTLY, "b: /b does not exist")
    (tmp_path / "tests.yaml").write_text(HEAD + "containerRunOptions: {privileged: true}\n")
    with pytest.raises(NotGraded, match="privileged asks for all rights"):
        run_rubric(rubric, request, name="A99")
