"""What a request is told of its time, and what is told of it meanwhile; without a server."""

import asyncio
import time
from typing import Any

import pytest

from sizewise.serve import metrics
from sizewise.serve.batcher import Batcher
from sizewise.serve.gate import Gate
from sizewise.serve.post import Answer, Post
from sizewise.serve.service import Service
from sizewise.serve.settings import Settings
from sizewise.serve.state import State
from sizewise.serve.turns import Turns


@pytest.fixture
def visited():
    """`visited(answer, receive, headers)`: the status of a request that `answer(asked, call)` answers."""
    settings = Settings({}, quiet=True)
    state = State(settings, lambda: None)
    state.service = Service(settings, Batcher(waiting_s=2.0, longest_s=30.0), {}, Turns(1, 2.0, 1))

    def visit(answer, receive, headers):
        sent = []

        async def send(message):
            sent.append(message)

        gate = Gate(send, settings, state, {"/ask": Post("/ask", Any, answer, "", "")})
        head = [(b"content-type", b"application/json"), *headers]
        asyncio.run(gate({"type": "http", "method": "POST", "path": "/ask", "headers": head}, receive, send))
        return sent[0]["status"]

    yield visit
    state.service.close()


def test_a_deadline_begins_before_the_body(visited):
    arrived, deadlines = [], []

    async def receive():
        await asyncio.sleep(0.05)
        arrived.append(time.monotonic())
        return {"type": "http.request", "body": b"{}"}

    async def answer(asked, call):
        deadlines.append(call.deadline)
        return Answer(b"{}")

    for headers, seconds in [([(b"x-deadline-ms", b"20000")], 20.0), ([], 30.0)]:
        assert visited(answer, receive, headers) == 200
        assert deadlines.pop() < arrived[-1] + seconds


def test_who_waits_is_seen_while_he_waits(visited):
    sizes = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def answer(asked, call):
        sizes.append(queued())
        return Answer(b"{}")

    visited(answer, receive, [])
    assert [*sizes, queued()] == [1, 0]


def queued():
    line = next(line for line in metrics.exposed().decode().splitlines() if line.startswith("te_queue_size "))
    return float(line.split()[1])
