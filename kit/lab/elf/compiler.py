"""This machine's C compiler and libraries, for programs that are larger than they need to be."""

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from kit.errors import Invalid, NotFound
from kit.lab.elf.write import dynamic, tiny

_GREETING = "Hello from a layer!\n"
_SOURCE = """\
#include <stdio.h>

int main(void)
{
    puts("Hello from a layer!");
    return 0;
}
"""
_OPTIONS: Mapping[str, tuple[str, ...]] = {"static": ("-static",), "dynamic": ()}
_BY_HAND: Mapping[str, Callable[[str], bytes]] = {"static": tiny, "dynamic": dynamic}
_PATIENCE = 120
"""Seconds for one small C file on a slow pod."""


def compile(kind: str, source: str = "") -> bytes:
    """A greeting in C (or ``source``), compiled "static" or "dynamic" and stripped.

    Without a C compiler the greeting is written by hand, much smaller but of the same kind; a line says so.

    Raises:
        Invalid: ``source`` does not compile; with the compiler's words.
    """
    if kind not in _OPTIONS:
        raise Invalid(f"a program is compiled 'static' or 'dynamic', not {kind!r}")
    compiler = shutil.which("gcc") or shutil.which("cc")
    done = _run(compiler, kind, source or _SOURCE) if compiler else "no C compiler is installed here"
    if isinstance(done, bytes):
        return done
    if source:
        raise Invalid(f"it was not compiled: {done}")
    reason = done.splitlines()[-1]
    print(f"({reason}: this {kind} program was written by hand. `apt install gcc libc6-dev`)", file=sys.stdout)
    return _BY_HAND[kind](_GREETING)


def _run(compiler: str, kind: str, source: str) -> bytes | str:
    """The program, or the compiler's last words."""
    with tempfile.TemporaryDirectory(prefix="layerlab-cc-") as directory:
        file, out = Path(directory) / "hello.c", Path(directory) / "hello"
        file.write_text(source)
        command = [compiler, "-Os", "-s", *_OPTIONS[kind], "-o", str(out), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE)
        return done.stderr[-2000:].strip() or "it failed" if done.returncode else out.read_bytes()


def library(name: str) -> bytes:
    """The bytes of a loader or library of this machine, by its path or its bare name (``libc.so.6``).

    Raises:
        NotFound: this machine has none of that name.
    """
    machine = platform.machine()
    places = (
        [Path(name)]
        if name.startswith("/")
        else [
            Path(directory) / name
            for directory in (
                f"/lib/{machine}-linux-gnu",
                f"/usr/lib/{machine}-linux-gnu",
                "/lib64",
                "/usr/lib64",
                "/lib",
            )
        ]
    )
    for place in places:
        if place.is_file():
            return place.read_bytes()
    raise NotFound(f"this machine has no library {name!r}; looked for {', '.join(map(str, places))}")
