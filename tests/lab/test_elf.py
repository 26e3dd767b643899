"""Programs: written byte by byte, compiled, and read."""

import subprocess
import sys
from pathlib import Path

import pytest

import kit
from kit.lab.elf import NotElf


def run(program: bytes, tmp_path: Path) -> str:
    file = tmp_path / "program"
    file.write_bytes(program)
    file.chmod(0o755)
    return subprocess.run([file], capture_output=True, text=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("text", ["Hello from a layer!\n", "", "ümlaut ✓\n", "x" * 5000])
def test_a_tiny_program_prints_its_text(tmp_path, text):
    program = kit.elf.tiny(text)
    assert run(program, tmp_path) == text and len(program) < 160 + len(text.encode())
    assert str(kit.elf.needs(program)) == "nothing: it is whole"


def test_the_size_of_the_first_image():
    assert len(kit.elf.tiny("Hello from a layer!\n", machine="x86_64")) == 176


def test_a_dynamic_program_needs_its_loader_and_the_c_library(tmp_path):
    program = kit.elf.dynamic("Hello\n")
    needs = kit.elf.needs(program)
    assert needs.libraries == ("libc.so.6",) and Path(needs.loader).exists() and run(program, tmp_path) == "Hello\n"
    assert kit.elf.library("libc.so.6")[:4] == kit.elf.library(needs.loader)[:4] == b"\x7fELF"


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_compiled_program_greets(tmp_path, kind):
    program = kit.elf.compile(kind)
    assert run(program, tmp_path) == "Hello from a layer!\n"
    assert bool(kit.elf.needs(program).loader) == (kind == "dynamic")


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_without_a_compiler_the_course_brings_the_program(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(kit.elf.compile(kind), tmp_path) == "Hello from a layer!\n"
    assert "no C compiler is installed here" in capsys.readouterr().out


def test_source_that_does_not_compile():
    with pytest.raises(kit.Invalid, match="it was not compiled"):
        kit.elf.compile("static", "int main( {")
    with pytest.raises(kit.Invalid, match="'static' or 'dynamic', not 'both'"):
        kit.elf.compile("both")


def test_a_program_for_another_machine_is_told_so():
    text = kit.elf.describe(kit.elf.tiny("x", machine="aarch64")).text()
    assert "made for aarch64, 64 bits" in text


def test_a_strip_tells_every_byte():
    strip = kit.elf.describe(kit.elf.tiny("Hello from a layer!\n", machine="x86_64"))
    assert [part.size for part in strip.parts] == [64, 56, 36, 20] and strip.size == 176
    assert kit.elf.describe(sys.executable).size == Path(sys.executable).stat().st_size


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\r\necho", b"text", b"\x7fELF" + b"\xff" * 100])
def test_what_is_no_program(data):
    with pytest.raises(NotElf):
        kit.elf.needs(data)


def test_a_script_from_windows_is_recognised():
    with pytest.raises(NotElf, match="carriage return"):
        kit.elf.describe(b"#!/bin/sh\r\necho hello\r\n")


def test_a_library_that_is_not_there():
    with pytest.raises(kit.NotFound, match=r"no library 'libnothing\.so'"):
        kit.elf.library("libnothing.so")
