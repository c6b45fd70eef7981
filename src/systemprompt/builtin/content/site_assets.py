"""The pictures and files that pages show: which of them may be published, and their bytes."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from systemprompt.builtin.content.content_files import SourceFolder
from systemprompt.builtin.content.drawing import ActiveDrawing, check_drawing

__all__ = ["Asset", "Assets", "UnfitAsset"]

_MAX_BYTES = 32 * 1024 * 1024
_MAX_DRAWING_BYTES = 4 * 1024 * 1024
_KINDS = "png jpg jpeg gif svg webp avif ico pdf txt csv json yaml yml zip mp4 webm mp3 ogg"
_SUFFIXES = frozenset(f".{kind}" for kind in _KINDS.split(" "))


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a source, as its path below it."""

    source: str
    path: str


class UnfitAsset(ValueError):
    """A file that a page shows and that may not be published; the message says why."""


class Assets:
    """The files that may be published beside pages: of a known kind, inside their source, of a bounded size.

    An answer about a drawing is kept: hundreds of pages may show the same one.
    """

    def __init__(self, folders: Mapping[str, SourceFolder]) -> None:
        self._folders = folders
        self._refused: dict[Asset, str | None] = {}

    def find(self, source: str, path: str) -> Asset | None:
        """Return the asset at a path below a source, or None where there is none.

        Raises:
            UnfitAsset: there is one, and it may not be published.
        """
        if source not in self._folders or posixpath.splitext(path)[1].lower() not in _SUFFIXES:
            return None
        if any(part.startswith(".") for part in path.split("/")):
            return None
        asset = Asset(source, path)
        if asset not in self._refused:
            try:
                if _is_drawing(path):
                    self.read(asset)
                else:
                    os.close(self._open(asset))
                self._refused[asset] = None
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            except (UnfitAsset, OSError) as error:
                self._refused[asset] = getattr(error, "strerror", None) or str(error)
        refused = self._refused[asset]
        if refused is not None:
            raise UnfitAsset(refused)
        return asset

    def read(self, asset: Asset) -> bytes:
        """Return an asset's bytes. They are checked again: the file may be another one than when it was found.

        Raises:
            UnfitAsset: it may not be published.
            OSError: it cannot be read, or a link leads outside its source.
        """
        most = _most(asset)
        with os.fdopen(self._open(asset), "rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise _too_large(len(data), most)
        if _is_drawing(asset.path):
            try:
                check_drawing(data)
            except ActiveDrawing as error:
                raise UnfitAsset(str(error)) from error
        return data

    def _open(self, asset: Asset) -> int:
        opened = self._folders[asset.source].open_file(asset.path)
        size = os.fstat(opened).st_size
        if size > _most(asset):
            os.close(opened)
            raise _too_large(size, _most(asset))
        return opened


def _is_drawing(path: str) -> bool:
    return path.lower().endswith(".svg")


def _most(asset: Asset) -> int:
    return _MAX_DRAWING_BYTES if _is_drawing(asset.path) else _MAX_BYTES


def _too_large(size: int, most: int) -> UnfitAsset:
    return UnfitAsset(f"{size:,} bytes is more than the limit of {most:,}")
