"""Work that is given up when its task is to drain."""

import asyncio
from collections.abc import Awaitable

from consumer.kafka import compat


async def unless(asked: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do *work*, given up when *asked* is set; return whether it was done."""
    doing = asyncio.ensure_future(work)
    asking = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({doing, asking}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            await doing
        return doing.done()
    finally:
        for future in (doing, asking):
            future.add_done_callback(compat.seen)
            future.cancel()
        await asyncio.wait({doing, asking}, timeout=1)
