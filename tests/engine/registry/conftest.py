"""Real registries on loopback, small images, and a store in memory to pull into."""

import base64
import ctypes
import ctypes.util
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import pytest

from kit.engine.registry.pull import Pulled
from kit.engine.registry.transfer import Patience, Settings
from kit.errors import Invalid
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import OCI_CONFIG, OCI_LAYER_GZIP, Descriptor
from kit.oci.digest import DiffID, Digest, DigestMismatch, digest_of
from kit.oci.manifest import Manifest


@dataclass
class SmallImage:
    """An image in memory: a source for ``push``."""

    manifest: Manifest
    config: ImageConfig
    blobs: dict[Digest, bytes]

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return self.config.diff_ids

    def open(self, digest: Digest, /) -> BinaryIO:
        return io.BytesIO(self.blobs[digest])


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def make_image(*layers: Mapping[str, bytes], cmd: str = "/hello", media_type: str = OCI_LAYER_GZIP) -> SmallImage:
    tars = [layer_tar(files) for files in layers]
    packed = [gzip.compress(tar, compresslevel=1, mtime=0) for tar in tars]
    config = ImageConfig.of(
        run=RunConfig(cmd=(cmd,)),
        diff_ids=[DiffID(digest_of(tar)) for tar in tars],
        history=[History(created_by=f"COPY {number}") for number in range(len(tars))],
    )
    blobs = {digest_of(blob): blob for blob in [config.raw, *packed]}
    manifest = Manifest.of(
        Descriptor(OCI_CONFIG, digest_of(config.raw), len(config.raw)),
        [Descriptor(media_type, digest_of(blob), len(blob)) for blob in packed],
    )
    return SmallImage(manifest, config, blobs)


class MemoryWriter:
    def __init__(self, store: "MemoryStore", digest: Digest) -> None:
        self._store, self._data = store, store.parts.setdefault(digest, bytearray())

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, data: bytes, /) -> int:
        self._data += data
        return len(data)

    def commit(self, expected: Digest, /) -> Digest:
        got = digest_of(bytes(self._data))
        del self._store.parts[expected]
        if got != expected:
            raise DigestMismatch(expected=expected, got=got)
        self._store.blobs[got] = bytes(self._data)
        return got


