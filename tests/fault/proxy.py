"""
A small TCP proxy on loopback between members and broker: what a bad network does, on purpose and to the frame.

A frame of Kafka's protocol is its length and a body that begins with the request's number. Of the body nothing is read
but whose transaction it is about. An EndTxn (the request that ends a transaction) is held back for a moment, so that
transactions stand open long enough for a fault to find one; its connection can be cut just before or just after it has
been passed on; and it can be kept until its sender has given it up, to arrive at the worst moment: just before the next
InitProducerId (the fence) of the same transactional id.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto

INIT_PRODUCER_ID = 22
END_TXN = 26
"""Numbers of Kafka's protocol."""

ARRIVAL_SECONDS = 0.2
"""What a late EndTxn is given to arrive before the fence that follows it is passed on."""

LINGER_SECONDS = (0.03, 0.2)
"""How long a commit is held back: what a broker takes that waits for its replicas, on a slow day."""

Frame = bytes


class Cut(Enum):
    """Where a connection is cut that carries the end of a transaction; both leave its outcome unknown to the member."""

    BEFORE = auto()
    AFTER = auto()


class Link:
    """One connection of a client, and ours to the broker for it."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self._writers = (client, broker)

    def cut(self) -> None:
        """Break both, whatever is under way."""
        for writer in self._writers:
            writer.transport.abort()


class Proxy:
    """Passes on what comes to *port* to where the broker listens."""

    def __init__(self, port: int, behind: str, seed: int) -> None:
        self.links: set[Link] = set()
        self.commits = 0
        self._port = port
        self._host, _, behind_port = behind.partition(":")
        self._behind = int(behind_port)
        self._draw = random.Random(seed)
        self._cuts: list[Cut] = []
        self._to_keep = 0
        self._kept: dict[bytes, asyncio.Event] = {}

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Listen for as long as the context lasts."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        try:
            yield
        finally:
            server.close()
            self.cut(lambda: True)
            await server.wait_closed()

    def cut(self, which: Callable[[], bool]) -> int:
        """Cut every connection for which *which* says so; return how many there were."""
        cut = [link for link in self.links if which()]
        for link in cut:
            link.cut()
        return len(cut)

    def cut_commits(self, count: int) -> None:
        """Cut the connections of the next *count* ends of transactions, in turn before and after each."""
        self._cuts += itertools.islice(itertools.cycle((Cut.AFTER, Cut.BEFORE)), count)

    def keep_commits(self, count: int) -> None:
        """Keep the next *count* ends of transactions until their ids are fenced."""
        self._to_keep += count

    @property
    def idle(self) -> bool:
        """Whether every commit that was to be cut has been, and every one that was kept has arrived."""
        return not (self._cuts or self._to_keep or self._kept)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            broker_reader, broker_writer = await asyncio.open_connection(self._host, self._behind)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, broker_writer)
        self.links.add(link)
        ways = [
            asyncio.ensure_future(self._requests(link, reader, broker_writer)),
            asyncio.ensure_future(_answers(broker_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.links.discard(link)
            link.cut()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, link: Link, reader: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        """Pass on the client's requests, one frame after another."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[:4], "big") - 2)
                number = int.from_bytes(head[4:6], "big")
                if number == INIT_PRODUCER_ID and (kept := self._kept.pop(_transactional_id(frame), None)):
                    kept.set()
                    await asyncio.sleep(ARRIVAL_SECONDS)
                if number == END_TXN:
                    if self._to_keep:
                        await self._keep(frame, broker)
                        return
                    await asyncio.sleep(self._draw.uniform(*LINGER_SECONDS))
                    if reader.at_eof() or reader.exception() is not None or self._cut_commit(link, frame, broker):
                        # Its sender has died meanwhile, or it was to be cut: either way the connection is over.
                        return
                broker.write(frame)
                await broker.drain()

    async def _keep(self, frame: Frame, broker: asyncio.StreamWriter) -> None:
        """Keep the end of a transaction, whatever becomes of its sender, until its id is about to be fenced."""
        self._to_keep -= 1
        self._kept[_transactional_id(frame)] = fenced = asyncio.Event()
        await fenced.wait()
        broker.write(frame)
        await asyncio.sleep(ARRIVAL_SECONDS)

    def _cut_commit(self, link: Link, frame: Frame, broker: asyncio.StreamWriter) -> bool:
        """Cut the connection of an end of a transaction when one is to be cut; return whether it was."""
        self.commits += 1
        if not self._cuts:
            return False
        if self._cuts.pop() is Cut.AFTER:
            # Nothing else waits on this connection, so it has left when this returns; the answer will find nobody.
            broker.write(frame)
        link.cut()
        return True


def _transactional_id(frame: Frame) -> bytes:
    """
    Return what an EndTxn or InitProducerId begins with, behind the client's own id.

    >>> head = bytes(4) + bytes((0, END_TXN, 0, 1)) + bytes(4)
    >>> _transactional_id(head + bytes((0, 2)) + b"me" + bytes((0, 5)) + b"judge" + bytes(11))
    b'judge'
    """
    client = int.from_bytes(frame[12:14], "big")
    start = 14 + client + 2
    return frame[start : start + int.from_bytes(frame[start - 2 : start], "big")]


async def _answers(broker: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    """Pass on the broker's answers as they come."""
    with contextlib.suppress(ConnectionError):
        while data := await broker.read(256 * 1024):
            client.write(data)
            await client.drain()
