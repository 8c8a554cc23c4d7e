"""Reading a turn from the log: the first response is a resume from 0."""

from collections.abc import AsyncIterator
from contextlib import closing

from service.ports import LogReader, Page


async def follow(reader: LogReader, wait_s: float) -> AsyncIterator[Page]:
    """Yield pages until the terminal emission; an empty page after every silence."""
    with closing(reader):
        while True:
            page = await reader.read(wait_s)
            yield page
            if page.emissions and page.emissions[-1].terminal:
                return
