"""May this SVG be published? A drawing can hold programs, and they would run as the site's own."""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

__all__ = ["ActiveDrawing", "check_drawing"]


class ActiveDrawing(ValueError):
    """A drawing holds more than a drawing; the message says what, and in which line."""


def check_drawing(data: bytes) -> None:
    """Accept shapes, text, styles, animation and links, and refuse whatever could run or be run when the file is opened.

    The whole file is read by an XML parser, as a browser would: nothing is cut out of it, so that nothing can hide from the
    cutting. Refused are scripts and handlers, documents inside (`foreignObject`, XHTML), addresses that are programs, entities,
    stylesheets that transform, and what is no XML at all.

    Raises:
        ActiveDrawing: it is refused.
    """
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(what: str) -> NoReturn:
        raise ActiveDrawing(
            f"line {parser.CurrentLineNumber}: {what}; a drawing that is published holds shapes and text only"
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        space, _, element = name.rpartition(" ")
        if element.lower() in _REFUSED or space in _DOCUMENTS:
            refuse(f"<{element}>")
        for key, value in attributes.items():
            attribute = key.rpartition(" ")[2].lower()
            if attribute.startswith("on") or (attribute == "attributename" and _is_active_name(value)):
                refuse(f"{attribute}={value[:40]!r} on <{element}>")
            if attribute in _ADDRESSES and _is_program(value):
                refuse(f"the address {value[:40]!r} on <{element}>")

    def instruction(target: str, _data: str) -> None:
        refuse(f"<?{target}?>")

    def document_type(_name: str, _system: str | None, _public: str | None, has_declarations: bool) -> None:
        if has_declarations:
            refuse("declarations in the document type")

    parser.StartElementHandler = start
    parser.ProcessingInstructionHandler = instruction
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(data, True)
    except ActiveDrawing:
        raise
    except (
        expat.ExpatError,
        ValueError,
        LookupError,
    ) as error:  # the last two: an encoding that the parser does not know
        raise ActiveDrawing(f"it cannot be read as XML: {error}") from error


_REFUSED = frozenset(("script", "foreignobject", "handler", "listener", "iframe", "embed", "object"))
_DOCUMENTS = frozenset(("http://www.w3.org/1999/xhtml", "http://www.w3.org/1999/XSL/Transform"))
_ADDRESSES = frozenset(("action", "base", "by", "from", "href", "src", "to", "values"))
_PROGRAMS = ("javascript:", "vbscript:")
_PICTURES = (
    "data:image/png",
    "data:image/jpeg",
    "data:image/gif",
    "data:image/webp",
    "data:font/",
    "data:application/font",
)


def _is_program(value: str) -> bool:
    # Browsers leave out white space and control characters in an address, and animation lists values one after another.
    plain = "".join(char for char in value if char > " ").lower()
    if any(scheme in plain for scheme in _PROGRAMS):
        return True
    at = plain.find("data:")
    while at >= 0:
        if not plain.startswith(_PICTURES, at):
            return True
        at = plain.find("data:", at + 1)
    return False


def _is_active_name(value: str) -> bool:
    name = value.strip().lower().rpartition(":")[2]
    return name.startswith("on") or name == "href"
