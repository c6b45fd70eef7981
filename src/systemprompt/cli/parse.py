"""From an argument list to one call: which command, which global flags, which parameters.

Global flags may stand anywhere. The leaf's own flags come from the fields of its params dataclass, read only for the one command
that is called; `inspect`, `typing` and `argparse` stay unloaded (docs/decisions/0003-own-leaf-parser.md).
"""

from __future__ import annotations

from systemprompt.cli.table import COMMANDS, GROUPS, IN_ONE_WORD, LONG, METAVARS, SHORT, Command, Group
from systemprompt.errors import UsageError, unknown
from systemprompt.operations.operation import kind_of, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

__all__ = ["GLOBAL_FLAGS", "HOME_GROUP", "Call", "Flag", "flags_of", "parse", "respelled", "wanted_format"]

HOME_GROUP = "infra"
"""The group that may be left out: `sp jobs list` is `sp infra jobs list`."""

GLOBAL_FLAGS: tuple[tuple[str, str | None, str | None, str], ...] = (
    ("--json", None, None, "answer with one JSON document on stdout"),
    ("--yaml", None, None, "the same document as YAML"),
    ("--profile", None, "PATH", "the profile.yaml to use (else SYSTEMPROMPT_PROFILE, else the nearest one)"),
    ("--non-interactive", None, None, "never ask anything"),
    ("--no-color", None, None, "plain text; so does the variable NO_COLOR"),
    ("--quiet", "-q", None, "say nothing but errors"),
    ("--verbose", "-v", None, "say more, and show tracebacks"),
    ("--version", None, None, "print the version"),
    ("--help", "-h", None, "explain the command"),
)
"""Long form, short form, metavar (None for a switch), help."""

_GLOBALS = {name: entry for entry in GLOBAL_FLAGS for name in entry[:2] if name}


class Call:
    """What an argument list asks for: a command with its parameters, or the help of a command or a group."""

    __slots__ = ("globals", "parameters", "target")

    def __init__(self, target: Command | Group, parameters: object, globals_: dict[str, str]) -> None:
        self.target = target
        self.parameters = parameters
        self.globals = globals_


class Flag:
    """One flag or argument of a command, made from a field of its params dataclass.

    kind   `str`, `int`, `float`, `bool`, `list` (may be repeated) or `map` (KEY=VALUE, may be repeated)
    """

    __slots__ = ("choices", "default", "field", "help", "kind", "long", "metavar", "positional", "required", "short")

    def __init__(
        self,
        field: str,
        kind: str,
        declared: Mapping[str, Any],
        *,
        default: object,
        required: bool,
        positional: bool,
    ) -> None:
        self.field = field
        self.kind = kind
        self.default = default
        self.required = required
        self.positional = positional
        self.help: str = declared["help"]
        self.choices: tuple[str, ...] = declared["choices"]
        self.long = LONG.get(field) or "--" + field.replace("_", "-")
        self.short = SHORT.get(field)
        self.metavar = METAVARS.get(field) or "|".join(self.choices) or field.upper()

    @property
    def spelling(self) -> str:
        """How a person names it."""
        return self.metavar if self.positional else self.long

    @property
    def repeatable(self) -> bool:
        return self.kind in ("list", "map")


def wanted_format(argv: Sequence[str]) -> str:
    """Return `json`, `yaml` or `text`, whatever else is wrong with the call: an error has to come in that form too."""
    words = list(argv[: argv.index("--")]) if "--" in argv else list(argv)
    return "json" if "--json" in words else "yaml" if "--yaml" in words else "text"


def parse(argv: Sequence[str], *, before_leaf: object = None) -> Call:
    """Read an argument list. `before_leaf` is called with the command before any of its modules is imported.

    Raises:
        UsageError: an unknown word or flag, a value that is missing or wrong; the hint has the nearest right one.
    """
    for word in argv:
        if not word.isascii() or "\0" in word:
            _check_text(word)
    scan = _Scan(list(argv))
    words = scan.until_leaf()
    if scan.command is None:
        target = _group(words)
        if scan.rest:
            raise _unknown_word(target, scan.rest[0])
        return Call(target, None, scan.globals)
    if callable(before_leaf):
        before_leaf(scan.command)
    if "--help" in scan.globals or "--version" in scan.globals or scan.asks_help():
        scan.globals.setdefault("--help", "")
        return Call(scan.command, None, scan.globals)
    values = _Leaf(scan, flags_of(scan.command)).read()
    return Call(scan.command, load(scan.command.operation.params)(**values), scan.globals)