@dataclass
class MemoryStore:
    """A sink for ``pull``."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    layers: dict[DiffID, Digest] = field(default_factory=dict)
    images: dict[str, Pulled] = field(default_factory=dict)
    parts: dict[Digest, bytearray] = field(default_factory=dict)

    def has_layer(self, diff_id: DiffID, /) -> bool:
        return diff_id in self.layers

    @contextmanager
    def writer(self, digest: Digest, /) -> Iterator[MemoryWriter]:
        yield MemoryWriter(self, digest)

    def adopt(self, blob: Descriptor, /) -> DiffID:
        data = self.blobs[blob.digest]
        try:
            tar = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        except (OSError, EOFError) as error:
            raise Invalid(f"layer {blob.digest} can't be unpacked: {error}") from error
        diff_id = DiffID(digest_of(tar))
        self.layers[diff_id] = blob.digest
        return diff_id

    def finish(self, pulled: Pulled, /) -> bool:
        before = self.images.get(str(pulled.reference))
        self.images[str(pulled.reference)] = pulled
        return before is not None and before.config.raw == pulled.config.raw

    def abandon(self, blobs: Iterable[Descriptor], /, *, keep: bool) -> None:
        gone = {blob.digest for blob in blobs}
        if keep:
            self.parts |= {digest: bytearray(data) for digest, data in self.blobs.items() if digest in gone}
        else:
            self.parts = {digest: data for digest, data in self.parts.items() if digest not in gone}
        self.layers = {diff_id: digest for diff_id, digest in self.layers.items() if digest not in gone}
        self.blobs = {digest: data for digest, data in self.blobs.items() if digest not in gone}

    @property
    def empty(self) -> bool:
        return not (self.blobs or self.layers or self.images)


@dataclass
class MemoryDocuments:
    table: dict[tuple[str, str], Any] = field(default_factory=dict)

    def find(self, kind: str, key: str, /) -> Any | None:
        return self.table.get((kind, key))

    def put(self, kind: str, key: str, doc: Any, /) -> None:
        self.table[kind, key] = doc


@pytest.fixture
def image() -> SmallImage:
    """Two layers, one of them large enough to be watched."""
    return make_image({"hello": os.urandom(1_500_000)}, {"etc/motd": b"welcome\n"})


@pytest.fixture(name="make_image")
def make_image_fixture() -> Callable[..., SmallImage]:
    return make_image


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def quick() -> Settings:
    """Tries as often as ever, but does not wait."""
    return Settings(patience=Patience(delays=(0.01, 0.01, 0.01), connect=5, answer=5))


# ---- a real registry


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(place: Path, *, auth: str = "", tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """CNCF Distribution on a free port of loopback; yields ``127.0.0.1:PORT``."""
    binary = shutil.which("docker-registry")
    if not binary:
        pytest.skip("docker-registry is not installed (apt install docker-registry)")
    place.mkdir(parents=True, exist_ok=True)
    port = free_port()
    secure = f", tls: {{certificate: {tls[0]}, key: {tls[1]}}}" if tls else ""
    config = place / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {place}/data}}, delete: {{enabled: true}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}"{secure}}}\n{auth}'
    )
    with (place / "log").open("w") as log:
        process = subprocess.Popen([binary, "serve", str(config)], stdout=log, stderr=log)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (place / "log").read_text()
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that lets everybody in."""
    with running(tmp_path_factory.mktemp("registry")) as name:
        yield name


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a password: you / secret."""
    place = tmp_path_factory.mktemp("basic")
    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt.restype = ctypes.c_char_p
    hashed = library.crypt(b"secret", b"$2b$04$abcdefghijklmnopqrstuu")
    (place / "htpasswd").write_text(f"you:{hashed.decode()}\n")
    with running(place, auth=f"auth: {{htpasswd: {{realm: test, path: {place}/htpasswd}}}}\n") as name:
        yield name


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that speaks only TLS, with a certificate that nobody trusts."""
    place = tmp_path_factory.mktemp("tls")
    key, certificate = make_certificate(place)
    with running(place, tls=(certificate, key)) as name:
        yield name


def make_certificate(place: Path) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, certificate = place / "key.pem", place / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


# ---- a token server


