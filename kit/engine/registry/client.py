"""One registry, spoken to: manifests, blobs, uploads, mounts, tags, login.

A repository is named as in a reference, without the registry. Small requests are tried again on passing trouble;
the transfer of a blob is one try, because the caller has to say where to go on.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from kit.engine.registry.auth import Credentials, scope
from kit.engine.registry.distribution import (
    Document,
    ask_blob,
    ask_finish,
    ask_has_blob,
    ask_manifest,
    ask_mount,
    ask_progress,
    ask_put_manifest,
    ask_send,
    ask_tags,
    ask_upload,
    check_stored,
    read_document,
    read_progress,
    read_session,
    read_tags,
    refusal,
)
from kit.engine.registry.endpoints import Endpoint, Settings, endpoints
from kit.engine.registry.errors import BadAnswer
from kit.engine.registry.messages import Answer, Ask
from kit.engine.registry.retry import patiently
from kit.engine.registry.session import Session, connect
from kit.oci.descriptor import Descriptor
from kit.oci.digest import Digest
from kit.oci.manifest import Manifest
from kit.oci.reference import Reference


class Registry:
    """A registry that answered. Close it, or use it in ``with``; several threads may use it.

    Raises on creation:
        Unreachable, BadAnswer: no registry is there.
    """

    def __init__(
        self,
        name: str,
        credentials: Credentials | None = None,
        *,
        settings: Settings | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        """``name`` as references have it (``docker.io``, ``127.0.0.1:5000``); ``endpoint``: where else it lives."""
        settings = settings or Settings()
        self.name = name
        self._delays = settings.patience.delays
        self._session: Session = connect(
            [endpoint] if endpoint else endpoints(name, settings), credentials, settings.patience
        )

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._session.close()

    @property
    def _base(self) -> str:
        return self._session.base

    def login(self) -> str:
        """Check the credentials. Returns an identity token, or "" when the registry gives none.

        Raises:
            LoginFailed: they are not good.
        """
        return self._session.login()

    def manifest(self, reference: Reference) -> Document:
        """The manifest or index under a tag or digest, verified.

        Raises:
            Unknown, AccessDenied: there is none, or not for us.
            BadAnswer: not the bytes that were asked for.
        """
        name = reference.digest or reference.tag or "latest"
        ask = ask_manifest(self._base, reference.repository, name)
        answer = self._good(ask, scope(reference.repository, "pull"))
        return read_document(answer, reference.repository, reference.digest)

    @contextmanager
    def blob(self, repository: str, blob: Descriptor, start: int = 0) -> Iterator[Iterator[bytes]]:
        """The bytes of a blob from ``start`` on, never more than the descriptor allows. Not verified here.

        Raises:
            BadAnswer: the registry sends more than the blob has, or less.
            Unreachable: the connection broke.
        """
        ask = ask_blob(self._base, repository, blob.digest, start)
        with self._session.stream(ask, scope(repository, "pull")) as stream:
            if stream.answer.status not in (200, 206):
                raise refusal(ask, stream.read(LARGEST_REFUSAL))
            skip = 0 if _starts_at(stream.answer, start) else start
            yield _measured(stream, skip=skip, rest=blob.size - start, blob=blob)

    def has_blob(self, repository: str, digest: Digest) -> bool:
        """Whether this repository holds the blob."""
        ask = ask_has_blob(self._base, repository, digest)
        answer = self._try(ask, scope(repository, "pull", "push"))
        if answer.status in (200, 404):
            return answer.status == 200
        raise refusal(ask, answer)

    def mount(self, repository: str, digest: Digest, source: str) -> bool:
        """Take a blob over from repository ``source``. False when the registry would rather have it sent."""
        ask = ask_mount(self._base, repository, digest, source)
        answer = self._try(ask, scope(repository, "pull", "push"), scope(source, "pull"))
        return answer.status == 201

    def upload(self, repository: str, blob: Descriptor) -> "Upload":
        """A blob that is to be sent."""
        return Upload(self._session, repository, blob)

    def put_manifest(self, reference: Reference, manifest: Manifest) -> None:
        """Give the manifest the reference's tag, or only its digest when there is no tag."""
        name = reference.tag or manifest.digest
        ask = ask_put_manifest(self._base, reference.repository, name, manifest)
        check_stored(self._good(ask, scope(reference.repository, "pull", "push")), manifest)

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, in the registry's order."""
        found: list[str] = []
        ask: Ask | None = ask_tags(self._base, repository)
        while ask:
            tags, following = read_tags(ask, self._good(ask, scope(repository, "pull")))
            found += tags
            ask = following if tags else None
        return found

    def _try(self, ask: Ask, *scopes: str) -> Answer:
        """The answer, tried again while the registry is in trouble."""

        def once() -> Answer:
            answer = self._session.send(ask, *scopes)
            if answer.status >= 500 or answer.status == 429:
                raise refusal(ask, answer)
            return answer

        return patiently(once, self._delays, time.sleep)

    def _good(self, ask: Ask, *scopes: str) -> Answer:
        return _checked(ask, self._try(ask, *scopes))


class Upload:
    """A blob on its way into a repository, in an upload session."""

    def __init__(self, session: Session, repository: str, blob: Descriptor) -> None:
        self._session, self._repository, self._blob = session, repository, blob
        self._rights = scope(repository, "pull", "push")
        self._address = ""

    def send(self, bytes_from: Callable[[int], Iterable[bytes]]) -> None:
        """Send the blob. After passing trouble it may be called again, and goes on behind what has arrived.

        ``bytes_from(start)``: the blob's bytes from there to its end.
        """
        start = self._arrived()
        if start == 0:
            opened = ask_upload(self._session.base, self._repository)
            self._address = read_session(opened, self._good(opened))
        if start < self._blob.size or not self._blob.size:
            ask = ask_send(self._address, self._blob.size, start)
            answer = self._session.upload(ask, bytes_from(start), self._rights)
            self._address = read_session(ask, _checked(ask, answer))
        self._good(ask_finish(self._address, self._blob.digest))

    def _arrived(self) -> int:
        """How many bytes an earlier try has brought there; a session that is gone has none."""
        if not self._address:
            return 0
        ask = ask_progress(self._address)
        answer = self._session.send(ask, self._rights)
        arrived = min(read_progress(answer), self._blob.size)
        if arrived and answer.header("location"):
            self._address = read_session(ask, answer)
        return arrived

    def _good(self, ask: Ask) -> Answer:
        return _checked(ask, self._session.send(ask, self._rights))


def _checked(ask: Ask, answer: Answer) -> Answer:
    if answer.status >= 300:
        raise refusal(ask, answer)
    return answer


LARGEST_REFUSAL = 64 << 10
"""Bytes. Only its first sentence is ever shown."""


def _starts_at(answer: Answer, start: int) -> bool:
    """Whether the body begins where we wanted to go on; a registry may ignore Range and send all."""
    return answer.status == 206 and answer.header("content-range").startswith(f"bytes {start}-")


def _measured(chunks: Iterable[bytes], *, skip: int, rest: int, blob: Descriptor) -> Iterator[bytes]:
    """``rest`` bytes of ``chunks`` after the first ``skip``: exactly so many, or an error."""
    for chunk in chunks:
        fresh = chunk[skip:]
        skip = max(skip - len(chunk), 0)
        rest -= len(fresh)
        if rest < 0:
            raise BadAnswer(f"the registry sends more for blob {blob.digest} than the {blob.size} bytes it has")
        if fresh:
            yield fresh
    if rest:
        raise BadAnswer(
            f"the registry sends too little for blob {blob.digest}: {rest} of {blob.size} bytes are missing"
        )
