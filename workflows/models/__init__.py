"""The tables: fields, constraints, indexes and read-only properties. Nothing here decides anything."""

from __future__ import annotations

from workflows.models.definition import Dag, DagVersion
from workflows.models.event import Event
from workflows.models.log import LogChunk
from workflows.models.resource import BrokerMark, Node, NodePool
from workflows.models.run import DagRun, TaskAttempt, TaskExecution

__all__ = [
    "BrokerMark",
    "Dag",
    "DagRun",
    "DagVersion",
    "Event",
    "LogChunk",
    "Node",
    "NodePool",
    "TaskAttempt",
    "TaskExecution",
]