@dataclass
class TokenServer:
    """Knows you / secret; ``you/`` belongs to you, everybody may pull ``open/``."""

    key: Path
    certificate: Path
    service: str
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    lifetime: int = 300
    not_after: int = 300

    def token(self, user: str, scopes: Iterable[str]) -> str:
        access = [granted for word in scopes if (granted := self.granted(user, word))["actions"]]
        der = subprocess.run(
            ["openssl", "x509", "-in", str(self.certificate), "-outform", "DER"], check=True, capture_output=True
        ).stdout
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": "tests", "sub": user, "aud": self.service, "iat": now, "nbf": now - 10}
        claims |= {"exp": now + self.not_after, "jti": hashlib.sha1(os.urandom(9)).hexdigest(), "access": access}
        text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.key)],
            input=text.encode(),
            check=True,
            capture_output=True,
        ).stdout
        return f"{text}.{encoded(signature)}"

    @staticmethod
    def granted(user: str, word: str) -> dict[str, Any]:
        kind, name, actions = word.split(":")
        may = {"pull"} if name.startswith("open/") else set()
        if user and name.startswith(f"{user}/"):
            may = {"pull", "push"}
        return {"type": kind, "name": name, "actions": sorted(may & set(actions.split(",")))}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def token_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, TokenServer]]:
    """A registry that wants tokens, and the server that gives them."""
    place = tmp_path_factory.mktemp("token")
    key, certificate = make_certificate(place)
    issuer = TokenServer(key, certificate, "the test registry")

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            proof = self.headers.get("Authorization", "")
            user = "you" if proof == "Basic " + base64.b64encode(b"you:secret").decode() else ""
            issuer.asked.append({"method": "GET", "query": query, "proof": bool(proof)})
            if proof and not user:
                self.answer(401, json.dumps({"details": "incorrect username or password"}).encode())
                return
            words = [word for value in query.get("scope", []) for word in value.split()]
            reply: dict[str, Any] = {"token": issuer.token(user, words), "expires_in": issuer.lifetime}
            if query.get("offline_token") and user:
                reply["refresh_token"] = "you-again"
            self.answer(200, json.dumps(reply).encode())

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            issuer.asked.append({"method": "POST", "query": form, "proof": True})
            if form.get("refresh_token") != ["you-again"]:
                self.answer(401, json.dumps({"details": "unknown refresh token"}).encode())
                return
            words = [word for value in form.get("scope", []) for word in value.split()]
            self.answer(200, json.dumps({"access_token": issuer.token("you", words)}).encode())

    with serving(Handler) as address:
        issuer.url = f"http://{address}/token"
        auth = (
            f'auth: {{token: {{realm: "{issuer.url}", service: "{issuer.service}", issuer: tests, '
            f"rootcertbundle: {certificate}}}}}\n"
        )
        with running(place, auth=auth) as name:
            yield name, issuer


# ---- servers that lie


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 without a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server with that handler; yields ``127.0.0.1:PORT``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


Way = Callable[[QuietHandler], None]


def cut(count: int, *, abruptly: bool = False) -> Way:
    """Promise everything (``handler.whole``), send ``count`` bytes, hang up."""

    def way(handler: Any) -> None:
        data = handler.whole
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:count])
        handler.wfile.flush()
        if abruptly:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True

    return way


@dataclass
class Liar:
    """A registry that serves one image honestly, but for the ``ways`` of a test (path → what it does instead)."""

    image: SmallImage
    ways: dict[str, Way] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    name: str = ""

    def honest(self, handler: QuietHandler) -> None:
        path = handler.path.partition("?")[0]
        kind, _, last = path.rpartition("/")
        if path == "/v2/":
            handler.answer(200, b"{}")
        elif kind.endswith("/manifests"):
            manifest = self.image.manifest
            handler.answer(200, manifest.raw, Content_Type=manifest.media_type)
        elif Digest(last) in self.image.blobs:
            data = self.image.blobs[Digest(last)]
            start = int((handler.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
            if start:
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                handler.answer(206, data[start:], Content_Range=span)
            else:
                handler.answer(200, data)
        else:
            handler.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown","detail":{}}]}')

    def serve(self, handler: QuietHandler) -> None:
        self.seen.append((handler.command, handler.path, dict(handler.headers)))
        path = handler.path.partition("?")[0]
        way = next((way for end, way in self.ways.items() if path.endswith(end)), self.honest)
        way(handler)


@pytest.fixture
def liar(image: SmallImage) -> Iterator[Liar]:
    liar = Liar(image)

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            liar.serve(self)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    with serving(Handler) as name:
        liar.name = name
        yield liar


@pytest.fixture
def another_host() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server elsewhere that only notes which headers it was sent, and answers 404."""
    heard: list[dict[str, str]] = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            heard.append(dict(self.headers))
            self.answer(404)

    with serving(Handler) as name:
        yield name, heard


@pytest.fixture
def fetch() -> Callable[[str], tuple[int, bytes]]:
    """GET, for looking at what a registry holds."""

    def get(url: str) -> tuple[int, bytes]:
        accept = "application/vnd.oci.image.manifest.v1+json"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers={"Accept": accept}), timeout=10
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return get
