"""A load generator that costs little: HTTP/1.1 written by hand on open connections, pinned to one processor.

`python load.py` reads a plan as JSON from standard input and writes what it saw to standard output. In a closed load
each of `connections` sends its next request when its last one is answered. In an open load requests come at random
times (exponential gaps, `rate` a second), whether the others are answered or not, and latency counts from the time when
a request was due, also where no connection was free: nothing is left out because the server was slow.
"""

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections import Counter, deque
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One request at a time; who asked is told the status and how long the answer is."""

    def __init__(self):
        self.answered, self.buffer, self.wanted, self.status, self.transport = None, b"", None, 0, None
        self.size = 0

    def connection_made(self, transport):
        self.transport = transport

    def send(self, request, answered):
        self.answered, self.buffer, self.wanted, self.size = answered, b"", None, 0
        self.transport.write(request)

    def data_received(self, data):
        if self.wanted is None:
            self.buffer += data
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.status = int(head[9:12])
            lines = head.lower().split(b"\r\n")
            self.wanted = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            data = rest
        self.size += len(data)
        if self.size >= self.wanted:
            answered, self.answered = self.answered, None
            answered(self.status)

    def connection_lost(self, error):
        if self.answered is not None:
            self.answered(0)


def requests(plan):
    """The bytes of every request, in turns."""
    url = urlsplit(plan["url"])
    found = []
    for body in plan["bodies"]:
        content = body.encode()
        head = (
            f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\n"
            f"{plan.get('headers', '')}content-length: {len(content)}\r\n\r\n"
        )
        found.append(head.encode() + content)
    return found


class Load:
    """What was sent and seen."""

    def __init__(self, plan):
        url = urlsplit(plan["url"])
        self.plan, self.address, self.requests = plan, (url.hostname, url.port), requests(plan)
        self.seen, self.sent, self.free, self.due, self.tasks = [], 0, deque(), deque(), set()
        self.begin = self.end = 0.0

    async def connected(self):
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(Connection, *self.address) for _ in range(self.plan["connections"])]
        return [protocol for _, protocol in made]

    def start(self, connection, due, then):
        if connection.transport.is_closing():  # the server closed it while nothing was asked: another one is opened
            self.due.appendleft(due)
            then(None)
            return
        self.sent += 1
        request = self.requests[self.sent % len(self.requests)]
        sent = time.perf_counter()

        def answered(status):
            self.seen.append((due, sent, time.perf_counter(), status))
            then(connection if status else None)

        connection.send(request, answered)

    async def closed(self):
        over = asyncio.Event()
        left = len(connections := await self.connected())
        self.begin, self.end = time.perf_counter(), time.perf_counter() + self.plan["seconds"]

        def then(connection):
            nonlocal left
            if connection is not None and time.perf_counter() < self.end:
                self.start(connection, time.perf_counter(), then)
                return
            left -= 1
            if not left:
                over.set()

        for connection in connections:
            self.start(connection, time.perf_counter(), then)
        await over.wait()

    async def open(self):
        self.free.extend(await self.connected())
        chance, pause = random.Random(self.plan.get("seed", 0)), self.plan["rate"]
        self.begin = time.perf_counter()
        self.end = self.begin + self.plan["seconds"]
        at, waiting = self.begin, 0

        def then(connection):
            nonlocal waiting
            waiting -= 1
            if connection is None:
                self.tasks.add(loop.create_task(again()))
            elif self.due:
                waiting += 1
                self.start(connection, self.due.popleft(), then)
            else:
                self.free.append(connection)

        async def again():
            try:
                _, connection = await loop.create_connection(Connection, *self.address)
            except OSError:
                await asyncio.sleep(0.2)
                self.tasks.add(loop.create_task(again()))
                return
            if self.due:
                nonlocal waiting
                waiting += 1
                self.start(connection, self.due.popleft(), then)
            else:
                self.free.append(connection)

        loop = asyncio.get_running_loop()
        while at < self.end:
            if (wait := at - time.perf_counter()) > 0.0005:
                await asyncio.sleep(wait)
            elif wait > 0:
                await asyncio.sleep(0)
                continue
            if self.free:
                waiting += 1
                self.start(self.free.popleft(), at, then)
            else:
                self.due.append(at)
            at += chance.expovariate(pause)
        patience = time.perf_counter() + self.plan.get("patience", 60)
        while (waiting or self.due) and time.perf_counter() < patience:
            await asyncio.sleep(0.01)
        self.unanswered = waiting + len(self.due)


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def main():
    plan = json.loads(sys.stdin.read())
    if plan.get("processor") is not None:
        os.sched_setaffinity(0, {plan["processor"]})
    load = Load(plan)
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        import uvloop

        uvloop.run(load.open() if plan["mode"] == "open" else load.closed())
    except ImportError:
        asyncio.run(load.open() if plan["mode"] == "open" else load.closed())
    after = resource.getrusage(resource.RUSAGE_SELF)
    good = [(due, sent, now) for due, sent, now, status in load.seen if status == 200]
    taken = sorted(1e3 * (now - due) for due, _, now in good)
    open_s = sorted(now - sent for _, sent, now in good)
    late_s = sorted(sent - due for due, sent, _ in good)
    seconds = max((now for _, _, now, _ in load.seen), default=load.begin) - load.begin
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    statuses = Counter(status for *_, status in load.seen)
    json.dump(
        {
            "sent": load.sent,
            "statuses": {str(status): count for status, count in statuses.items()},
            "unanswered": getattr(load, "unanswered", 0),
            "seconds": seconds,
            "per_s": len(good) / seconds if seconds else 0.0,
            "p50_ms": percentile(taken, 0.5),
            "p95_ms": percentile(taken, 0.95),
            "p99_ms": percentile(taken, 0.99),
            "max_ms": taken[-1] if taken else None,
            "max_since_sent_ms": 1e3 * open_s[-1] if open_s else None,
            "sent_late_p99_ms": 1e3 * percentile(late_s, 0.99) if late_s else None,
            "generator_cpu": cpu / seconds if seconds else 0.0,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
