"""container-structure-test files, schema 2.0.0, as values.

What a file asks for that would give the learner's container rights, or the grading machine's variables, is refused.
So is a key that the schema does not have: a misspelt test must not pass by not being run.

Source: GoogleContainerTools/container-structure-test, pkg/types/v2, whose YAML reader takes any scalar for a text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from kit.errors import Invalid

Value = TypeVar("Value")
_TRUE = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"}
_FALSE = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"}
_REFUSED = {
    "privileged": "all rights over this machine",
    "capabilities": "rights that a container has not",
    "bindMounts": "directories of this machine",
    "envVars": "variables of this machine",
    "envFile": "a file of this machine",
    "tty": "a terminal, which mixes output and errors",
}


@dataclass(frozen=True)
class Variable:
    key: str
    value: str
    is_regex: bool = False


@dataclass(frozen=True)
class CommandTest:
    name: str
    command: str
    args: tuple[str, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    variables: tuple[Variable, ...] = ()
    exit_code: int = 0
    expected_output: tuple[str, ...] = ()
    excluded_output: tuple[str, ...] = ()
    expected_error: tuple[str, ...] = ()
    excluded_error: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExistenceTest:
    """``uid`` and ``gid`` None and ``permissions`` "" are not checked."""

    name: str
    path: str
    should_exist: bool = True
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None
    executable_by: str = ""


@dataclass(frozen=True)
class ContentTest:
    name: str
    path: str
    expected: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetadataTest:
    """``entrypoint`` and ``cmd`` None are not checked; () must be empty."""

    env: tuple[Variable, ...] = ()
    unbound_env: tuple[str, ...] = ()
    labels: tuple[Variable, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    exposed: tuple[str, ...] = ()
    unexposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    unmounted: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    name: str = "Metadata Test"


Test = CommandTest | ExistenceTest | ContentTest | MetadataTest


@dataclass(frozen=True)
class StructureFile:
    """All tests of a file. ``variables`` are set in every container; ``user`` runs the commands, "" the image's."""

    tests: tuple[Test, ...]
    variables: tuple[Variable, ...] = ()
    user: str = ""


def read_structure_file(path: Path) -> StructureFile:
    """The tests of a file.

    Raises:
        Invalid: it is no such file, another schema, asks for what is refused, or for licence tests.
    """
    try:
        # Scalars as they are written: 0755, yes and 8080 are texts until the schema says otherwise.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"{path} can't be read: {error}") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != "2.0.0":
        raise Invalid(f"{path} is no container-structure-test file of schemaVersion 2.0.0")
    return _file(_Fields(document, path.name))


class _Fields:
    """A mapping of the file, taken apart key by key; ``end`` refuses what nobody took."""

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, dict):
            raise Invalid(f"{place}: here stand keys and values, not {values!r}")
        self._values, self._place = dict(values), place

    def take(self, key: str, convert: Callable[[Any, str], Value], default: Value) -> Value:
        value, place = self._values.pop(key, None), f"{self._place}: {key}"
        return default if value is None or value in ("", "null", "~") else convert(value, place)

    def many(self, key: str, convert: Callable[[Any, str], Value]) -> tuple[Value, ...]:
        return self.take(key, _list(convert), tuple[Value, ...]())

    def end(self) -> None:
        if self._values:
            raise Invalid(f"{self._place}: the schema has no {next(iter(self._values))!r}")

    def need(self, key: str) -> str:
        found = self.take(key, _text, "")
        if not found:
            raise Invalid(f"{self._place}: every test needs its {key}")
        return found


def _file(fields: _Fields) -> StructureFile:
    fields.take("schemaVersion", _text, "")
    user = fields.take("containerRunOptions", _run_options, "")
    variables = fields.many("globalEnvVars", _variable)
    if fields.many("licenseTests", _any):
        raise Invalid("licenseTests are not run here: they read Debian's copyright files, package by package")
    tests: list[Test] = [
        *fields.many("commandTests", _command),
        *fields.many("fileContentTests", _content),
        *fields.many("fileExistenceTests", _existence),
    ]
    metadata = fields.take("metadataTest", _metadata, MetadataTest())
    fields.end()
    return StructureFile((*tests, *([metadata] if metadata != MetadataTest() else [])), variables, user)


