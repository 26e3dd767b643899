"""The command ``layerlab``: results on standard output, errors as one line on standard error.

Exit codes: 0 done and well; 1 not (not running, not full marks, a part missing); 2 it could not be done at all.
"""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from kit.errors import KitError
from kit.lab import cli_course, cli_rubrics

DONE, NOT_WELL, FAILED, INTERRUPTED = 0, 1, 2, 130
_BROKEN_PIPE = 141
"""What a shell reports of a command whose reader went away (128 + SIGPIPE)."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    given = list(sys.argv[1:] if words is None else words)
    if given[:1] == ["lab"] and not {"-h", "--help"} & set(given):
        return _guarded(lambda: _lab(given[1:]))
    options = _parser().parse_args(given)
    return _guarded(lambda: options.run(options))


def _guarded(command: Callable[[], int]) -> int:
    try:
        code = command()
        sys.stdout.flush()
        return code
    except KitError as error:
        print(f"layerlab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return _BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("layerlab", description="Container images, learned by making them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    commands.add_parser("lab", help="open JupyterLab at the first notebook; JupyterLab's own options may follow")
    doctor = commands.add_parser("doctor", help="what works here, what does not, and what to do")
    doctor.add_argument("--json", action="store_true", help="for machines")
    doctor.set_defaults(run=_doctor)

    engine = commands.add_parser("engine", help="the embedded engine: start, stop, status")
    actions = engine.add_subparsers(required=True, metavar="ACTION")
    start = actions.add_parser("start", help="start it unless it runs; prints DOCKER_HOST=…")
    start.add_argument("--isolator", default="", help="how containers run: root, userns or seccomp")
    start.set_defaults(run=_engine_start)
    actions.add_parser("stop", help="end it; images stay").set_defaults(run=_engine_stop)
    _with_json(actions.add_parser("status", help="whether it runs")).set_defaults(run=_engine_status)

    registry = commands.add_parser("registry", help="a real registry on this machine: start, stop, status")
    actions = registry.add_subparsers(required=True, metavar="ACTION")
    start = actions.add_parser("start", help="start it unless it runs; prints its address")
    start.add_argument("--port", type=int, default=0, help="at the first start (default: 5000, or a free one)")
    start.set_defaults(run=_registry_start)
    actions.add_parser("stop", help="end it; its images stay").set_defaults(run=_registry_stop)
    _with_json(actions.add_parser("status", help="whether it runs")).set_defaults(run=_registry_status)

    parents = commands.add_parser("parents", help="make the parent images of the course")
    parents.add_argument(
        "names", nargs="*", metavar="NAME", help="such as debian:13; without a name those that most notebooks need"
    )
    parents.set_defaults(run=_parents)

    cli_rubrics.add_commands(commands)
    cli_course.add_commands(commands)

    commands.add_parser("version", help="the versions of everything").set_defaults(run=_version)
    return parser


def _with_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


# ---- what the commands do; each imports what it needs, so that the others start quickly


def _lab(options: Sequence[str]) -> int:
    from kit.lab.jupyter import open_lab

    open_lab(options)


def _doctor(options: argparse.Namespace) -> int:
    from kit.lab.doctor import preflight

    found = preflight()
    print(_as_json([finding.to_json() for finding in found.findings]) if options.json else found.text())
    return DONE if found.ok else NOT_WELL


def _engine_start(options: argparse.Namespace) -> int:
    from kit.lab.engine import start_engine
    from kit.lab.home import find_home

    print(f"DOCKER_HOST={start_engine(find_home(), options.isolator).docker_host}")
    return DONE


def _engine_stop(options: argparse.Namespace) -> int:
    from kit.lab.engine import stop_engine
    from kit.lab.home import find_home

    print("stopped" if stop_engine(find_home()) else "was not running")
    return DONE


def _engine_status(options: argparse.Namespace) -> int:
    from kit.lab.engine import engine_status
    from kit.lab.home import find_home

    status = engine_status(find_home())
    if options.json:
        print(_as_json(status.to_json()))
    elif status.running:
        print(f"running: process {status.pid}, isolator {status.isolator}, version {status.version}")
        print(f"DOCKER_HOST={status.docker_host}")
    else:
        print("not running")
    return DONE if status.running else NOT_WELL


def _registry_start(options: argparse.Namespace) -> int:
    from kit.lab.home import find_home
    from kit.lab.registry import USUAL_PORT, start_registry

    print(start_registry(find_home().root, options.port or USUAL_PORT, engine=_engine_or_none()))
    return DONE


def _registry_stop(options: argparse.Namespace) -> int:
    from kit.lab.home import find_home
    from kit.lab.registry import stop_registry

    print("stopped" if stop_registry(find_home().root, engine=_engine_or_none()) else "was not running")
    return DONE


def _registry_status(options: argparse.Namespace) -> int:
    from kit.lab.home import find_home
    from kit.lab.registry import registry_status

    running = registry_status(find_home().root, engine=_engine_or_none())
    if options.json:
        facts = {"running": running is not None}
        print(_as_json(facts | ({"url": running.url, "name": running.name, "pid": running.pid} if running else {})))
    else:
        print(f"running at {running.url}" if running else "not running")
    return DONE if running else NOT_WELL


def _parents(options: argparse.Namespace) -> int:
    from kit.lab.connect import connect
    from kit.lab.parents import USUAL, make_parents

    lab = connect()
    make_parents(lab.client, options.names or USUAL, lab.home.root, lambda line: print(line, flush=True))
    return DONE


def _version(options: argparse.Namespace) -> int:
    print(f"layerlab {_version_of('layerlab')}")
    for name in ("docker", "jupyterlab", "nbgrader"):
        print(f"{name} {_version_of(name)}")
    print(f"python {platform.python_version()}")
    return DONE


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2)


def _engine_or_none() -> object | None:
    """An engine's client, for where no registry program is installed; none is started for that."""
    from kit.lab.registry import PROGRAMS

    if any(map(shutil.which, PROGRAMS)):
        return None
    from kit.lab.connect import connect

    try:
        client: object = connect().client
    except KitError:
        return None
    return client


if __name__ == "__main__":
    sys.exit(main())
