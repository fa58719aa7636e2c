"""Threads with a queue that has an end."""

import asyncio
import contextvars
import threading
import time

import pytest

from sizewise.serve.batcher import Full
from sizewise.serve.turns import Turns

VARIABLE = contextvars.ContextVar("variable", default="none")


@pytest.fixture
def turns():
    found = Turns(2, waiting_s=0.2, most=20)
    yield found
    found.close()


def test_work_has_the_context_of_its_caller(turns):
    async def main():
        VARIABLE.set("mine")
        return await turns.of(lambda: (VARIABLE.get(), threading.current_thread().name))

    found, name = asyncio.run(main())
    assert (found, name[:4]) == ("mine", "turn")


def test_what_it_raises(turns):
    with pytest.raises(ZeroDivisionError):
        asyncio.run(turns.of(lambda: 1 / 0))
    assert turns.wait_s == 0


def test_the_queue_has_an_end(turns):
    async def main():
        for _ in range(50):
            await turns.of(lambda: time.sleep(0.01))  # what is usual
        assert 0.005 < turns._usual_s < 0.1
        turns._usual_s = 0.1
        over = threading.Event()
        held = [asyncio.ensure_future(turns.of(over.wait)) for _ in range(6)]
        await asyncio.sleep(0.01)
        assert turns.wait_s == pytest.approx(0.25)
        with pytest.raises(Full) as found:
            await turns.of(time.monotonic)
        assert found.value.retry_after == pytest.approx(0.25)
        over.set()
        await asyncio.gather(*held)
        assert turns.wait_s == 0

    asyncio.run(main())


def test_a_burst_at_the_start(turns):
    """Nothing is known yet of how long work takes."""

    async def main():
        over = threading.Event()
        held = [asyncio.ensure_future(turns.of(over.wait)) for _ in range(20)]
        await asyncio.sleep(0.01)
        with pytest.raises(Full):
            await turns.of(time.monotonic)
        over.set()
        await asyncio.gather(*held)

    asyncio.run(main())


def test_who_is_gone_before_its_turn_is_not_begun(turns):
    async def main():
        over, begun = threading.Event(), []
        held = [asyncio.ensure_future(turns.of(over.wait)) for _ in range(2)]
        gone = asyncio.ensure_future(turns.of(lambda: begun.append(1)))
        await asyncio.sleep(0.01)
        gone.cancel()
        held[0].cancel()  # its thread goes on, and counts until it ends
        await asyncio.sleep(0.01)
        assert turns._under_way == 2
        over.set()
        await held[1]
        await turns.of(lambda: None)
        assert not begun

    asyncio.run(main())
