"""What an instruction does to the run config: pure functions, used by a build and by ``docker commit --change``.

Every function takes instructions whose variables are replaced already.

Source: Dockerfile reference; BuildKit's dockerfile2llb for the config's values and the history's words.
"""

import signal
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kit.dockerfile import instructions as say
from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import clean, duration_text, plain_list, quoted_list
from kit.oci.config import RunConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
_SIGNALS = {name.removeprefix("SIG") for name in signal.Signals.__members__} | {
    *("STKFLT", "IOT", "CLD", "POLL"),
    *(f"RTMIN+{n}" for n in range(1, 16)),
    *(f"RTMAX-{n}" for n in range(1, 15)),
}


def configured(run: RunConfig, instruction: say.Instruction, *, cmd_set: bool = False) -> RunConfig:
    """``run`` with what ``instruction`` sets.

    ``cmd_set`` says that CMD was set in this stage: otherwise ENTRYPOINT takes an inherited CMD away.

    Raises:
        Wrong: a value that it can't have.
    """
    match instruction:
        case say.Env(pairs=pairs):
            return with_env(run, ((pair.key, pair.value) for pair in pairs))
        case say.Label(pairs=pairs):
            return replace(run, labels={**run.labels, **{pair.key: pair.value for pair in pairs}})
        case say.Workdir(path=path):
            return replace(run, working_dir=under(run.working_dir, path))
        case say.User(user=user):
            return replace(run, user=user)
        case say.Cmd(command=command):
            return replace(run, cmd=argv(run, command), args_escaped=True)
        case say.Entrypoint(command=command):
            words = argv(run, command) or None
            return replace(run, entrypoint=words, cmd=run.cmd if cmd_set else None)
        case say.Expose(ports=ports):
            return replace(run, exposed_ports=tuple(sorted({*run.exposed_ports, *ports})))
        case say.Volume(paths=paths):
            if not all(paths):
                raise Wrong("VOLUME specified can not be an empty string")
            return replace(run, volumes=tuple(sorted({*run.volumes, *paths})))
        case say.Shell(words=words):
            return replace(run, shell=words)
        case say.StopSignal(signal=name):
            check_signal(name)
            return replace(run, stop_signal=name)
        case say.Healthcheck():
            return replace(run, healthcheck=_health(instruction))
        case say.OnBuild(trigger=trigger):
            return replace(run, on_build=(*run.on_build, trigger))
    return run


def told(instruction: say.Instruction, run: RunConfig) -> str:
    """The history line of a configuration instruction; ``run`` is the config after it. "" for none."""
    match instruction:
        case say.Env(pairs=pairs):
            return " ".join(("ENV", *map(str, pairs)))
        case say.Label(pairs=pairs):
            return " ".join(("LABEL", *map(str, pairs)))
        case say.Arg(args=args):
            return " ".join(("ARG", *(a.key if a.value is None else f"{a.key}={a.value}" for a in args)))
        case say.Workdir():
            return f"WORKDIR {run.working_dir}"
        case say.User(user=user):
            return f"USER {user}"
        case say.Cmd():
            return f"CMD {quoted_list(run.cmd or ())}"
        case say.Entrypoint():
            return f"ENTRYPOINT {quoted_list(run.entrypoint or ())}"
        case say.Expose(ports=ports):
            return f"EXPOSE {plain_list(ports)}"
        case say.Volume(paths=paths):
            return f"VOLUME {plain_list(paths)}"
        case say.Shell(words=words):
            return f"SHELL {plain_list(words)}"
        case say.StopSignal(signal=name):
            return f"STOPSIGNAL {name}"
        case say.Healthcheck():
            return f"HEALTHCHECK {_health_text(instruction)}"
        case say.Maintainer(maintainer=name):
            return f"MAINTAINER {name}"
    return ""


def with_env(run: RunConfig, pairs: Iterable[tuple[str, str]]) -> RunConfig:
    """``run`` with variables set, each in its old place if it had one."""
    return replace(run, env=env_lines({**run.environment, **dict(pairs)}))


def env_lines(env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in env.items())


def argv(run: RunConfig, command: say.Command) -> tuple[str, ...]:
    """The words of ``command``; a shell form becomes one argument of the stage's SHELL."""
    if not command.shell:
        return command.words
    return (*(run.shell or DEFAULT_SHELL), " ".join(command.words))


def under(directory: str, path: str) -> str:
    """``path``, taken from ``directory`` if it is relative. An absolute path stays as it is written."""
    if path.startswith("/"):
        return path
    return clean("/" + directory + "/" + path)


def check_signal(name: str) -> None:
    """
    Raises:
        Wrong: no such signal.
    """
    number = name.removeprefix("+").removeprefix("-")
    if number.isascii() and number.isdecimal():
        if int(number[-20:]):
            return
    elif name.upper().removeprefix("SIG") in _SIGNALS:
        return
    raise Wrong(f"invalid signal: {name}", name)


def _health(check: say.Healthcheck) -> dict[str, Any]:
    values = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in values.items() if value}


def _health_text(check: say.Healthcheck) -> str:
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    spans = " ".join(f"{name}:{duration_text(value)}" for name, value in times.items())
    return f"{{Test:{plain_list(check.test)} {spans} Retries:{check.retries}}}"
