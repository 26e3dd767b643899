"""One submission's booth: its directories, its sandbox, and what the learner's kernel finds there.

ROOT/run     the kernel's connection file and sockets    (the learner's, in the sandbox under the same path)
ROOT/work    the submission's files                      (likewise; the one folder that the engine binds from)
ROOT/door    the engine's socket                         (seen in the sandbox)
ROOT/shown   patients                                    (seen in the sandbox)
ROOT/…       the engine, the registry, the lock: ours alone
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import kit
from graders.course.sandbox import INSIDE, Box, Kind, give
from kit.errors import Invalid


@dataclass(frozen=True)
class Booth:
    """``words``: notebook number to the learner's word. ``registry``: address of the class registry, or "".

    ``alone``: the process that works here is in a network of its own, which has loopback alone.
    """

    root: Path
    kind: Kind
    user: int
    words: dict[str, str] = field(default_factory=dict)
    registry: str = ""
    alone: bool = False

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def shown(self) -> Path:
        return self.root / "shown"

    @property
    def socket(self) -> Path:
        return self.root / "door" / "engine.sock"

    @property
    def outside(self) -> dict[str, str]:
        """What the sandbox's own programs need to be found with."""
        return {"PYTHONPATH": str(Path(kit.__file__).parents[1])}

    @classmethod
    def lay_out(cls, booth: "Booth") -> "Booth":
        """Makes the directories, and writes down what the kernel's provisioner reads."""
        for directory in (booth.run, booth.work, booth.shown, booth.socket.parent, booth.root / "scratch"):
            directory.mkdir(mode=0o755)
        for directory in (booth.run, booth.work):
            give(directory, booth.user)
        facts = {"kind": booth.kind, "user": booth.user, "words": booth.words, "registry": booth.registry}
        (booth.root / "booth.json").write_text(json.dumps(facts | {"alone": booth.alone}))
        return booth

    @classmethod
    def read(cls, root: Path) -> "Booth":
        """The booth that was laid out at ``root``.

        Raises:
            Invalid: none was.
        """
        try:
            facts = json.loads((root / "booth.json").read_text())
            return cls(root, Kind(facts.pop("kind")), **facts)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{str(root)!r} is no booth to run a kernel in: {error}") from error

    def command(self, words: list[str]) -> list[str]:
        """``words`` as they run in this booth's sandbox."""
        patients = {f"{INSIDE}/{file.name}": file for file in self.shown.iterdir()}
        box = Box(
            self.root / "scratch",
            self.user,
            writable=(self.run, self.work),
            shown=(self.socket.parent,),
            more=patients,
            network=self.alone,
        )
        return box.command(self.kind, words, self._environment(), self.work)

    def _environment(self) -> dict[str, str]:
        found = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONPATH": INSIDE,
            "PYTHONDONTWRITEBYTECODE": "1",
            "JUPYTER_PLATFORM_DIRS": "1",
            "IPYTHONDIR": "/tmp/ipython",
            "LAYERLAB_HOME": "/tmp/layerlab",
            "LAYERLAB_WORDS": json.dumps(self.words),
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_BUILDKIT": "0",
        }
        return found | ({"LAYERLAB_REGISTRY": self.registry} if self.registry else {})


def open_socket(booth: Booth) -> None:
    """Lets the learner's user through the door; nobody else comes as far as to it."""
    os.chmod(booth.socket, 0o666)
