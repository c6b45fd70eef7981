"""The GRANTs that a page gives to a node's role."""

from __future__ import annotations

import re

from support import REPOSITORY
from support.doc_pages import blocks


def grants(role: str) -> list[str]:
    """Return the commands of docs/many-machines.md for this role."""
    (block,) = (one for one in blocks(REPOSITORY / "docs" / "many-machines.md") if one.language == "sql")
    commands = re.sub(r"--.*", "", block.text).replace("systemprompt_node", role).split(";")
    return [command.strip() for command in commands if command.strip()]
