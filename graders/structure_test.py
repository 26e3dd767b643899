"""container-structure-test's checks on an image: the same verdicts, without a container for each.

Whether a file exists, its mode and its owner, and all metadata are known from the image itself. A command runs in a
container, a file's content is read from one that never starts. Regular expressions are RE2's, as in Go; one that
does not compile makes its check fail, also where something is excluded.

One thing differs: containers have no network and little memory, since what runs is a stranger's.

Source: GoogleContainerTools/container-structure-test, pkg/drivers/docker_driver.go, pkg/types/v2; Go, os.Expand,
io/fs FileMode.String.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import re2

import kit
from graders.facts import Entry, Image
from graders.structure_file import (
    CommandTest,
    ContentTest,
    ExistenceTest,
    MetadataTest,
    StructureFile,
    Test,
    Variable,
)

_LONGEST = 300
"""Characters of a text that is shown in an error."""
_LINKS = 40
"""Symbolic links in a row, as the kernel has it."""
_REFERENCE = re.compile(r"\$(?:\{([*#$@!?\-0-9])\}|\{([^}]*)\}|(\{)|([*#$@!?\-0-9])|([A-Za-z0-9_]+))?", re.DOTALL)
_EXECUTABLE = {"any": 0o111, "owner": 0o100, "group": 0o010, "other": 0o001}
_LETTERS = {"directory": "d", "symlink": "L"}


class Bench(Protocol):
    """What is needed of ``kit.workbench``."""

    @property
    def environment(self) -> dict[str, str]: ...
    def run(self, command: Sequence[str], environment: Mapping[str, str] = {}, user: str = "") -> Any: ...
    def prepare(self, command: Sequence[str], environment: Mapping[str, str] = {}, user: str = "") -> Any: ...
    def set_environment(self, environment: Mapping[str, str]) -> None: ...
    def read(self, path: str) -> bytes | str: ...


@dataclass(frozen=True)
class Outcome:
    """One test of a file. It has passed when it has no ``errors``."""

    name: str
    errors: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.errors) or 'passed'}"


def run_structure_tests(file: StructureFile, image: Image, reference: str) -> Iterator[Outcome]:
    """Each test of ``file``, in the order in which container-structure-test runs them.

    Raises:
        Unavailable: the engine is gone.
    """
    for test in file.tests:
        yield Outcome(test.name, tuple(_errors(test, file, image, reference)))


def _errors(test: Test, file: StructureFile, image: Image, reference: str) -> Iterator[str]:
    match test:
        case MetadataTest():
            yield from _metadata(test, image.config)
        case ExistenceTest():
            volumes = {path.strip("/"): _Directory() for path in image.config["Volumes"] or ()}
            variables = _variables(image.config) | _plain(file.variables)
            yield from _existence(test, {**volumes, **image.files}, variables)
        case ContentTest():
            with kit.workbench(reference) as bench:
                yield from _content(test, bench)
        case CommandTest():
            with kit.workbench(reference) as bench:
                yield from _command(test, file, bench)


def _command(test: CommandTest, file: StructureFile, bench: Bench) -> Iterator[str]:
    if file.variables:
        bench.set_environment(_expanded(file.variables, bench.environment))
    variables = _expanded(test.variables, bench.environment)
    for step in test.setup:
        prepared = bench.prepare(step, variables, file.user)
        if not prepared.started:
            yield f"its setup step {' '.join(step)} does not start: {prepared.err.strip()}"
            return
    environment = bench.environment
    words = [expand(word, environment) for word in (test.command, *test.args)]
    result = bench.run(words, _plain(test.variables), file.user)
    if not result.started:
        yield f"{words[0]} does not start: {result.err.strip()}"
        return
    yield from _matches(result.err, test.expected_error, test.excluded_error, "its errors")
    yield from _matches(result.out, test.expected_output, test.excluded_output, "its output")
    if result.code != test.exit_code:
        yield f"it ends with exit code {result.code}, not {test.exit_code}"


def _content(test: ContentTest, bench: Bench) -> Iterator[str]:
    path = test.path
    try:
        for _ in range(_LINKS):
            found = bench.read(path)
            if isinstance(found, bytes):
                yield from _matches(found.decode(errors="replace"), test.expected, test.excluded, test.path)
                return
            path = found
        yield f"{test.path} leads from link to link"
    except (kit.NotFound, kit.Invalid) as error:
        yield f"{test.path} can't be read: {error}"


def _existence(test: ExistenceTest, files: Mapping[str, Entry], variables: Mapping[str, str]) -> Iterator[str]:
    path = expand(test.path, variables)
    found = find(files, path)
    if found is None:
        if test.should_exist:
            yield f"{path} does not exist"
        return
    if not test.should_exist:
        yield f"{path} exists, and should not"
        return
    mode = mode_text(found.kind, found.mode)
    if test.permissions and mode != test.permissions:
        yield f"{path} has the permissions {mode}, not {test.permissions}"
    if test.executable_by and not found.mode & _EXECUTABLE.get(test.executable_by, 0):
        yield f"{path} can't be executed by {test.executable_by!r}: {mode}"
    for what, wanted, is_ in (("user", test.uid, found.uid), ("group", test.gid, found.gid)):
        if wanted is not None and wanted != is_:
            yield f"{path} belongs to the {what} {is_}, not {wanted}"


def _metadata(test: MetadataTest, config: Mapping[str, Any]) -> Iterator[str]:
    variables, ports = _variables(config), {port.partition("/")[0] for port in config["ExposedPorts"] or ()}
    volumes = set(config["Volumes"] or ())
    yield from _values("the variable", test.env, variables)
    yield from (f"the variable {key} is set, and should not be" for key in test.unbound_env if key in variables)
    yield from _values("the label", test.labels, config["Labels"] or {})
    for what, wanted in (("Cmd", test.cmd), ("Entrypoint", test.entrypoint)):
        if wanted is not None and list(wanted) != list(config[what] or ()):
            yield f"{what} is {config[what]}, not {list(wanted)}"
    for what, text in (("WorkingDir", test.workdir), ("User", test.user)):
        if text and text != (config[what] or ""):
            yield f"{what} is {config[what]!r}, not {text!r}"
    yield from (f"the port {port} is not exposed" for port in test.exposed if port not in ports)
    yield from (f"the port {port} is exposed, and should not be" for port in test.unexposed if port in ports)
    yield from (f"{volume} is no volume" for volume in test.volumes if volume not in volumes)
    yield from (f"{volume} is a volume, and should not be" for volume in test.unmounted if volume in volumes)


def _values(what: str, wanted: Sequence[Variable], values: Mapping[str, str]) -> Iterator[str]:
    for one in wanted:
        if one.key not in values:
            yield f"{what} {one.key} is not set"
        elif not (_found(one.value, values[one.key]) if one.is_regex else one.value == values[one.key]):
            yield f"{what} {one.key} is {_shown(values[one.key])}, not {one.value!r}"


def _matches(text: str, expected: Sequence[str], excluded: Sequence[str], what: str) -> Iterator[str]:
    for pattern in expected:
        if not _found(pattern, text):
            yield f"{pattern!r} is not in {what}: {_shown(text)}"
    for pattern in excluded:
        if _found(pattern, text) is not False:
            yield f"{pattern!r} is in {what}, and should not be: {_shown(text)}"


def _found(pattern: str, text: str) -> bool | None:
    """Whether the pattern is somewhere in the text; None when it is no regular expression."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options).search(text) is not None
    except re2.error:
        return None


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$NAME`` and ``${NAME}`` replaced; what is not set is nothing. As Go's ``os.Expand`` does it."""

    def value(found: re.Match[str]) -> str:
        special, braced, unended, alone, name = found.groups()
        if unended or braced == "":
            return ""
        key = special or braced or alone or name
        return "$" if key is None else variables.get(key, "")

    return _REFERENCE.sub(value, text)


