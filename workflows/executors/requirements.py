"""What Celeriac needs of the Celery application that it lives in, and of the broker behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from workflows.conf import conf

FATAL, DOUBTFUL = "fatal", "doubtful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A setting that does not fit: `number` is stable, `gravity` is FATAL or DOUBTFUL."""

    number: int
    gravity: str
    message: str
    mend: str


def complaints() -> Iterator[Complaint]:
    """What is wrong with the Celery settings of this process."""
    settings = current_app.conf
    for number, gravity, is_wrong, message, mend in _RULES:
        if is_wrong(settings):
            yield Complaint(number=number, gravity=gravity, message=message, mend=mend)


def _redis(settings: Any) -> bool:
    return str(settings.broker_url or "").startswith(("redis", "rediss", "sentinel"))


def _options(settings: Any) -> dict[str, Any]:
    return dict(settings.broker_transport_options or {})


_Rule = tuple[int, str, Callable[[Any], bool], str, str]
_RULES: tuple[_Rule, ...] = (
    (
        1,
        FATAL,
        lambda s: bool(s.task_always_eager),
        "Celery runs tasks in the calling process (task_always_eager), where they would run inside transactions.",
        "Set CELERY_TASK_ALWAYS_EAGER to False.",
    ),
    (
        2,
        FATAL,
        lambda s: s.task_serializer != "json" or "json" not in s.accept_content,
        "Celery does not speak JSON: Celeriac's messages are JSON.",
        'Set CELERY_TASK_SERIALIZER to "json", and put "json" into CELERY_ACCEPT_CONTENT.',
    ),
    (
        3,
        FATAL,
        lambda s: conf.CANVAS_MAX_HEADER > 1 and str(s.result_backend or "disabled").startswith("disabled"),
        "Celery has no result backend, and a chord counts its finished tasks there.",
        'Set CELERY_RESULT_BACKEND (to the broker, say), or CELERIAC["CANVAS_MAX_HEADER"] to 1 to do without chords.',
    ),
    (
        4,
        FATAL,
        lambda s: str(s.broker_url or "").startswith("memory"),
        "The broker lives in the memory of one process (memory://), where no worker can reach it.",
        "Set CELERY_BROKER_URL to a Redis or Valkey server, or to RabbitMQ.",
    ),
    (
        5,
        DOUBTFUL,
        lambda s: s.worker_prefetch_multiplier != 1 and not s.worker_disable_prefetch,
        "A busy worker takes messages that an idle one could run.",
        "Set CELERY_WORKER_PREFETCH_MULTIPLIER to 1 and CELERY_WORKER_DISABLE_PREFETCH to True.",
    ),
    (
        6,
        DOUBTFUL,
        lambda s: (
            conf.PRIORITIES
            and _redis(s)
            and (
                list(_options(s).get("priority_steps") or ()) != list(range(10))
                or _options(s).get("queue_order_strategy") != "priority"
            )
        ),
        "Redis does not keep the ten priorities of tasks apart.",
        'Put "priority_steps": list(range(10)) and "queue_order_strategy": "priority" into '
        'CELERY_BROKER_TRANSPORT_OPTIONS, or set CELERIAC["PRIORITIES"] to False.',
    ),
    (
        7,
        DOUBTFUL,
        lambda s: bool(s.worker_cancel_long_running_tasks_on_connection_loss),
        "Workers cancel what they run when the broker goes away, although leases keep it safe.",
        "Set CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS to False.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """What a broker says of itself; None where it does not say. `error` is set when it does not answer."""

    kind: str
    error: str = ""
    version: str | None = None
    eviction: str | None = None
    append_only: bool | None = None
    memory: tuple[int, int] | None = None  # used, allowed (0: no limit)


def ask_broker() -> Broker:
    """Connect to the broker, once, and ask what it is."""
    with current_app.connection_for_write() as connection:
        kind = str(connection.transport_cls)
        lost: tuple[type[BaseException], ...] = (OperationalError, OSError, *connection.connection_errors)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, interval_max=0)
            client = getattr(connection.default_channel, "client", None)
            return _described(kind, client.info()) if client is not None else Broker(kind=kind)
        except lost as error:
            return Broker(kind=kind, error=next(iter(str(error).strip().splitlines()), type(error).__name__))


def _described(kind: str, info: dict[str, Any]) -> Broker:
    valkey = info.get("valkey_version")
    aof = info.get("aof_enabled")
    return Broker(
        kind="valkey" if valkey else kind,
        version=str(valkey or info.get("redis_version") or ""),
        eviction=info.get("maxmemory_policy"),
        append_only=None if aof is None else bool(int(aof)),
        memory=(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))),
    )
