"""Says that this process lives, and finds the turns of those that do not."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

import structlog

from service.errors import LogUnavailable
from service.storage.redis.connection import Command, milliseconds
from service.storage.redis.process import Process

logger = structlog.get_logger()

_RENEWALS = 3
"""How often a lease is renewed while it would last."""

_RETURN_S = 2.0
"""How long others need at most to try Redis again, and to bring back what it has lost."""


class Lease:
    """The lease of one process.

    A process that could not renew its own cannot tell whether others could, so it takes nothing
    over until they have had the time to. After a failure Redis may also have lost what it had:
    until its owners have had the time to bring it back, nobody knows what is missing for good.
    """

    def __init__(
        self,
        process: Process,
        adopt: Callable[[str, str], Awaitable[None]],
        look: Callable[[Mapping[str, str]], Awaitable[None]],
        owns: Callable[[str], bool],
    ) -> None:
        """`adopt` gets the id and the owner of an orphan.

        `look` gets the turns that run, and their owners, after each renewal. `owns` tells whether
        this process has a turn.
        """
        self._name = process.name
        self._redis = process.redis
        self._keys = process.keys
        self._times = process.times
        self._adopt = adopt
        self._look = look
        self._owns = owns
        self._owners: Mapping[str, str] = {}
        self._renewed = asyncio.Event()
        self._renewed_at = 0.0
        self._patient_until = 0.0
        self._unsure_until = 0.0

    @property
    def unsure(self) -> bool:
        """Tell whether Redis may lack what its owners have yet to bring back."""
        return time.monotonic() < self._unsure_until

    def doubt(self) -> None:
        """Take note that Redis could not be reached."""
        self._wait_for_others()
        self._unsure_until = self._patient_until + _RETURN_S

    async def run(self) -> None:
        """Renew until cancelled; nothing else is done between two renewals."""
        while True:
            try:
                await self._renew()
            except LogUnavailable:
                self.doubt()
            self._renewed.set()
            await asyncio.sleep(self._times.lease_s / _RENEWALS)

    async def care(self) -> None:
        """Look after each renewal, and find orphans, until cancelled."""
        while True:
            await self._renewed.wait()
            self._renewed.clear()
            owners = self._owners
            try:
                await self._look(owners)
                if time.monotonic() >= self._patient_until:
                    await self._find_orphans(owners)
            except LogUnavailable:
                self.doubt()

    async def end(self) -> None:
        """End the lease: nothing is owned any more.

        Raises:
            LogUnavailable: it ends by itself.
        """
        keys = self._keys
        await self._redis.ask("DEL", keys.lease(self._name), keys.inbox(self._name))

    async def _renew(self) -> None:
        lease_ms = milliseconds(self._times.lease_s)
        began_at = time.monotonic()
        _, _, running = await self._redis.ask_all(
            (
                ("SET", self._keys.lease(self._name), "1", "PX", lease_ms),
                ("PEXPIRE", self._keys.running, milliseconds(self._times.run_s)),
                ("HGETALL", self._keys.running),
            )
        )
        now = time.monotonic()
        if now - max(self._renewed_at, began_at - self._times.lease_s) > self._times.lease_s:
            self._wait_for_others()
        self._renewed_at = now
        self._owners = _pairs(running)

    def _wait_for_others(self) -> None:
        self._patient_until = time.monotonic() + self._times.lease_s

    async def _find_orphans(self, running: Mapping[str, str]) -> None:
        """Adopt what nobody owns; what this process could adopt only half counts as well."""
        owners = sorted(set(running.values()) - {self._name})
        asked: Sequence[Command] = [("EXISTS", self._keys.lease(each)) for each in owners]
        alive = await self._redis.ask_all(asked) if asked else []
        dead = {owner for owner, there in zip(owners, alive, strict=True) if not there}
        for request_id, owner in running.items():
            if owner in dead or (owner == self._name and not self._owns(request_id)):
                if time.monotonic() - self._renewed_at > self._times.lease_s / _RENEWALS:
                    # Its own lease comes first, and who was dead may live meanwhile.
                    return
                await self._adopt(request_id, owner)


def _pairs(reply: object) -> dict[str, str]:
    flat = [each.decode() for each in cast("list[bytes]", reply)]
    return dict(zip(flat[::2], flat[1::2], strict=True))
