"""A registry's own log: who asked for what, and what the answer was.

It is the witness of a push. What a notebook shows of the wire was seen by the notebook; this was written by the
registry, and it tells of every client.

Source: CNCF Distribution writes each answer as a line in Apache's combined log format.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_LINE = re.compile(
    r'^\S+ \S+ \S+ \[[^\]]*\] "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}) \S+ "[^"]*" "([^"]*)"$', re.MULTILINE
)
_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs|manifests|tags)/")
_HOW: Mapping[tuple[str, int], str] = {
    ("POST", 201): "mounted",
    ("PUT", 201): "uploaded",
    ("PUT", 400): "refused",
    ("PUT", 404): "refused",
}


class Asked(NamedTuple):
    """One request and its answer. ``target`` is path and query, ``agent`` what the client calls itself."""

    method: str
    target: str
    status: int
    agent: str

    @property
    def repository(self) -> str:
        """The repository that it is about, "" for none."""
        found = _REPOSITORY.match(self._path)
        return found[1] if found else ""

    @property
    def digest(self) -> str:
        """The blob that it is to bring, "" for none."""
        query = parse_qs(urlsplit(self.target).query)
        return query.get("mount" if self.method == "POST" else "digest", [""])[0]

    @property
    def how(self) -> str:
        """How a blob came by it: "uploaded", "mounted" from another repository, or "refused"; "" if none did.

        Source: OCI distribution-spec, "Pushing blobs", "Mounting a blob from another repository".
        """
        brings = self.digest and "/blobs/uploads/" in self._path
        return _HOW.get((self.method, self.status), "") if brings else ""

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.target).path)


def read_requests(log: str) -> list[Asked]:
    """The requests in a log, in order; lines of another kind are passed over."""
    return [Asked(method, target, int(status), agent) for method, target, status, agent in _LINE.findall(log)]
