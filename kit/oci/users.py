"""USER → numbers: which uid, gid and further groups a process gets.

``USER name[:group]`` is looked up in the container's own ``/etc/passwd`` and ``/etc/group``, never in the
host's. A number needs no entry there, a name does.

Source: opencontainers/runc, libcontainer/user "GetExecUser"; the texts are its own.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kit.errors import Invalid

LARGEST_ID = 2**31 - 1


class UnknownUser(Invalid):
    """USER names somebody whom the image doesn't know."""


class Account(NamedTuple):
    """Who a process runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class _User(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(spec: str, passwd: str, group: str, *, extra_groups: Sequence[str] = ()) -> Account:
    """The account that ``spec`` (``name``, ``uid``, ``name:group``, …; "" is root) names.

    ``passwd`` and ``group`` are the texts of the container's files, "" where they are missing.
    ``extra_groups`` are those of ``--group-add``.

    Raises:
        UnknownUser: a name without an entry, or a number out of range.
    """
    user_part, _, group_part = spec.partition(":")
    user = _find_user(user_part, _users(passwd))
    groups = list(_groups(group))
    gid, further = user.gid, [entry.gid for entry in groups if user.name and user.name in entry.members]
    if group_part:
        gid, further = _group_id(group_part, groups, f"unable to find group {group_part}"), []
    further += [_group_id(name, groups, f"Unable to find group {name}") for name in extra_groups]
    return Account(user.uid, gid, tuple(dict.fromkeys(further)), user.home or "/")


def _find_user(text: str, users: Iterable[_User]) -> _User:
    number = 0 if not text else _number(text)
    for user in users:
        if user.uid == number if number is not None else user.name == text:
            return user
    if number is None:
        raise UnknownUser(f"unable to find user {text}: no matching entries in passwd file")
    return _User("", _in_range(number), 0, "/")


def _group_id(text: str, groups: Iterable[_Group], refusal: str) -> int:
    number = _number(text)
    for entry in groups:
        if entry.gid == number if number is not None else entry.name == text:
            return entry.gid
    if number is None:
        raise UnknownUser(f"{refusal}: no matching entries in group file")
    return _in_range(number)


def _number(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() else None


def _in_range(number: int) -> int:
    if not 0 <= number <= LARGEST_ID:
        raise UnknownUser(f"uids and gids must be in range 0-{LARGEST_ID}")
    return number


def _users(text: str) -> Iterable[_User]:
    for fields in _rows(text):
        name, _, uid, gid, _, home, *_ = (*fields, *[""] * 6)
        if uid.isdecimal() and gid.isdecimal():
            yield _User(name, int(uid), int(gid), home)


def _groups(text: str) -> Iterable[_Group]:
    for fields in _rows(text):
        name, _, gid, members, *_ = (*fields, *[""] * 4)
        if gid.isdecimal():
            yield _Group(name, int(gid), tuple(filter(None, members.split(","))))


def _rows(text: str) -> Iterable[list[str]]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip().split(":")
