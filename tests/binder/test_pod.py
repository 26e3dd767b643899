"""A stranger's path in the pod that a launch link starts: no network, no privilege, 2 GB, one processor.

The pod runs the image that repo2docker makes of ``binder/`` (see conftest.py) as Binder runs it. What is driven by
mouse and keyboard goes through Jupyter, which is all that a pod shows to the outside.
"""

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container
from driving import ONE_RUN, Lab, chromium, open_notebook, run_all
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PROJECT = Path(__file__).parents[2]
NETWORK, TOKEN = "layerlab-binder", "a-pod-of-the-tests"
POD: dict[str, Any] = {
    "user": "1000",
    "security_opt": ["no-new-privileges"],
    "cap_drop": ["ALL"],
    "mem_limit": "2g",
    "memswap_limit": "2g",
    "nano_cpus": 1_000_000_000,
}
LESSONS = sorted(path.stem for path in (PROJECT / "notebooks").glob("[01]*.ipynb"))
BY_MOUSE = [name for name in LESSONS if name[:2] in ("00", "03", "09")]
MEMORY, DISK = 1.2e9, 3e9


@pytest.fixture(scope="module")
def pod(dockerd: docker.DockerClient, image: str) -> Iterator[Container]:
    network = dockerd.networks.create(NETWORK, driver="bridge", internal=True)
    command = ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", f"--IdentityProvider.token={TOKEN}"]
    container = dockerd.containers.run(image, command, detach=True, network=NETWORK, **POD)
    try:
        yield container
    finally:
        container.remove(force=True)
        network.remove()


@pytest.fixture(scope="module")
def lab(pod: Container) -> Lab:
    """JupyterLab in the pod, once it answers."""
    pod.reload()
    url = f"http://{pod.attrs['NetworkSettings']['Networks'][NETWORK]['IPAddress']}:8888"
    begun = time.monotonic()
    while True:
        try:
            if httpx.get(f"{url}/api", timeout=2).is_success:
                break
        except httpx.TransportError:
            pass
        assert time.monotonic() - begun < 120, pod.logs().decode(errors="replace")[-4000:]
        time.sleep(0.1)
    print(f"\nJupyterLab answers {time.monotonic() - begun:.1f} s after it was asked first")
    return Lab(url, TOKEN)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def shell(pod: Container, script: str) -> str:
    """What a script prints that must succeed, with the environment of a terminal in the pod."""
    code, output = pod.exec_run(["bash", "-lc", script], workdir="/home/jovyan")
    assert code == 0, output.decode(errors="replace")[-6000:]
    return output.decode(errors="replace").strip()


def test_the_pod_is_as_bare_as_binders_and_its_engine_runs(pod: Container, lab: Lab) -> None:
    facts = shell(pod, "id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status | cut -f2")
    assert facts.split() == ["1000", "0000000000000000", "1"]
    assert '"seccomp"' in shell(pod, "layerlab engine status --json")
    code, _ = pod.exec_run(["python3", "-c", "import socket; socket.create_connection(('1.1.1.1', 443), 3)"])
    assert code != 0, "a pod of the tests reaches nothing outside"


@pytest.mark.parametrize("lesson", BY_MOUSE)
def test_a_lesson_is_run_by_mouse(lesson: str, pod: Container, lab: Lab, browser: Browser) -> None:
    page = open_notebook(browser, lab, f"notebooks/{lesson}.ipynb", "Light")
    run_all(page)
    expect(page.locator(".jp-OutputArea-output[data-mime-type*=error]")).to_have_count(0)
    page.context.close()


def test_the_docker_commands_are_typed_in_a_terminal(pod: Container, lab: Lab, browser: Browser) -> None:
    page = browser.new_page(extra_http_headers={"Authorization": f"token {lab.token}"})
    page.goto(f"{lab.url}/lab/workspaces/terminal?reset&token={lab.token}")
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.locator(".lm-Menu-item", has=page.get_by_text("New", exact=True)).first.hover()
    page.locator(".lm-Menu-item", has=page.get_by_text("Terminal", exact=True)).first.click()
    screen = page.locator(".jp-Terminal .xterm-screen")
    expect(screen).to_be_visible(timeout=ONE_RUN)
    screen.click()
    page.wait_for_timeout(2000)
    registry = shell(pod, "layerlab registry start").removeprefix("http://")
    for line in (
        "mkdir -p ctx && printf 'FROM busybox:1\\nRUN echo made > /made\\n' > ctx/Dockerfile",
        f"docker build -q -t {registry}/me/mine:1 ctx > built.txt",
        f"docker push -q {registry}/me/mine:1 > pushed.txt",
        f"docker run -it --rm {registry}/me/mine:1 sh",
        "tty; cat /made; exit 7",
        "echo $? > code.txt",
    ):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)
    begun = time.monotonic()
    while pod.exec_run(["test", "-s", "/home/jovyan/code.txt"])[0]:
        assert time.monotonic() - begun < 90, page.screenshot(path="/tmp/terminal.png")
        time.sleep(0.5)
    assert shell(pod, "cat code.txt") == "7"
    assert shell(pod, "cat pushed.txt") == f"{registry}/me/mine:1"
    assert shell(pod, "cat built.txt").startswith("sha256:")
    page.context.close()


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_solved_gives_full_marks_and_stays_small(lesson: str, pod: Container, lab: Lab) -> None:
    runner = io.BytesIO()
    with tarfile.open(fileobj=runner, mode="w") as tar:
        tar.add(PROJECT / "tests/notebooks/lesson.py", "lesson.py")
    pod.put_archive("/tmp", runner.getvalue())
    begun = time.monotonic()
    shell(pod, f"python3 /tmp/lesson.py solved ~/notebooks/{lesson}.ipynb /tmp")
    usage = pod.stats(stream=False)["memory_stats"]
    memory = usage["usage"] - usage["stats"].get("total_inactive_file", 0)
    disk = int(shell(pod, "du -sbx /home /tmp | awk '{s+=$1} END {print s}'"))
    print(
        f"\n{lesson}: {time.monotonic() - begun:.0f} s, {memory / 1e6:.0f} MB of memory, {disk / 1e6:.0f} MB of disk"
    )
    assert memory < MEMORY and disk < DISK
