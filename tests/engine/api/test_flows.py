"""Bytes between the loop and the threads: bounded, whole, and over when the client leaves."""

import asyncio
import threading

import pytest

from kit.engine.api.flows import LIMIT, ClientGone, Inflow, Outflow


def test_a_reader_gets_every_byte_and_waits_for_it() -> None:
    async def scene() -> bytes:
        inflow = Inflow(asyncio.get_running_loop())
        reading = asyncio.create_task(asyncio.to_thread(inflow.read))
        for piece in (b"one", b" two", b" three"):
            await inflow.feed(piece)
            await asyncio.sleep(0)
        inflow.finish()
        return await reading

    assert asyncio.run(scene()) == b"one two three"


def test_a_read_of_n_bytes_is_short_only_at_the_end() -> None:
    async def scene() -> list[bytes]:
        inflow = Inflow(asyncio.get_running_loop())
        for piece in (b"ab", b"cd", b"e"):
            await inflow.feed(piece)
        inflow.finish()
        return [await asyncio.to_thread(inflow.read, 3) for _ in range(3)]

    assert asyncio.run(scene()) == [b"abc", b"de", b""]


def test_a_sender_waits_for_a_slow_reader() -> None:
    async def scene() -> tuple[bool, bool]:
        inflow = Inflow(asyncio.get_running_loop())
        feeding = asyncio.create_task(inflow.feed(bytes(LIMIT + 1)))
        await asyncio.sleep(0.05)
        waited = not feeding.done()
        await asyncio.to_thread(inflow.read, LIMIT)
        await asyncio.wait_for(feeding, 5)
        return waited, feeding.done()

    assert asyncio.run(scene()) == (True, True)


def test_what_nobody_reads_is_thrown_away() -> None:
    async def scene() -> None:
        inflow = Inflow(asyncio.get_running_loop())
        feeding = asyncio.create_task(inflow.feed(bytes(LIMIT + 1)))
        await asyncio.sleep(0.05)
        inflow.discard()
        await asyncio.wait_for(feeding, 5)
        for _ in range(10):
            await asyncio.wait_for(inflow.feed(bytes(LIMIT)), 5)

    asyncio.run(scene())


def test_a_reader_learns_that_the_client_has_left() -> None:
    async def scene() -> None:
        inflow = Inflow(asyncio.get_running_loop())
        reading = asyncio.create_task(asyncio.to_thread(inflow.read))
        await inflow.feed(b"half")
        inflow.finish(gone=True)
        with pytest.raises(ClientGone):
            await reading

    asyncio.run(scene())


def test_a_writer_waits_for_a_slow_client_and_learns_that_it_has_left() -> None:
    async def scene() -> None:
        stuck = asyncio.Event()

        async def send(data: bytes) -> None:
            await stuck.wait()

        outflow = Outflow(asyncio.get_running_loop(), send)
        seen: list[str] = []

        def write() -> None:
            try:
                for _ in range(100):
                    outflow.put(bytes(LIMIT))
                seen.append("all")
            except ClientGone:
                seen.append("gone")

        writer = threading.Thread(target=write)
        writer.start()
        await asyncio.sleep(0.1)
        assert seen == []
        outflow.leave()
        await asyncio.to_thread(writer.join, 5)
        assert seen == ["gone"]
        stuck.set()

    asyncio.run(scene())


def test_pieces_arrive_in_order() -> None:
    async def scene() -> bytes:
        got: list[bytes] = []

        async def send(data: bytes) -> None:
            await asyncio.sleep(0)
            got.append(data)

        outflow = Outflow(asyncio.get_running_loop(), send)

        def write() -> None:
            for number in range(200):
                outflow.put(b"%d," % number)
            outflow.flush()

        await asyncio.to_thread(write)
        return b"".join(got)

    assert asyncio.run(scene()) == b"".join(b"%d," % number for number in range(200))
