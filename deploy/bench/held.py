"""Sessions that wait: opens N of them at one node, each with a statement that is held, and says what the node's memory grows
by; then a part is approved, a part is cancelled, the rest goes away, and nothing may be left. Run by measure.py; standard
library only, and a client of its own, because ten thousand psql would measure the machine.

Memory is the node's resident set, its processes for the grammar not among them: they are as many with one session.
"""

import asyncio
import collections
import json
import os
import pathlib
import re
import ssl
import struct
import time
import urllib.request

ENV = os.environ
N = int(ENV["CS_BENCH_HELD"])
NODE = int(ENV["CS_BENCH_HELD_NODE"])
PID = int(ENV[f"CS_PID_{NODE}"])
HOST, PORT = ENV[f"CS_PG_{NODE}"].rsplit(":", 1)
# Logins at a time: a listener has no more than 256 places for one address that is not yet identified.
AT_A_TIME = 64
# What is approved, and what is cancelled; the others hang up.
APPROVED, CANCELLED = 100, 100
PATIENCE = 900
# Before the memory is looked at.
REST = 5

TLS = ssl.create_default_context(cafile=ENV["CS_CA"])
# TLS from the first byte, as libpq 17 does it with sslnegotiation=direct.
DIRECT = ssl.create_default_context(cafile=ENV["CS_CA"])
DIRECT.set_alpn_protocols(["postgresql"])


def resident():
    """In KiB."""
    return int(re.search(r"VmRSS:\s*(\d+)", pathlib.Path(f"/proc/{PID}/status").read_text())[1])


def descriptors():
    return len(os.listdir(f"/proc/{PID}/fd"))


def text_of(n):
    return f"DELETE FROM big WHERE part = -{n}"


class Session:
    """One client: logs in, and then says one statement that is held."""

    def __init__(self, number):
        self.number = number

    async def message(self):
        kind, length = struct.unpack(">cI", await self.reader.readexactly(5))
        return kind, await self.reader.readexactly(length - 4)

    async def until(self, wanted):
        while True:
            kind, body = await self.message()
            if kind == b"K":
                self.key = body
            if kind == b"E" and b"E" not in wanted:
                raise SystemExit(f"session {self.number}: {body!r}")
            if kind in wanted:
                return kind, body

    def query(self, text):
        body = text.encode() + b"\0"
        self.writer.write(b"Q" + struct.pack(">I", len(body) + 4) + body)

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, int(PORT), ssl=DIRECT, limit=4096)
        pairs = b"user\0app\0database\0" + ENV["CS_TARGET_PG"].encode() + b"\0\0"
        self.writer.write(struct.pack(">II", len(pairs) + 8, 196608) + pairs)
        await self.until([b"R"])
        token = ENV["CS_AGENT_TOKEN"].encode() + b"\0"
        self.writer.write(b"p" + struct.pack(">I", len(token) + 4) + token)
        await self.until([b"Z"])

    async def hold(self):
        self.query(text_of(self.number))
        _, body = await self.until([b"N"])
        self.id = re.search(rb"hold_[0-9a-f]+", body)[0].decode()

    async def end(self):
        kind, body = await self.until([b"E", b"C"])
        if kind == b"C":
            return "approved"
        return re.search(rb"\0C([0-9A-Z]{5})\0", b"\0" + body)[1].decode()

    async def cancel(self):
        _, writer = await asyncio.open_connection(HOST, int(PORT))
        writer.write(struct.pack(">II", 16, 80877102) + self.key)
        await writer.drain()
        writer.close()


async def all_of(calls):
    """So many at a time; the first failure ends it."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(call):
        async with places:
            return await call

    return await asyncio.gather(*(one(call) for call in calls))


def ask(path, body=None):
    request = urllib.request.Request(
        ENV["CS_API_1"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + ENV["CS_REVIEWER_TOKEN"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, context=TLS, timeout=30) as answer:
        return json.load(answer)


def approve(hold):
    seen = ask(f"/v1/holds/{hold}")
    body = {"decision": "approve", "comment": "bench", "fingerprint": seen["fingerprint"]}
    ask(f"/v1/holds/{hold}/decision", body)


def states():
    """How many holds of the bench are in which state, and how many of the pending ones have a client."""
    counted, cursor = collections.Counter(), ""
    while True:
        page = ask(f"/v1/holds?limit=1000{cursor}")
        for hold in page["items"]:
            if "FROM big WHERE part = -" in hold["operation"]["text"]:
                counted[hold["state"] + (", waited for" if hold["waiting"] else "")] += 1
        if not page.get("next"):
            return counted
        cursor = "&cursor=" + page["next"]


async def settled(wanted):
    deadline = time.monotonic() + PATIENCE
    while True:
        found = await asyncio.to_thread(states)
        if found == wanted:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"holds are {dict(found)}, not {dict(wanted)}")
        await asyncio.sleep(2)


async def rest():
    """The memory once what was begun is over."""
    await asyncio.sleep(REST)
    return resident()


async def main():
    # What the first sessions make the node allocate once is not theirs.
    first = [Session(N + n) for n in range(1, 21)]
    await all_of(one.connect() for one in first)
    before = await rest()
    sessions = [Session(n) for n in range(1, N + 1)]
    began = time.monotonic()
    await all_of(one.connect() for one in sessions)
    idle, opened = await rest(), time.monotonic() - began - REST
    began = time.monotonic()
    await all_of(one.hold() for one in sessions)
    holding = time.monotonic() - began
    held = await rest()
    await settled(collections.Counter({"pending, waited for": N}))
    print(f"| {N} | {(idle - before) / N:.0f} KiB | {(held - idle) / N:.0f} KiB | {held >> 10} MiB | {descriptors()} | {opened:.0f} s | {holding:.0f} s |", flush=True)

    some = min(APPROVED, N // 4)
    to_approve, to_cancel, others = sessions[:some], sessions[some : 2 * some], sessions[2 * some :]
    for one in to_approve:
        await asyncio.to_thread(approve, one.id)
    await all_of(one.cancel() for one in to_cancel)
    ends = collections.Counter(await asyncio.gather(*(one.end() for one in to_approve + to_cancel)))
    for one in others + to_approve + to_cancel + first:
        one.writer.transport.abort()
    found = await settled(collections.Counter({"consumed": some, "withdrawn": some, "pending": N - 2 * some}))
    left = descriptors()
    print(f"\nThe clients of {some} approved and {some} cancelled ones heard {dict(ends)}; the rest hung up. Holds then: {dict(found)}; {left} descriptors of the node are open.")
    if ends != collections.Counter({"approved": some, "57014": some}):
        raise SystemExit("not every session ended as it should")


if __name__ == "__main__":
    asyncio.run(main())
