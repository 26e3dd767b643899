"""Where a learner's kernel runs: a process tree of an unprivileged user, with next to nothing of the machine.

It sees the programs under /usr, the interpreter, the kit, two directories that it may write to, and one socket: that
of its own locked engine. No network but loopback, no home, no course, no rubric, no variable of ours. Its processes,
memory, files and time are bounded.

Two ways lead there. ``bubblewrap`` makes namespaces; the engine's own ``supervisor`` needs none and works in any pod.
``none`` is no sandbox: what runs there can do what we can, so its scores can be forged.

Source: bwrap(1), setpriv(1), prlimit(1).
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import kit

INSIDE = "/opt/layerlab"
"""Where the sandbox has the kit, and the ``graders`` that tell nothing."""
_PACKAGES = Path(__file__).parent / "inside"
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_TMP = 256 << 20


class Kind(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    SUPERVISOR = "supervisor"
    NONE = "none"


@dataclass(frozen=True)
class Box:
    """One sandbox. ``scratch`` is a directory of ours, for what has to be laid out; ``writable`` and ``shown`` have
    the same path inside, ``more`` maps paths inside to ours. ``network``: it shares ours, which has loopback alone.
    ``processes``, ``memory`` and ``file`` (bytes), ``seconds`` (of CPU) are bounds of the whole, or of each process.
    """

    scratch: Path
    user: int
    writable: tuple[Path, ...]
    shown: tuple[Path, ...] = ()
    more: Mapping[str, Path] = field(default_factory=dict)
    network: bool = False
    processes: int = 128
    memory: int = 3 << 30
    file: int = 256 << 20
    seconds: int = 600

    def command(self, kind: Kind, words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> list[str]:
        """``words`` as they are to be started from outside; inside they have ``environment`` and nothing else."""
        if kind is Kind.BUBBLEWRAP:
            return [*self._bubblewrap(environment, cwd), *self._limits(), *self._user(), *words]
        if kind is Kind.SUPERVISOR:
            return self._supervisor(words, environment, cwd)
        return ["env", "-i", "-C", str(cwd), *_lines(environment), *words]

    # --- bubblewrap

    def _bubblewrap(self, environment: Mapping[str, str], cwd: Path) -> list[str]:
        words = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]
        words += ["--die-with-parent", "--clearenv"]
        words += [] if self.network else ["--unshare-net"]
        for name, value in environment.items():
            words += ["--setenv", name, value]
        if os.geteuid() == 0:
            words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            words += ["--cap-add", "CAP_SETPCAP"]
        else:
            words += ["--unshare-user", "--uid", str(self.user), "--gid", str(self.user), "--cap-drop", "ALL"]
        words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(_TMP), "--tmpfs", "/tmp"]
        words += ["--perms", "1777", "--size", str(_TMP), "--tmpfs", "/dev/shm"]
        for link, target in self._links():
            words += ["--symlink", target, link]
        made: set[Path] = set()
        for inside, ours, how in self._views():
            for above in reversed(Path(inside).parents[:-1]):
                if above not in made and str(above) not in ("/tmp", "/usr"):
                    words += ["--perms", "0755", "--dir", str(above)]
                    made.add(above)
            words += [how, str(ours), inside]
        return [*words, "--remount-ro", "/", "--chdir", str(cwd), "--"]

    def _user(self) -> list[str]:
        """To the unprivileged user, for good; who is not root is one already."""
        if os.geteuid() != 0:
            return []
        who = ["--reuid", str(self.user), "--regid", str(self.user), "--clear-groups"]
        return ["setpriv", *who, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]

    def _limits(self) -> list[str]:
        bounds = {"nproc": self.processes, "as": self.memory, "fsize": self.file, "cpu": self.seconds}
        return [
            "prlimit",
            "--core=0",
            "--nofile=1024",
            *(f"--{name}={value}" for name, value in bounds.items()),
            "--",
        ]

    def _views(self) -> Iterator[tuple[str, Path, str]]:
        """(path inside, ours, how), those above before those below."""
        read_only = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), *self.shown}
        read_only |= {Path("/", name) for name in _TOP if _is_directory(Path("/", name))}
        read_only |= {Path("/etc", name) for name in _ETC if Path("/etc", name).exists()}
        views = {str(path): (path, "--ro-bind") for path in read_only if not _is_under_usr(path)}
        views |= {inside: (path, "--ro-bind") for inside, path in {**self.more, **self._own()}.items()}
        views |= {str(path): (path, "--bind") for path in self.writable}
        for inside, (ours, how) in sorted(views.items(), key=lambda view: view[0].count("/")):
            yield inside, ours, how

    def _own(self) -> dict[str, Path]:
        """The kit, the silent graders, and who we are. An installed package of graders is hidden behind them."""
        accounts = {"passwd": f"root:x:0:0::/root:/bin/sh\nlearner:x:{self.user}:{self.user}::/tmp:/bin/sh\n"}
        accounts["group"] = f"root:x:0:\nlearner:x:{self.user}:\n"
        for name, text in accounts.items():
            (self.scratch / name).write_text(text)
        silent = _PACKAGES / "graders"
        views = {f"/etc/{name}": self.scratch / name for name in accounts}
        views |= {f"{INSIDE}/kit": Path(kit.__file__).parent, f"{INSIDE}/graders": silent}
        installed = Path(sysconfig.get_path("purelib"), "graders")
        return views | ({str(installed): silent} if installed.is_dir() else {})

    @staticmethod
    def _links() -> list[tuple[str, str]]:
        """/bin and its like, where they are links into /usr."""
        return [(f"/{name}", os.readlink(f"/{name}")) for name in _TOP if os.path.islink(f"/{name}")]

    # --- the engine's supervisor

    def _supervisor(self, words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> list[str]:
        rootfs = self.scratch / "rootfs"
        for directory in ("etc", "tmp", "opt"):
            (rootfs / directory).mkdir(parents=True, exist_ok=True)
        for link, target in self._links():
            if not os.path.islink(f"{rootfs}{link}"):
                os.symlink(target, f"{rootfs}{link}")
        mounts = [
            {"source": str(ours), "target": inside, "read_only": how == "--ro-bind"}
            for inside, ours, how in (("/usr", Path("/usr"), "--ro-bind"), *self._views())
        ]
        task = {
            "sandbox": {
                "rootfs": str(rootfs),
                "owners": str(self.scratch / "owners"),
                "hostname": "learner",
                "network": "none",
                "mounts": [*mounts, {"source": "", "target": "/tmp", "read_only": False}],
                "read_only": True,
                "pids": self.processes,
                "memory": self.memory,
                "ulimits": {"fsize": [self.file] * 2, "cpu": [self.seconds] * 2, "core": [0, 0]},
            },
            "process": {
                "argv": list(words),
                "env": _lines(environment),
                "cwd": str(cwd),
                "uid": self.user,
                "gid": self.user,
                "privileges": False,
            },
        }
        spec = self.scratch / "cage.json"
        spec.write_text(json.dumps(task))
        return [sys.executable, "-m", "kit.engine.isolators.cage", str(spec)]


def find_kind() -> Kind:
    """The best sandbox that this machine allows, found by trying."""
    return next((kind for kind in (Kind.BUBBLEWRAP, Kind.SUPERVISOR) if works(kind)), Kind.NONE)


def works(kind: Kind) -> bool:
    """Whether a program that runs there is another user and can't see the root file system of this machine."""
    if kind is Kind.BUBBLEWRAP and not all(map(shutil.which, ("bwrap", "setpriv", "prlimit"))):
        return False
    import tempfile

    with tempfile.TemporaryDirectory(prefix="layerlab-try-") as name:
        scratch, work = Path(name, "scratch"), Path(name, "work")
        for directory in (scratch, work):
            directory.mkdir()
        box = Box(scratch, user=first_user(), writable=(work,))
        give(work, box.user)
        script = "import os; print(os.geteuid(), os.path.exists(os.environ['HIDDEN']))"
        words = box.command(kind, [sys.executable, "-I", "-c", script], {"HIDDEN": str(scratch)}, work)
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0 and done.stdout.split() == [str(box.user), "False"]


def first_user() -> int:
    """A user of this process's own, so that the processes of several sandboxes are counted apart."""
    return 61000 + os.getpid() % 4000


def give(path: Path, user: int) -> None:
    """Makes ``path`` the user's. The supervisor knows only owners that it has recorded: for it the mode counts.

    Nobody else comes as far as to ``path``: the booth above it is ours alone.
    """
    if not path.is_symlink():
        path.chmod(0o777 if path.is_dir() else 0o666)
    if os.geteuid() == 0:
        os.chown(path, user, user, follow_symlinks=False)


def _lines(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_under_usr(path: Path) -> bool:
    return path != Path("/usr") and path.is_relative_to("/usr")