def respelled(call: Call, text: str) -> str:
    """Return what an operation says with its parameters as they are spelled here: `since`, in backticks, is --since."""
    if "`" not in text or call.parameters is None or not isinstance(call.target, Command):
        return text
    for flag in flags_of(call.target):
        text = text.replace(f"`{flag.field}`", flag.spelling)
    return text


def flags_of(command: Command) -> list[Flag]:
    """Return the flags of a command, arguments first, as its params dataclass declares them and the table spells them."""
    flags = []
    for name, field in load(command.operation.params).__dataclass_fields__.items():
        no_default = field.default.__class__.__name__ == "_MISSING_TYPE"
        no_factory = field.default_factory.__class__.__name__ == "_MISSING_TYPE"
        flags.append(
            Flag(
                name,
                kind_of(field.type),
                field.metadata,
                default=None if no_default else field.default,
                required=no_default and no_factory,
                positional=name in command.arguments,
            )
        )
    return sorted(flags, key=lambda flag: not flag.positional)


class _Scan:
    """Walks over the words: global flags wherever they stand, then the words that name the command."""

    def __init__(self, argv: list[str]) -> None:
        self.rest = argv
        self.globals: dict[str, str] = {}
        self.command: Command | None = None

    def until_leaf(self) -> tuple[str, ...]:
        """Take words until they name a command, and return them."""
        by_path = {command.path: command for command in COMMANDS}
        above = {path[:length] for path in by_path for length in range(len(path))}
        prefixes = above | by_path.keys()
        words: tuple[str, ...] = ()
        while self.rest:
            if self.take_global():
                continue
            word = self.rest[0]
            if word == "help" and not words:
                self.globals["--help"] = ""
                self.rest.pop(0)
                continue
            path = (*words, word)
            if path not in prefixes and (HOME_GROUP, *path) in prefixes:
                path = (HOME_GROUP, *path)
            if word.startswith("-") or path not in prefixes:
                if words in by_path:  # flags and arguments of a command that has others below it
                    break
                if word.startswith("-") and word != "--":
                    raise _unknown_flag(word, [], _name(words))
                break
            words = path
            self.rest.pop(0)
            if words in by_path and words not in above:
                break
        self.command = by_path.get(words)
        return words

    def asks_help(self) -> bool:
        """Whether help or the version is asked for among the words still to come."""
        words = self.rest[: self.rest.index("--")] if "--" in self.rest else self.rest
        if "--version" in words:
            self.globals["--version"] = ""
        return "--help" in words or "-h" in words or "--version" in words

    def take_global(self) -> bool:
        """Take one global flag, with its value, off the front, if one is there."""
        word = self.rest[0]
        name, equals, value = word.partition("=")
        if name not in _GLOBALS:
            if len(word) > 2 and word[0] == "-" and all("-" + letter in _GLOBALS for letter in word[1:]):  # -qv
                self.rest[:1] = ["-" + letter for letter in word[1:]]
                return self.take_global()
            return False
        long, _, metavar, _ = _GLOBALS[name]
        self.rest.pop(0)
        if metavar is None:
            if equals:
                raise UsageError(f"{name} takes no value, and {value!r} was given")
            self.globals[long] = ""
        else:
            self.globals[long] = value if equals else self.take_value(name, metavar)
        return True

    def take_value(self, name: str, metavar: str) -> str:
        """Take a flag's value off the front."""
        if not self.rest or (self.rest[0].startswith("-") and not _may_be_value(self.rest[0])):
            after = f", and {self.rest[0]!r} follows" if self.rest else ""
            raise UsageError(f"{name} needs a value{after}", hint=f"write it: {name} {metavar}")
        return self.rest.pop(0)


