"""What ADD may fetch: paths, URLs, git references.

Source: Dockerfile reference, "ADD"; BuildKit's git references: ``repo#ref:subdir`` and ``repo?ref=…&subdir=…``.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import clean, parse_bool, quote

_SCHEME = re.compile(r"(https?|ssh|git)://", re.IGNORECASE)
_SCP = re.compile(r"([a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:[^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


@dataclass(frozen=True)
class GitSource:
    """A git repository at ``remote``; ``ref`` is a branch, tag or commit, ``subdir`` a directory in it."""

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True


def kind_of(source: str) -> Literal["git", "url", "path"]:
    """How ``source`` of an ADD is to be fetched."""
    if _git_parts(source) is not None:
        return "git"
    return "url" if source.startswith(("http://", "https://")) else "path"


def parse_git(source: str) -> GitSource:
    """The git reference in ``source``, of which ``kind_of`` said "git".

    Raises:
        Wrong: options that no repository has, or that contradict each other.
    """
    parts = _git_parts(source)
    if parts is None:
        raise Wrong(f"{source} is not a git repository", source)
    remote, query, fragment = parts
    ref, _, subdir = fragment.partition(":")
    git = GitSource(remote, ref, _inside(subdir))
    seen: set[str] = set()
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in seen:
            raise Wrong(f"query {quote(key)} has multiple values", source)
        seen.add(key)
        git = _with(git, key, value, source)
    return git


def file_name(url: str) -> str:
    """What a downloaded file is called when the destination is a directory."""
    base = clean(unquote(urlsplit(url).path) or "/").rpartition("/")[2]
    return base if base not in ("", ".", "..") else "__unnamed__"


def _git_parts(source: str) -> tuple[str, str, str] | None:
    """Remote, query, fragment of a git reference, None if ``source`` is none."""
    if found := _SCHEME.match(source):
        try:
            url = urlsplit(source)
        except ValueError:
            return None
        if found[1].lower() in ("http", "https") and not url.path.endswith(".git"):
            return None
        return urlunsplit((url.scheme, url.netloc, url.path, "", "")), url.query, unquote(url.fragment)
    scp = None if source.startswith(("./", "../")) else _SCP.fullmatch(source)
    return (scp[1], scp[2] or "", scp[3] or "") if scp else None


def _inside(path: str) -> str:
    return clean("/" + path).lstrip("/")


def _with(git: GitSource, key: str, value: str, near: str) -> GitSource:
    if key in ("keep-git-dir", "submodules"):
        truth = parse_bool(value or "true")
        if truth is None:
            raise Wrong(f"invalid {key} value: {quote(value)}", near)
        return replace(git, keep_git_dir=truth) if key == "keep-git-dir" else replace(git, submodules=truth)
    if not value:
        raise Wrong(f"query {quote(key)} has no value", near)
    match key:
        case "ref" | "tag" | "branch":
            prefix = {"tag": "refs/tags/", "branch": "refs/heads/"}.get(key, "")
            ref = value if value.startswith(prefix) else prefix + value
            if git.ref not in ("", ref):
                raise Wrong(f"ref conflicts: {quote(git.ref)} vs {quote(ref)}", near)
            return replace(git, ref=ref)
        case "subdir":
            if git.subdir not in ("", value):
                raise Wrong(f"subdir conflicts: {quote(git.subdir)} vs {quote(value)}", near)
            return replace(git, subdir=_inside(value))
        case "checksum" | "commit":
            return replace(git, checksum=value)
    raise Wrong(f"unexpected query {quote(key)}", near)
