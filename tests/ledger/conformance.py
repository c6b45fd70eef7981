"""The rules that every engine of the ledger keeps.

An engine is put through them by a test class that inherits from `LedgerRules` and by a fixture named `stage`, a
`ledger_stage.Stage` on a fresh database; see `test_sqlite_conformance.py`. Nothing here knows an engine.
"""

from __future__ import annotations

from rules_asking import AskingRules
from rules_catalogue import CatalogueRules
from rules_deadline import StartDeadlineRules
from rules_labels import LabelRules
from rules_newer import NewerRules
from rules_nodes import NodeRules
from rules_odd_ends import OddEndRules
from rules_open_and_closed import OpenAndClosedRules
from rules_planning import PlanningRules
from rules_reading import ReadingRules
from rules_retention import RetentionRules
from rules_retry import InterruptionRules, RetryRules
from rules_runs import RunRules
from rules_upkeep import UpkeepRules
from rules_zone_data import ZoneDataRules

__all__ = ["LedgerRules"]


class LedgerRules(
    PlanningRules,
    RunRules,
    OpenAndClosedRules,
    OddEndRules,
    AskingRules,
    NodeRules,
    NewerRules,
    LabelRules,
    CatalogueRules,
    ReadingRules,
    RetentionRules,
    RetryRules,
    StartDeadlineRules,
    InterruptionRules,
    UpkeepRules,
    ZoneDataRules,
):
    """All of them."""