class _Leaf:
    """Reads the flags and arguments of the one command that runs."""

    def __init__(self, scan: _Scan, flags: list[Flag]) -> None:
        self.scan = scan
        self.flags = flags
        self.named: dict[str, Flag] = {}
        for flag in flags:
            if not flag.positional:
                self.named[flag.long] = flag
                if flag.short:
                    self.named[flag.short] = flag
        self.values: dict[str, object] = {}
        assert scan.command is not None
        self.call = " ".join(["sp", *scan.command.words])
        self.example = scan.command.example

    def read(self) -> dict[str, object]:
        arguments: list[str] = []
        rest = self.scan.rest
        while rest:
            if rest[0] == "--":
                arguments += rest[1:]
                break
            if self._take_flag() or self.scan.take_global():
                continue
            if rest[0].startswith("-") and rest[0] != "-":
                raise _unknown_flag(rest[0], list(self.named), self.call)
            arguments.append(rest.pop(0))
        self._place(arguments)
        for flag in self.flags:
            if flag.required and flag.field not in self.values:
                what = flag.metavar if flag.positional else f"{flag.long} {flag.metavar}"
                raise UsageError(f"{self.call} needs {what}", hint=f"for example: {self.example}")
        return self.values

    def _take_flag(self) -> bool:
        rest = self.scan.rest
        name, equals, value = rest[0].partition("=")
        if name not in self.named and name[:1] == "-" and name[:2] in self.named and not name.startswith("--"):
            # -n50, as most programs take it
            name, equals, value = name[:2], "=", rest[0][2:].removeprefix("=")
        flag = self.named.get(name)
        if flag is None:
            return False
        rest.pop(0)
        if flag.kind == "bool":
            if equals:
                raise UsageError(f"{name} takes no value, and {value!r} was given")
            self.values[flag.field] = True
            return True
        self._set(flag, value if equals else self.scan.take_value(name, flag.metavar), name)
        return True

    def _place(self, arguments: list[str]) -> None:
        for flag in self.flags:
            if not flag.positional:
                break
            if flag.repeatable:
                for argument in arguments:
                    self._set(flag, argument, flag.metavar)
                arguments = []
            elif arguments:
                self._set(flag, arguments[0], flag.metavar)
                arguments = arguments[1:]
        if arguments:
            raise UsageError(
                f"{self.call} does not know what to do with {arguments[0]!r}", hint=f"{self.call} --help explains it"
            )

    def _set(self, flag: Flag, text: str, name: str) -> None:
        if flag.kind == "map":
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise UsageError(f"{name} {text!r} is not KEY=VALUE", hint=f"for example: {name} limit=10")
            held = self.values.setdefault(flag.field, {})
            assert isinstance(held, dict)
            held[key] = value
            return
        value_read = _read_value(flag, text, name)
        if not flag.repeatable and flag.field in self.values:
            raise UsageError(f"{name} is given twice and takes one value: {self.values[flag.field]!r} or {text!r}?")
        if flag.kind == "list":
            before = self.values.get(flag.field, ())
            assert isinstance(before, tuple)
            self.values[flag.field] = (*before, *(text.split(",") if flag.field in IN_ONE_WORD else (value_read,)))
        else:
            self.values[flag.field] = value_read


def _read_value(flag: Flag, text: str, name: str) -> object:
    """Return a value of the kind that the flag takes. Whether it makes sense is for the operation's door to say: `check`."""
    if flag.kind not in ("int", "float"):
        return text
    try:
        number = int(text) if flag.kind == "int" else float(text)
        if number - number != 0:  # infinity and not-a-number
            raise ValueError(text)
    except ValueError:
        what = "a whole number" if flag.kind == "int" else "a number"
        raise UsageError(f"{name} {text!r} is not {what}") from None
    return number


def _check_text(word: str) -> None:
    """Refuse what no database can hold and no answer can repeat: bytes that are no text, which Python hands over as surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{word!r} is not text in UTF-8", hint="see that terminal and script speak UTF-8: locale"
        ) from None
    if "\0" in word:
        raise UsageError(f"{word!r} holds a NUL character")


def _may_be_value(text: str) -> bool:
    """A lone dash, or a negative number."""
    return text == "-" or text[1:2].isdigit() or (text[1:2] == "." and text[2:3].isdigit())


def _group(words: tuple[str, ...]) -> Group:
    return next(group for group in GROUPS if group.path == words)


def _name(words: tuple[str, ...]) -> str:
    return " ".join(("sp", *words[len(words) > 1 and words[0] == HOME_GROUP :]))


def _unknown_word(group: Group, word: str) -> UsageError:
    depth = len(group.path)
    known = [command.path[depth] for command in COMMANDS if command.path[:depth] == group.path]
    if not group.path:
        known += [command.path[1] for command in COMMANDS if command.path[0] == HOME_GROUP]
    said = f"{word!r} is not a command of {_name(group.path)!r}"
    return _unknown(said, dict.fromkeys(known), _name(group.path), "word", word)


def _unknown_flag(word: str, own: list[str], call: str) -> UsageError:
    name = word.partition("=")[0]
    return _unknown(f"{call!r} has no flag {name!r}", [*own, *_GLOBALS], call, "flag", name)


def _unknown(said: str, known: Iterable[str], call: str, what: str, word: str) -> UsageError:
    error = unknown(said, word, known, None, **{what: word})
    error.hint = f"{error.hint} {call} --help shows all" if error.hint else f"{call} --help shows all"
    return error
