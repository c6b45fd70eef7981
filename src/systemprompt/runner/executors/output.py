"""What a process or a job writes: cut into lines for the log, the end kept for the outcome. Memory stays small whatever comes."""

from __future__ import annotations

from systemprompt.runner.run_logs import RunLog

__all__ = ["LineCutter", "StreamLog", "Tail"]

TAIL_BYTES = 4 * 1024
"""How much of the end is kept."""

_MAX_LINE_BYTES = 8 * 1024


class Tail:
    """The last bytes of a stream."""

    def __init__(self, size: int = TAIL_BYTES) -> None:
        self._size = size
        self._kept = bytearray()
        self._cut = False

    def add(self, data: bytes) -> None:
        self._kept += data[-self._size :]
        if len(self._kept) > self._size or len(data) > self._size:
            self._cut = True
            del self._kept[: -self._size]

    def text(self) -> str:
        """Return it as text; where the beginning is missing, from the first whole line if there is one."""
        data = bytes(self._kept)
        if self._cut and 0 <= data.find(b"\n") < len(data) - 1:
            data = data[data.find(b"\n") + 1 :]
        return data.decode("utf-8", "replace").rstrip()

    def last_line(self) -> str | None:
        """Return the last line that is not blank, or None."""
        lines = [line.strip() for line in self.text().splitlines() if line.strip()]
        return lines[-1] if lines else None


class LineCutter:
    """Turns chunks into lines. An overlong line is cut, and its rest is passed over up to the next line break."""

    def __init__(self, longest: int = _MAX_LINE_BYTES) -> None:
        self._longest = longest
        self._partial = bytearray()
        self._passing_over = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that end in this chunk, without their line breaks."""
        lines = []
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._take(piece)
            lines.append(self._line())
        self._take(rest)
        return lines

    def end(self) -> list[str]:
        """Return the last line where it has no line break."""
        return [self._line()] if self._partial else []

    def _take(self, piece: bytes) -> None:
        room = self._longest - len(self._partial)
        if len(piece) > room:
            self._passing_over = True
        self._partial += piece[: max(room, 0)]

    def _line(self) -> str:
        text = self._partial.decode("utf-8", "replace").rstrip("\r")
        if self._passing_over:
            text += " ... (line cut)"
        self._partial.clear()
        self._passing_over = False
        return text


class StreamLog:
    """Both output streams of one attempt, into its run's log."""

    def __init__(self, log: RunLog, *, max_bytes: int) -> None:
        self.both = Tail()
        self.tails = {"stdout": Tail(), "stderr": Tail()}
        self._log = log
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._cutters = {"stdout": LineCutter(), "stderr": LineCutter()}

    def add(self, source: str, data: bytes) -> None:
        """Take a chunk of `stdout` or `stderr`."""
        self.both.add(data)
        self.tails[source].add(data)
        if self._left < 0 or self._log.full:
            return
        self._left -= len(data)
        if self._left < 0:
            data = data[: self._left] if self._left > -len(data) else b""
        self._write(source, self._cutters[source].feed(data))
        if self._left < 0:
            self.end()
            text = f"further output dropped: a run keeps its first {self._max_bytes} bytes, and the end in its outcome"
            self._log.write(text, level="WARNING", source="runner")

    def end(self) -> None:
        """Write lines that have no line break."""
        for source, cutter in self._cutters.items():
            self._write(source, cutter.end())

    def _write(self, source: str, lines: list[str]) -> None:
        # What a program says on stderr is not always an error; it is always worth a look.
        level = "INFO" if source == "stdout" else "WARNING"
        for line in lines:
            self._log.write(line, level=level, source=source)