def find(files: Mapping[str, Entry], path: str) -> Entry | None:
    """What is at ``path``, links above it followed, itself not; None for nothing, and for what no archive brings."""
    found = _place(files, path, _LINKS)
    entry = files.get(found) if found is not None else None
    if entry is None and found is not None and (not found or any(name.startswith(f"{found}/") for name in files)):
        return _Directory()
    return entry if entry and entry.kind in ("file", "directory", "symlink") else None


@dataclass(frozen=True)
class _Directory:
    """A directory that no layer names, as engines make it: above a file, or for a volume."""

    kind: str = "directory"
    mode: int = 0o755
    size: int = 0
    digest: str | None = None
    uid: int = 0
    gid: int = 0
    target: str = ""


def _place(files: Mapping[str, Entry], path: str, links: int) -> str | None:
    """``path`` with the symbolic links above its last part followed; None for links without an end."""
    done = list[str]()
    parts = [part for part in path.split("/") if part not in ("", ".")]
    while parts:
        part = parts.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        entry = files.get("/".join([*done, part]))
        if entry is not None and entry.kind == "symlink" and parts:
            links -= 1
            if links < 0:
                return None
            done = [] if entry.target.startswith("/") else done
            parts = [part for part in entry.target.split("/") if part not in ("", ".")] + parts
        else:
            done.append(part)
    return "/".join(done)


def mode_text(kind: str, mode: int) -> str:
    """A mode as Go writes it: ``-rwxr-xr-x``, ``dtrwxrwxrwx``, ``urwxr-xr-x``."""
    marks = _LETTERS.get(kind, "") + "".join(
        letter for letter, bit in (("u", 0o4000), ("g", 0o2000), ("t", 0o1000)) if mode & bit
    )
    bits = "".join(letter if mode & (1 << (8 - place)) else "-" for place, letter in enumerate("rwxrwxrwx"))
    return (marks or "-") + bits


def _variables(config: Mapping[str, Any]) -> dict[str, str]:
    pairs: list[str] = config["Env"] or []
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _plain(variables: Sequence[Variable]) -> dict[str, str]:
    return {variable.key: variable.value for variable in variables}


def _expanded(variables: Sequence[Variable], environment: Mapping[str, str]) -> dict[str, str]:
    return {variable.key: expand(variable.value, environment) for variable in variables}


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
