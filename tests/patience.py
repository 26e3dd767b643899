"""A patient proxy for builds that fetch packages: a file is fetched once, and a bad minute is waited out.

A build under test asks a mirror of Debian's packages for the same few files again and again. One name that can't be
resolved, one mirror that is being renewed, and a test fails that has nothing to do with it. So builds get this proxy,
by the setting that Docker has for it (``proxies`` in its config.json): a file is fetched once a session, and what
fails is tried again for a while. What the mirror says in the end is passed on. HTTPS is passed through, unread.

Source: RFC 9110 (absolute form, CONNECT); docker docs, "Use a proxy server with the Docker CLI".
"""

import hashlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

WAITS = (1, 2, 4, 8, 8)
"""Seconds before each further try."""
TIMEOUT = 60


class Answer(NamedTuple):
    status: int
    file: Path
    modified: str = ""


class PatientProxy:
    """Answers of this session, by URL. Each is fetched by one thread, the others wait for it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._answers: dict[str, Answer] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, url: str) -> Answer:
        with self._lock:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            if url not in self._answers:
                answer = self._fetch_patiently(url)
                if answer.status != 200:
                    return answer
                self._answers[url] = answer
            return self._answers[url]

    def _fetch_patiently(self, url: str) -> Answer:
        for wait in WAITS:
            answer = self._fetch(url)
            if answer.status == 200:
                return answer
            time.sleep(wait)
        return self._fetch(url)

    def _fetch(self, url: str) -> Answer:
        file = self._directory / hashlib.sha256(url.encode()).hexdigest()
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as found:
                file.write_bytes(found.read())
                return Answer(found.status, file, found.headers.get("Last-Modified", ""))
        except urllib.error.HTTPError as error:
            file.write_bytes(b"")
            return Answer(error.code, file)
        except OSError:
            file.write_bytes(b"")
            return Answer(504, file)


@contextmanager
def serving(proxy: PatientProxy) -> Iterator[str]:
    """The proxy's URL, for as long as the block lasts: at an address that containers of every engine reach."""
    address = own_address()
    server = _Server((address, 0), partial(_Handler, proxy))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def own_address() -> str:
    """This machine's address towards other machines, loopback where there are none. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def verify_request(self, request: object, client_address: object) -> bool:
        """Serves this machine and the containers of ``tests/engines/dockerd.sh`` alone."""
        client = client_address[0] if isinstance(client_address, tuple) else ""
        return client == self.server_address[0] or str(client).startswith("10.253.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: PatientProxy, *words: Any) -> None:
        self._proxy = proxy
        super().__init__(*words)

    def do_GET(self) -> None:
        answer = self._proxy.get(self.path)
        body = answer.file.read_bytes()
        with suppress(OSError):  # who asked may have lost patience; what was fetched is kept for the next time
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            if answer.modified:
                self.send_header("Last-Modified", answer.modified)
            self.end_headers()
            self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.close_connection = True
        with _connected(self.path) as upstream:
            if upstream is None:
                self.send_error(504)
                return
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(upstream, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, upstream)
            back.join()

    def log_message(self, *words: object) -> None:
        """Tests print what failed; a log of what went well is in the way."""


@contextmanager
def _connected(place: str) -> Iterator[socket.socket | None]:
    """A connection to ``host:port``; None when it can't be had for a while."""
    host, _, port = place.rpartition(":")
    for wait in (*WAITS, 0):
        try:
            connection = socket.create_connection((host, int(port)), timeout=TIMEOUT)
        except OSError:
            time.sleep(wait)
            continue
        with connection:
            connection.settimeout(None)
            yield connection
        return
    yield None


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def config_json(proxy: str) -> str:
    """What stands in Docker's ``config.json`` so that builds use the proxy."""
    return json.dumps({"proxies": {"default": {"httpProxy": proxy, "httpsProxy": proxy}}})
