"""What a container says: the engine's stream format, and the protocol of ``sandbox/run.py`` in it."""

from __future__ import annotations

import struct

READY = b"agentbench-ready\n"
START = b"agentbench-start\n"
REFUSED = b"agentbench-refused "
REPORT = b"agentbench-report "
REPORT_BYTES = 64


class Conversation:
    """What came over the attached socket so far: the two streams, and how far the program got."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._frames = bytearray()
        self.ready = False
        self.started = False
        self.refused: str | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes of the engine's stream format: 8 bytes of header (stream, length), content."""
        self._frames += data
        while len(self._frames) >= 8:
            stream, length = struct.unpack(">BxxxL", self._frames[:8])
            if len(self._frames) < 8 + length:
                return
            (self.stderr if stream == 2 else self.stdout).extend(self._frames[8 : 8 + length])
            del self._frames[: 8 + length]
            self._advance()

    def _advance(self) -> None:
        if not self.ready and self.stdout.startswith(READY):
            del self.stdout[: len(READY)]
            self.ready = True
        if self.ready and not self.started:
            if self.stdout.startswith(START):
                del self.stdout[: len(START)]
                self.started = True
            elif self.stdout.startswith(REFUSED) and b"\n" in self.stdout:
                self.refused = (
                    bytes(self.stdout[len(REFUSED) :]).partition(b"\n")[0].decode("utf-8", "replace")
                )

    @property
    def over_limit(self) -> bool:
        """One stream of the program holds more than the limit; the report in stdout does not count."""
        return self.started and (
            len(self.stdout) > self.limit + REPORT_BYTES or len(self.stderr) > self.limit
        )

    def report(self) -> tuple[int, int, int] | None:
        """Take (exit code, signal, kills for memory) off the end of stdout; None if it is not there."""
        tail = bytes(self.stdout[-REPORT_BYTES:])
        if not tail.startswith(REPORT):
            return None
        del self.stdout[-REPORT_BYTES:]
        try:
            exit_code, signalled, kills = (int(part) for part in tail[len(REPORT) :].split())
        except ValueError:
            return None
        return exit_code, signalled, kills

    def texts(self) -> tuple[str, str]:
        """Both streams cut to the limit; what is not UTF-8 is replaced."""
        return (
            bytes(self.stdout[: self.limit]).decode("utf-8", "replace"),
            bytes(self.stderr[: self.limit]).decode("utf-8", "replace"),
        )
