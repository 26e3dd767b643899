"""The names that notebooks import."""

import subprocess
import sys
import time

import pytest

import kit


@pytest.mark.parametrize("name", [name for name in kit.__all__])
def test_every_public_name_is_there(name):
    assert getattr(kit, name) is not None


def test_a_name_that_is_not_there_says_which_are():
    with pytest.raises(AttributeError, match="kit has no 'biuld'; it has: build, "):
        kit.biuld  # noqa: B018


def test_import_is_quick_and_brings_nothing_heavy():
    heavy = "{'docker', 'httpx', 'IPython', 'tornado', 'kit.lab.build'}"
    code = f"import sys, kit; print(sorted({heavy} & set(sys.modules)))"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n" and time.monotonic() - began < 5
