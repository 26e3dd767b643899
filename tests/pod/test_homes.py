"""Other homes than Binder: what each of them allows, and that a learner gets from nothing to a pushed image there."""

from collections.abc import Callable
from typing import Any

import pytest
from docker.models.containers import Container

RESTRICTED: dict[str, Any] = {"security_opt": ["no-new-privileges"], "cap_drop": ["ALL"]}
HOMES: dict[str, dict[str, Any]] = {
    "colab": {"user": "0", "tmpfs": {"/home/jovyan": "exec,size=1g"}},
    "kubernetes": {"user": "1000", "read_only": True, **RESTRICTED},
}
"""Google Colab: root in a container that may not mount. Kubernetes' restricted profile, with a root file system that
nobody may write to, and one writable home."""
PATH = """
import kit

kit.connect()
kit.parents("busybox:1")
kit.build(dockerfile="FROM busybox:1\\nRUN echo made here > /made\\n", tag="mine:1")
assert kit.run("mine:1", "cat", "/made").out == "made here\\n"
kit.tag("mine:1", f"{kit.registry()}/mine:1")
print(kit.push(f"{kit.registry()}/mine:1").digest)
"""


def inside(home: Container, *words: str, **how: Any) -> str:
    code, output = home.exec_run(list(words), workdir="/home/jovyan", **how)
    assert code == 0, output.decode(errors="replace")[-6000:]
    return output.decode(errors="replace")


@pytest.mark.parametrize("name", HOMES)
def test_from_nothing_to_a_pushed_image(name: str, run_home: Callable[..., Container]) -> None:
    home = run_home(**HOMES[name])
    assert "sha256:" in inside(home, "python3", "-c", PATH)
    assert '"seccomp"' in inside(home, "python3", "-m", "kit.lab.cli", "engine", "status", "--json")


def test_two_users_of_one_machine_do_not_meet(run_home: Callable[..., Container]) -> None:
    """As on The Littlest JupyterHub: each has an engine and a registry, and reaches no one else's."""
    machine = run_home(user="0", tmpfs={"/home/jovyan": "mode=0755,exec,size=1g"})
    people = {"ada": 1001, "bob": 1002}
    sockets = {}
    for name, number in people.items():
        inside(machine, "sh", "-c", f"mkdir -m 0755 {name} && chown {number}:{number} {name}")
        who = {"user": f"{number}:{number}", "environment": {"HOME": f"/home/jovyan/{name}", "USER": name}}
        inside(machine, "python3", "-c", PATH, **who)
        address = inside(machine, "python3", "-m", "kit.lab.cli", "engine", "start", **who)
        sockets[name] = address.strip().removeprefix("DOCKER_HOST=unix://")
    assert sockets["ada"] != sockets["bob"]
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({sockets['ada']!r})"
    inside(machine, "python3", "-c", connect, user="1001:1001")
    code, output = machine.exec_run(["python3", "-c", connect], user="1002:1002")
    assert code != 0 and b"PermissionError" in output
    code, output = machine.exec_run(["ls", "/home/jovyan/ada/.local/share/layerlab"], user="1002:1002")
    assert code != 0, "nobody looks into another one's images"
