"""What our keys in Redis are called, and what they hold; every one of them expires."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of keys; `prefix` tells one installation from another."""

    prefix: str

    def turn(self, request_id: str) -> str:
        """A hash: who owns a turn, under which fencing number, and how far it has come.

        Of a turn that was deleted it has `forgotten`, and when that has ended nothing else.
        """
        return f"{self.prefix}:turn:{request_id}"

    def log(self, request_id: str) -> str:
        """A stream: the emissions of a turn; the number of one is the first part of its id."""
        return f"{self.prefix}:log:{request_id}"

    def lease(self, process: str) -> str:
        """A string that is there for as long as a process lives."""
        return f"{self.prefix}:process:{process}"

    def inbox(self, process: str) -> str:
        """A stream: what other processes tell one."""
        return f"{self.prefix}:inbox:{process}"

    @property
    def running(self) -> str:
        """A hash: the turns that run, and who owns them."""
        return f"{self.prefix}:running"
