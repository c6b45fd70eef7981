"""The profile, checked and shown. Nothing is started, no database is opened, no job module is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from systemprompt.databases.address import hide_password
from systemprompt.operations.checked_schedules import CheckedSchedule, changed_schedules
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import NoParams
from systemprompt.profile.remarks import remarks_on
from systemprompt.wording import counted

__all__ = [
    "ProfileCheck",
    "ProfileShown",
    "check_profile",
    "show_profile",
]

_SECRET_WORDS = ("password", "passwd", "secret", "token", "api_key", "apikey", "credential", "private_key", "dsn")
_MASK = "***"
_OURS = ("path", "name", "fingerprint")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCheck:
    """A profile without faults. One with faults is an error that lists them all, each with its place and what would be right.

    remarks   what is allowed and will probably fail or surprise on this machine, each with its place
    changed    the profile's schedules that are new or changed since this user's last check; all of them where that is not known
    """

    profile: str
    name: str
    valid: bool
    jobs: int
    extensions: int
    message: str
    changed: tuple[CheckedSchedule, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileShown:
    """The profile as it is understood, every default filled in, every path absolute. What looks like a secret is masked."""

    profile: str
    name: str
    settings: Mapping[str, Any]


def check_profile(context: OperationContext, params: NoParams) -> ProfileCheck:  # noqa: ARG001  # as every operation
    """Report a profile that could be loaded, and what it says of schedules in words: most wrong meanings end there."""
    profile = context.load_profile()
    remarks = remarks_on(profile)
    said = f" and {counted(len(remarks), 'remark')}" if remarks else ""
    return ProfileCheck(
        profile=profile.path,
        name=profile.name,
        valid=True,
        jobs=len(profile.jobs),
        extensions=len(profile.extensions),
        message=f"Profile {profile.path} has no faults{said}",
        changed=changed_schedules(profile, context.environ, context.now()),
        remarks=remarks,
    )


def show_profile(context: OperationContext, params: NoParams) -> ProfileShown:  # noqa: ARG001  # as every operation
    """Return a profile's values, with the secrets in them masked."""
    profile = context.load_profile()
    settings = profile.as_dict()
    masked = {key: _masked(key, value) for key, value in settings.items() if key not in _OURS}
    return ProfileShown(profile=profile.path, name=profile.name, settings=masked)


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(str(name), held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(key, held) for held in value]
    if isinstance(value, str) and value:
        if any(word in key.lower() for word in _SECRET_WORDS):
            return _MASK
        return hide_password(value)
    return value
