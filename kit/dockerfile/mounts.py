"""``RUN --mount=…`` and ``--device=…``: comma-separated options to values.

Source: Dockerfile reference, "RUN --mount"; BuildKit for defaults and the words of refusals.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import parse_bool, quote
from kit.dockerfile.steps import Device
from kit.dockerfile.suggest import hint

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")
KEYS = (
    *("type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode", "uid", "gid"),
    *("src", "dst", "destination", "ro", "rw", "readwrite", "env"),
)
_OWNED = ("secret", "ssh", "cache")  # mounts whose mode and owner can be chosen
_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=,|\Z)|([^",]*)(?=,|\Z)')
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class MountOptions:
    """One mount as written, variables replaced; places not yet looked up. None is "not given"."""

    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    id: str = ""
    sharing: str = ""
    readonly: bool | None = None
    required: bool = False
    size: int = 0
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def split_fields(text: str) -> list[str]:
    """The fields of one CSV line.

    Raises:
        Wrong: a quote stands where none may.
    """
    fields, position = [], 0
    while position <= len(text):
        found = _FIELD.match(text, position)
        if found is None:
            column = text.find('"', position) + 1
            raise Wrong(f'parse error on line 1, column {column}: bare " in non-quoted field', text)
        fields.append(found[1].replace('""', '"') if found[1] is not None else found[2])
        position = found.end() + 1
    return fields


def check_mount(text: str) -> str:
    """The ``from`` of a mount, "" without one: all that must be known before variables are.

    Raises:
        Wrong: the text can't be split, or ``from`` holds a variable.
    """
    from_ = ""
    try:
        fields = split_fields(text)
    except Wrong as wrong:
        raise Wrong(f"failed to parse csv mounts: {wrong.reason}", text) from wrong
    for field in fields:
        key, _, value = field.partition("=")
        if key.lower() == "from":
            if "$" in value[:-1]:
                raise Wrong("'from' doesn't support variable expansion, define alias stage instead", field)
            from_ = value
    return from_


def parse_mount(text: str, expand: Callable[[str], str]) -> MountOptions:
    """The mount that ``text`` describes; ``expand`` replaces variables in a value.

    Raises:
        Wrong: an unknown key, a value that its key can't have, options that don't go together.
    """
    options = MountOptions()
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        options = _with(options, key.lower(), expand(value) if equals else None, field)
    _check_together(options)
    return options


def _with(options: MountOptions, key: str, value: str | None, field: str) -> MountOptions:
    if value is None and key not in ("readonly", "ro", "readwrite", "rw", "required"):
        raise Wrong(f"invalid field '{field}' must be a key=value pair", field)
    text = value or ""
    match key:
        case "type":
            if text.lower() not in TYPES:
                raise Wrong(f"unsupported mount type {quote(text)}{hint(text, TYPES)}", field)
            return replace(options, type=text.lower())
        case "from":
            return replace(options, from_=text)
        case "source" | "src":
            return replace(options, source=text)
        case "target" | "dst" | "destination":
            return replace(options, target=text)
        case "readonly" | "ro":
            return replace(options, readonly=_truth(key, value, field))
        case "readwrite" | "rw":
            return replace(options, readonly=not _truth(key, value, field))
        case "required":
            _only_for(options, key, ("secret", "ssh"), field)
            return replace(options, required=_truth(key, value, field))
        case "size":
            _only_for(options, key, ("tmpfs",), field)
            return replace(options, size=parse_size(text, field))
        case "id":
            return replace(options, id=text)
        case "sharing":
            if text.lower() not in SHARING:
                raise Wrong(f"unsupported sharing value {quote(text)}{hint(text, SHARING)}", field)
            return replace(options, sharing=text.lower())
        case "mode":
            return replace(options, mode=_number(key, text, 8, field))
        case "uid":
            return replace(options, uid=_number(key, text, 10, field))
        case "gid":
            return replace(options, gid=_number(key, text, 10, field))
        case "env":
            return replace(options, env=text)
    raise Wrong(f"unexpected key '{key}' in '{field}'{hint(key, KEYS)}", field)


def _only_for(options: MountOptions, key: str, types: tuple[str, ...], field: str) -> None:
    if options.type not in types:
        raise Wrong(f"unexpected key '{key}' for mount type '{options.type}'", field)


def _truth(key: str, value: str | None, field: str) -> bool:
    truth = True if value is None else parse_bool(value)
    if truth is None:
        raise Wrong(f"invalid value for {key}: {value}", field)
    return truth


def _number(key: str, text: str, base: int, field: str) -> int:
    digits = "[0-7]{1,12}" if base == 8 else "[0-9]{1,12}"
    if not re.fullmatch(digits, text) or int(text, base) >= 2**32:
        raise Wrong(f"invalid value {text} for {key}", field)
    return int(text, base)


def parse_size(text: str, near: str = "") -> int:
    """Bytes of ``64m``, ``1.5g``, ``512 kb``."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise Wrong(f"invalid value for size: {text}", near or text)
    power = " kmgtp".index(found[2].lower() or " ")
    return int(float(found[1]) * 1024**power)


def _check_together(options: MountOptions) -> None:
    if options.type not in _OWNED:
        for name in ("mode", "uid", "gid"):
            if getattr(options, name) is not None:
                raise Wrong(f"{name} not allowed for {quote(options.type)} type mounts", name)
    if options.type == "secret":
        if options.from_:
            raise Wrong("secret mount should not have a from", "from")
        if options.sharing:
            raise Wrong("secret mount should not define sharing", "sharing")
        if not (options.source or options.target or options.id):
            raise Wrong("invalid secret mount. one of source, target required", "--mount")
        if options.source and options.id:
            raise Wrong("both source and id can't be set", "--mount")
    if options.sharing and options.type != "cache":
        raise Wrong(f"invalid cache sharing set for {options.type} mount", "sharing")
    if options.type == "ssh" and options.source:
        raise Wrong("ssh does not support source", "--mount")


def parse_device(text: str) -> Device:
    """``vendor.com/class=name[,required]``.

    Raises:
        Wrong: an option that a device doesn't have.
    """
    name, required = "", False
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        if key.lower() == "required":
            required = _truth("required", value if equals else None, field)
        elif key.lower() == "name" and equals:
            if name:
                raise Wrong(f"device name already set to {name}", field)
            name = value
        elif not name:
            name = field
        elif not equals:
            raise Wrong(f"invalid field '{field}' must be a key=value pair", field)
        else:
            raise Wrong(f"unexpected key '{key}' in '{field}'{hint(key.lower(), ('name', 'required'))}", field)
    return Device(name, required)
