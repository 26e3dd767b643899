"""``python -m kit.engine.api --home DIR --socket PATH``: an engine on a unix socket, until SIGTERM.

The one place where the API and the engine meet.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from kit.engine.api.server import Server, listen
from kit.engine.engine import Engine, Settings
from kit.engine.lock.terms import Terms
from kit.errors import KitError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kit.engine.api", description="The embedded engine.")
    parser.add_argument("--home", type=Path, required=True, help="the directory that holds everything")
    parser.add_argument("--socket", type=Path, required=True, help="the unix socket to listen on")
    parser.add_argument("--isolator", default="", help="how containers run; the best that works if not given")
    parser.add_argument("--registry-mirror", metavar="ADDRESS", help="as LAYERLAB_REGISTRY_MIRROR: before docker.io")
    parser.add_argument("--lock", type=Path, metavar="FILE", help="serve a stranger: what the file allows, no more")
    return parser.parse_args()


async def serve(make: Callable[[], Engine], path: Path) -> None:
    """Answers on the socket until a signal ends it."""
    listener = listen(path)
    place = path.stat().st_ino
    try:
        engine = make()
        end = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end.set)
        server = Server(engine)
        server.add(listener)
        await end.wait()
        server.stop()
        await asyncio.to_thread(engine.close)
    finally:
        if path.exists() and path.stat().st_ino == place:
            path.unlink()


def make_room_for_temporary_files(home: Path) -> None:
    """Each container has a place in it. Where nobody may write to /tmp, as on a read-only root, it is in the home."""
    usual = (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp")
    if not any(os.access(place, os.W_OK | os.X_OK) for place in usual):
        room = home / "tmp"
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["TMPDIR"] = str(room)


def main() -> int:
    asked = arguments()
    make_room_for_temporary_files(asked.home)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    threading.excepthook = lambda told: logging.error("in thread %s", told.thread, exc_info=told.exc_value)
    mirror = {"LAYERLAB_REGISTRY_MIRROR": asked.registry_mirror} if asked.registry_mirror else {}
    try:
        settings = Settings.of(asked.isolator, os.environ | mirror)
        if asked.lock:
            settings = settings.locked(Terms.read(asked.lock))
        asyncio.run(serve(lambda: Engine(asked.home, settings), asked.socket))
    except KitError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