def _run_options(value: Any, place: str) -> str:
    fields = _Fields(value, place)
    for key, why in _REFUSED.items():
        asked = fields.take(key, _any, None)
        if asked and str(asked) not in _FALSE:
            raise Invalid(f"{place}: {key} asks for {why}, and is refused")
    user = fields.take("user", _text, "")
    fields.end()
    return user


def _command(value: Any, place: str) -> CommandTest:
    fields = _Fields(value, place)
    found = CommandTest(
        name=fields.need("name"),
        command=fields.need("command"),
        args=fields.many("args", _text),
        setup=fields.many("setup", _list(_text)),
        variables=fields.many("envVars", _variable),
        exit_code=fields.take("exitCode", _number, 0),
        expected_output=fields.many("expectedOutput", _text),
        excluded_output=fields.many("excludedOutput", _text),
        expected_error=fields.many("expectedError", _text),
        excluded_error=fields.many("excludedError", _text),
    )
    fields.many("teardown", _list(_text))  # each test has an image of its own: nothing is left to take down
    fields.end()
    if not all(found.setup):
        raise Invalid(f"{place}: a setup step without a command")
    return found


def _existence(value: Any, place: str) -> ExistenceTest:
    fields = _Fields(value, place)
    found = ExistenceTest(
        name=fields.need("name"),
        path=fields.need("path"),
        should_exist=fields.take("shouldExist", _boolean, True),
        permissions=fields.take("permissions", _text, ""),
        uid=fields.take("uid", _id, None),
        gid=fields.take("gid", _id, None),
        executable_by=fields.take("isExecutableBy", _text, ""),
    )
    fields.end()
    return found


def _content(value: Any, place: str) -> ContentTest:
    fields = _Fields(value, place)
    found = ContentTest(
        name=fields.need("name"),
        path=fields.need("path"),
        expected=fields.many("expectedContents", _text),
        excluded=fields.many("excludedContents", _text),
    )
    fields.end()
    return found


def _metadata(value: Any, place: str) -> MetadataTest:
    fields = _Fields(value, place)
    found = MetadataTest(
        env=fields.many("envVars", _variable),
        unbound_env=tuple(variable.key for variable in fields.many("unboundEnvVars", _variable)),
        labels=fields.many("labels", _variable),
        entrypoint=fields.take("entrypoint", _list(_text), None),
        cmd=fields.take("cmd", _list(_text), None),
        exposed=fields.many("exposedPorts", _text),
        unexposed=fields.many("unexposedPorts", _text),
        volumes=fields.many("volumes", _text),
        unmounted=fields.many("unmountedVolumes", _text),
        workdir=fields.take("workdir", _text, ""),
        user=fields.take("user", _text, ""),
    )
    fields.end()
    return found


def _variable(value: Any, place: str) -> Variable:
    fields = _Fields(value, place)
    found = Variable(fields.need("key"), fields.take("value", _text, ""), fields.take("isRegex", _boolean, False))
    fields.end()
    return found


def _any(value: Any, place: str) -> Any:
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{place}: a text is asked for, not {value!r}")
    return value


def _number(value: Any, place: str) -> int:
    try:
        return int(_text(value, place), 0)
    except ValueError as error:
        raise Invalid(f"{place}: a number is asked for, not {value!r}") from error


def _id(value: Any, place: str) -> int | None:
    number = _number(value, place)
    return None if number == -1 else number


def _boolean(value: Any, place: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise Invalid(f"{place}: true or false is asked for, not {value!r}")
    return value in _TRUE


def _list(convert: Callable[[Any, str], Value]) -> Callable[[Any, str], tuple[Value, ...]]:
    def read(value: Any, place: str) -> tuple[Value, ...]:
        if not isinstance(value, list):
            raise Invalid(f"{place}: a list is asked for, not {value!r}")
        return tuple(convert(one, f"{place}, {number}") for number, one in enumerate(value, 1))

    return read
