"""``%load_ext kit`` and its cell magic: a Dockerfile as a cell.

%%dockerfile -t you/app:1 .
FROM busybox:1
COPY page.html /www/
"""

import argparse
import shlex
from typing import Any, NoReturn

from kit.errors import Invalid
from kit.lab.build import Build, build


class _Options(argparse.ArgumentParser):
    """A parser that raises, where a command would exit."""

    def error(self, message: str) -> NoReturn:
        raise Invalid(f"%%dockerfile: {message}. {self.format_usage().strip()}")


def _options() -> argparse.ArgumentParser:
    parser = _Options("%%dockerfile", add_help=False, allow_abbrev=False)
    parser.add_argument("-t", "--tag", default="", metavar="NAME")
    parser.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--target", default="", metavar="STAGE")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--pull", action="store_true")
    parser.add_argument(
        "context", nargs="?", help="the directory that COPY sees; without it there is nothing to copy"
    )
    return parser


def dockerfile(line: str, cell: str) -> Build:
    """Build the cell's text; the options are those of ``docker build``.

    Raises:
        Invalid: an option that is not known. BuildFailed: as ``kit.build`` does.
    """
    try:
        options = _options().parse_args(shlex.split(line))
    except ValueError as error:
        raise Invalid(f"%%dockerfile: {error}: {line!r}") from error
    return build(
        options.context,
        dockerfile=cell,
        tag=options.tag,
        args=dict(map(_argument, options.build_arg)),
        nocache=options.no_cache,
        target=options.target,
        pull=options.pull,
    )


def _argument(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Invalid(f"%%dockerfile: --build-arg is KEY=VALUE, not {text!r}")
    return key, value


def load(ipython: Any) -> None:
    """Make the magic known to IPython's shell."""
    ipython.register_magic_function(dockerfile, magic_kind="cell", magic_name="dockerfile")
