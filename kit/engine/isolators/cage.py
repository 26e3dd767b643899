"""``python -m kit.engine.isolators.cage FILE``: runs one program as a container of the supervisor, to its end.

``FILE`` is JSON: ``sandbox`` and ``process`` with the fields of ``contract.Sandbox`` and ``contract.Process``.
Standard input, output and error are the program's, SIGINT reaches it, its exit code is ours. SIGTERM ends every
process of the container, as does our own end.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from kit.engine.isolators.contract import Mount, Process, Sandbox, StartFailed, Stdio
from kit.engine.isolators.seccomp import Seccomp


def main(file: str) -> int:
    task = json.loads(Path(file).read_text())
    isolator = Seccomp()
    try:
        running = isolator.start(_sandbox(task["sandbox"]), _process(task["process"]), Stdio(0, 1, 2))
    except StartFailed as error:
        print(error, file=sys.stderr)
        return error.code
    signal.signal(signal.SIGINT, lambda number, _: running.signal(number))
    signal.signal(signal.SIGTERM, lambda *_: running.kill())
    code = running.wait()
    isolator.close()
    return code


def _sandbox(fields: dict[str, Any]) -> Sandbox:
    fields["mounts"] = tuple(Mount(**mount) for mount in fields.get("mounts", ()))
    fields["ulimits"] = {name: (soft, hard) for name, (soft, hard) in fields.get("ulimits", {}).items()}
    return Sandbox(**fields | {"rootfs": Path(fields["rootfs"]), "owners": Path(fields["owners"])})


def _process(fields: dict[str, Any]) -> Process:
    return Process(**fields | {name: tuple(fields[name]) for name in ("argv", "env")})


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(code)
