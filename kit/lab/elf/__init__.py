"""Programs for Linux: written byte by byte, compiled, and read.

kit.elf.tiny("Hello!\\n")      the smallest whole program that prints a text
kit.elf.compile("dynamic")     the same from C, which needs a loader and a library
kit.elf.needs(program)         what it asks for before it can start
kit.elf.describe(program)      its parts, as a picture
kit.elf.library("libc.so.6")   the bytes of a library of this machine
"""

from kit.lab.elf.compiler import compile, library
from kit.lab.elf.read import Needs, NotElf, describe, needs
from kit.lab.elf.write import dynamic, tiny

__all__ = ["Needs", "NotElf", "compile", "describe", "dynamic", "library", "needs", "tiny"]
