"""What every command is given of the command line it was called from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from systemprompt.clock import Clock
    from systemprompt.operations.context import OperationContext

__all__ = ["CliSettings", "user_name"]


class CliSettings:
    """The global flags, the streams and the surroundings. A plain class: a dataclass more would cost every start 0.3 ms.

    format        `text` for people, `json` or `yaml` for programs
    profile       what `--profile` says, not yet looked for
    color         whether colours may be used where a person reads; NO_COLOR and `--no-color` say no
    width         columns of the terminal; None where stdout is not one, and then nothing is wrapped or cut
    """

    __slots__ = (
        "clock",
        "color",
        "cwd",
        "environ",
        "format",
        "profile",
        "quiet",
        "stderr",
        "stdout",
        "verbose",
        "width",
    )

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        cwd: str,
        stdout: TextIO,
        stderr: TextIO,
        clock: Clock | None = None,
        width: int | None = None,
        color: bool = False,
        format: str = "text",  # noqa: A002  # the word that the flags use
        profile: str | None = None,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self.environ = environ
        self.cwd = cwd
        self.stdout = stdout
        self.stderr = stderr
        self.clock = clock
        self.width = width
        self.color = color
        self.format = format
        self.profile = profile
        self.quiet = quiet
        self.verbose = verbose

    @property
    def for_people(self) -> bool:
        """Whether a person reads the answer."""
        return self.format == "text"

    @property
    def wants_progress(self) -> bool:
        """Whether to say on stderr how far the work is."""
        return self.for_people and not self.quiet

    def the_clock(self) -> Clock:
        from systemprompt.clock import SystemClock

        return self.clock or SystemClock()

    def context(self) -> OperationContext:
        """Return what an operation is given of this call."""
        from systemprompt.operations.context import OperationContext

        return OperationContext(
            actor=f"cli:{user_name(self.environ)}",
            environ=self.environ,
            cwd=self.cwd,
            clock=self.clock,
            profile=self.profile,
        )


def user_name(environ: Mapping[str, str]) -> str:
    """Return the user's name as the system knows it. A service and a container often have no USER, or somebody else's."""
    import os
    import pwd

    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a number that no list has
        return environ.get("USER") or environ.get("LOGNAME") or str(uid)
