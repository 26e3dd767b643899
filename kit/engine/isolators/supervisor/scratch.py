"""Where the supervisor puts what the kernel shall read instead of a program's own arguments: below its stack.

Source: the x86-64 psABI, "The Red Zone": 128 bytes below the stack pointer belong to the program.
"""

from kit.engine.isolators.supervisor.registers import Registers
from kit.engine.isolators.supervisor.tasks import Task

RED_ZONE = 128


def place_for(registers: Registers, size: int) -> int:
    """An address with room for ``size`` bytes, aligned for pointers."""
    return registers.stack - RED_ZONE - size & ~15


def put(task: Task, registers: Registers, data: bytes) -> int:
    """Writes ``data`` and returns where."""
    address = place_for(registers, len(data))
    task.process.memory.write(address, data)
    return address
