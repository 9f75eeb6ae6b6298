"""The tables: fields, constraints, indexes and read-only properties. Nothing here decides anything."""

from __future__ import annotations

from workflows.models.definition import Dag, DagTemplate, DagVersion
from workflows.models.event import Event
from workflows.models.log import LogChunk
from workflows.models.notice import Approval, Callback, EventCursor
from workflows.models.resource import BrokerMark, Node, NodePool
from workflows.models.run import DagRun, TaskAttempt, TaskExecution
from workflows.models.schedule import Backfill, BackfillDate, Schedule

__all__ = [
    "Approval",
    "Backfill",
    "BackfillDate",
    "BrokerMark",
    "Callback",
    "Dag",
    "DagRun",
    "DagTemplate",
    "DagVersion",
    "Event",
    "EventCursor",
    "LogChunk",
    "Node",
    "NodePool",
    "Schedule",
    "TaskAttempt",
    "TaskExecution",
]
