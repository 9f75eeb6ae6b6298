"""The promises of the engine, each as a query for the rows that break it.

The names `runs`, `tasks`, `events` and `attempts` stand for the rows of the one run, or of all runs, that are
audited. A query is one statement, so one snapshot: it is right also beside workers. One that only holds when
nothing is on its way is marked `quiescent`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One promise and the query for what breaks it."""

    id: str
    title: str
    query: str
    quiescent: bool = False


SCOPE = """
WITH runs AS NOT MATERIALIZED (
    SELECT * FROM workflows_dagrun WHERE %(run)s::bigint IS NULL OR id = %(run)s
), tasks AS NOT MATERIALIZED (
    SELECT * FROM workflows_taskexecution WHERE %(run)s::bigint IS NULL OR run_id = %(run)s
), events AS NOT MATERIALIZED (
    SELECT * FROM workflows_event WHERE %(run)s::bigint IS NULL OR run_id = %(run)s
), attempts AS NOT MATERIALIZED (
    SELECT a.*, t.run_id, t.task_id FROM workflows_taskattempt a JOIN tasks t ON t.id = a.task_execution_id
)
"""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="I1a",
        title="each event of a task begins where the one before it ended",
        query="""
        SELECT * FROM (
            SELECT run_id, task_id, id AS event, old, new, lag(new, 1, 'pending') OVER w AS before
              FROM events WHERE task_execution_id IS NOT NULL
            WINDOW w AS (PARTITION BY task_execution_id ORDER BY id)
        ) told WHERE old <> before
        """,
    ),
    Invariant(
        id="I1b",
        title="each event is a legal move",
        query="""
        SELECT run_id, task_id, id AS event, old, new FROM events
         WHERE old || '>' || new <> ALL (CASE WHEN task_execution_id IS NULL
               THEN %(run_moves)s::text[] ELSE %(task_moves)s::text[] END)
        """,
    ),
    Invariant(
        id="I1c",
        title="the state of a task is what its last event says",
        query="""
        SELECT t.run_id, t.task_id, t.state, COALESCE(told.new, 'pending') AS told
          FROM tasks t
          LEFT JOIN (SELECT DISTINCT ON (task_execution_id) task_execution_id, new FROM events
                      WHERE task_execution_id IS NOT NULL ORDER BY task_execution_id, id DESC) told
            ON told.task_execution_id = t.id
         WHERE t.state <> COALESCE(told.new, 'pending')
        """,
    ),
    Invariant(
        id="I1d",
        title="the events of a run are a chain that ends in its state",
        query="""
        SELECT run_id, state, old, new, before FROM (
            SELECT e.run_id, r.state, e.old, e.new, lag(e.new, 1, 'pending') OVER w AS before,
                   lead(e.id) OVER w IS NULL AS is_last
              FROM events e JOIN runs r ON r.id = e.run_id
             WHERE e.task_execution_id IS NULL
            WINDOW w AS (PARTITION BY e.run_id ORDER BY e.id)
        ) told WHERE old <> before OR (is_last AND new <> state)
        """,
    ),
    Invariant(
        id="I2a",
        title="an attempt ends at most once",
        query="""
        SELECT run_id, task_id, ended AS attempt, count(*) AS ends FROM (
            SELECT run_id, task_execution_id, task_id,
                   CASE WHEN new = 'queued' THEN attempt - 1 ELSE attempt END AS ended
              FROM events WHERE task_execution_id IS NOT NULL AND old = 'running'
        ) ends GROUP BY run_id, task_execution_id, task_id, ended HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="I2b",
        title="a task is running if and only if it has one live attempt, with its number and token",
        query="""
        SELECT t.run_id, t.task_id, t.state, t.attempt, a.number AS live
          FROM tasks t LEFT JOIN workflows_taskattempt a ON a.task_execution_id = t.id AND a.ended_at IS NULL
         WHERE CASE WHEN t.state = 'running'
               THEN a.number IS DISTINCT FROM t.attempt OR a.token IS DISTINCT FROM t.token
               ELSE a.id IS NOT NULL END
        """,
    ),
    Invariant(
        id="I2c",
        title="attempts are claimed in rising order",
        query="""
        SELECT * FROM (
            SELECT run_id, task_id, id AS event, attempt, lag(attempt) OVER w AS before
              FROM events WHERE task_execution_id IS NOT NULL AND new = 'running'
            WINDOW w AS (PARTITION BY task_execution_id ORDER BY id)
        ) claims WHERE attempt <= before
        """,
    ),
    Invariant(
        id="I4a",
        title="a run that has ended has no unsettled task",
        query="""
        SELECT t.run_id, t.task_id, t.state, r.state AS run_state FROM tasks t JOIN runs r ON r.id = t.run_id
         WHERE r.ended_at IS NOT NULL AND t.ended_at IS NULL
        """,
    ),
    Invariant(
        id="I4b",
        title="a run whose tasks have all settled ends within two sweeps",
        query="""
        SELECT r.id AS run_id, r.state, max(t.ended_at) AS last_settled
          FROM runs r LEFT JOIN tasks t ON t.run_id = r.id
         WHERE r.state = 'running' GROUP BY r.id, r.state, r.started_at
        HAVING count(*) FILTER (WHERE t.id IS NOT NULL AND t.ended_at IS NULL) = 0
           AND COALESCE(max(t.ended_at), r.started_at) < now() - make_interval(secs => %(slack)s)
        """,
    ),
    Invariant(
        id="I4c",
        title="a run that has started has every task of its version",
        query="""
        SELECT r.id AS run_id, v.task_count, count(DISTINCT t.position) AS found
          FROM runs r JOIN workflows_dagversion v ON v.id = r.version_id LEFT JOIN tasks t ON t.run_id = r.id
         WHERE r.state <> 'pending' AND EXISTS (SELECT 1 FROM events e WHERE e.run_id = r.id
               AND e.task_execution_id IS NULL AND e.new = 'running')
         GROUP BY r.id, v.task_count HAVING count(DISTINCT t.position) <> v.task_count
        """,
    ),
    Invariant(
        id="I6a",
        title="no lease has been over for longer than two sweeps",
        query="""
        SELECT run_id, task_id, attempt, node, lease_until FROM tasks
         WHERE state = 'running' AND lease_until < now() - make_interval(secs => %(slack)s)
        """,
    ),
    Invariant(
        id="I6b",
        title="no retry has been due for longer than two sweeps",
        query="""
        SELECT t.run_id, t.task_id, t.attempt, t.next_attempt_at FROM tasks t JOIN runs r ON r.id = t.run_id
         WHERE t.state = 'retrying' AND r.paused_at IS NULL
           AND t.next_attempt_at < now() - make_interval(secs => %(slack)s)
        """,
    ),
    Invariant(
        id="I6c",
        title="a task that waits for a child run has one, which goes on or ended less than two sweeps ago",
        query="""
        SELECT t.run_id, t.task_id, c.id AS child, c.state AS child_state
          FROM tasks t
          LEFT JOIN LATERAL (SELECT id, state, ended_at FROM workflows_dagrun WHERE parent_id = t.id
                              ORDER BY id DESC LIMIT 1) c ON true
         WHERE t.state = 'deferred' AND t.waiting_since IS NULL
           AND (c.id IS NULL OR c.ended_at < now() - make_interval(secs => %(slack)s))
        """,
    ),
    Invariant(
        id="I6f",
        title="a task that waits by itself has a time to wake, less than two sweeps ago, or an open question",
        query="""
        SELECT t.run_id, t.task_id, t.attempt, t.wake_at FROM tasks t JOIN runs r ON r.id = t.run_id
         WHERE t.state = 'deferred' AND t.waiting_since IS NOT NULL AND r.paused_at IS NULL
           AND CASE WHEN t.wake_at IS NULL
               THEN NOT EXISTS (SELECT 1 FROM workflows_approval a WHERE a.task_execution_id = t.id
                                   AND a.attempt = t.attempt AND a.closed_at IS NULL)
               ELSE t.wake_at < now() - make_interval(secs => %(slack)s) END
        """,
    ),
    Invariant(
        id="I6g",
        title="an approval that was answered has ended its task as it says",
        query="""
        SELECT t.run_id, t.task_id, a.id AS approval, a.approved FROM workflows_approval a
          JOIN tasks t ON t.id = a.task_execution_id
         WHERE a.answered_at IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM events e WHERE e.task_execution_id = t.id AND e.attempt = a.attempt AND e.old = 'deferred'
                  AND e.new = CASE WHEN a.approved THEN 'success' WHEN a.on_reject = 'skip' THEN 'skipped'
                                   ELSE 'failed' END)
        """,
    ),
    Invariant(
        id="I6d",
        title="no run has been past its deadline for longer than two sweeps",
        query="""
        SELECT id AS run_id, state, deadline_at FROM runs
         WHERE ended_at IS NULL AND deadline_at < now() - make_interval(secs => %(slack)s)
        """,
    ),
    Invariant(
        id="I6e",
        title="a task whose upstreams have all settled is decided within two sweeps",
        query="""
        SELECT t.run_id, t.task_id, t.state FROM tasks t JOIN runs r ON r.id = t.run_id
         WHERE t.state = 'pending' AND t.waiting_on = 0 AND r.state = 'running' AND NOT EXISTS (
               SELECT 1 FROM events e WHERE e.run_id = r.id AND e.at > now() - make_interval(secs => %(slack)s))
        """,
    ),
    Invariant(
        id="I6q",
        title="nothing is left to do",
        query="""
        SELECT run_id, task_id, state, attempt FROM tasks WHERE ended_at IS NULL
         UNION ALL
        SELECT id, '', state, 0 FROM runs WHERE ended_at IS NULL
        """,
        quiescent=True,
    ),
    Invariant(
        id="I8a",
        title="failures and losses are as many as the events that counted them",
        query="""
        SELECT t.run_id, t.task_id, t.failures, t.losses, COALESCE(told.tries, 0) AS told
          FROM tasks t
          LEFT JOIN (SELECT task_execution_id, count(*) AS tries FROM events
                      WHERE old IN ('running', 'deferred') AND task_execution_id IS NOT NULL
                        AND (new IN ('failed', 'retrying') AND reason NOT IN ('items_failed', 'marked_by_user')
                             OR (new = 'queued' AND reason IN ('lost', 'killed')))
                      GROUP BY task_execution_id) told ON told.task_execution_id = t.id
         WHERE t.failures + t.losses <> COALESCE(told.tries, 0)
        """,
    ),
    Invariant(
        id="I9",
        title="no two runs share an external id or a scheduled date, no two tasks a place",
        query="""
        SELECT 'external id' AS what, min(id) AS run_id, count(*) FROM runs WHERE external_id IS NOT NULL
         GROUP BY dag_id, external_id HAVING count(*) > 1
         UNION ALL
        SELECT 'scheduled date', min(id), count(*) FROM runs WHERE trigger IN ('schedule', 'after')
         GROUP BY dag_id, logical_date, trigger HAVING count(*) > 1
         UNION ALL
        SELECT 'place', min(run_id), count(*) FROM tasks
         GROUP BY run_id, position, map_index HAVING count(*) > 1
        """,
    ),
    Invariant(
        id="I10",
        title="nothing happens to a task after its run has ended",
        query="""
        SELECT e.run_id, e.task_id, e.id AS event, e.old, e.new, done.new AS run_state
          FROM events e
          JOIN events done ON done.run_id = e.run_id AND done.task_execution_id IS NULL
           AND done.new IN ('success', 'failed', 'cancelled')
         WHERE e.task_execution_id IS NOT NULL AND e.id > done.id AND e.seq <> done.seq
        """,
    ),
    Invariant(
        id="I11",
        title="a task that its trigger rule settled was never claimed",
        query="""
        SELECT e.run_id, e.task_id, e.new, e.reason FROM events e
         WHERE e.old = 'pending' AND e.new <> 'queued' AND e.task_execution_id IS NOT NULL
           AND EXISTS (SELECT 1 FROM workflows_taskattempt a WHERE a.task_execution_id = e.task_execution_id)
        """,
    ),
    Invariant(
        id="I12",
        title="each claim has its attempt, and each attempt its claim",
        query="""
        SELECT COALESCE(c.run_id, a.run_id) AS run_id, COALESCE(c.task_id, a.task_id) AS task_id,
               c.attempt AS claimed, a.number AS attempt
          FROM (SELECT * FROM events WHERE new = 'running' AND task_execution_id IS NOT NULL) c
          FULL JOIN attempts a ON a.task_execution_id = c.task_execution_id AND a.number = c.attempt
         WHERE c.id IS NULL OR a.id IS NULL
        """,
    ),
    Invariant(
        id="I15",
        title="no log is larger than LOG_MAX_BYTES",
        query="""
        SELECT t.run_id, t.task_id, c.attempt, sum(octet_length(c.text)) AS bytes
          FROM workflows_logchunk c JOIN tasks t ON t.id = c.task_execution_id
         GROUP BY t.run_id, t.task_id, c.task_execution_id, c.attempt
        HAVING sum(octet_length(c.text)) > %(log_bytes)s
        """,
    ),
    Invariant(
        id="O1",
        title="no attempt, event or log is without its task or run",
        query="""
        SELECT * FROM (
            SELECT 'attempt' AS what, a.id FROM workflows_taskattempt a
             WHERE NOT EXISTS (SELECT 1 FROM workflows_taskexecution t WHERE t.id = a.task_execution_id)
             UNION ALL
            SELECT 'event', e.id FROM workflows_event e
             WHERE NOT EXISTS (SELECT 1 FROM workflows_dagrun r WHERE r.id = e.run_id)
                OR (e.task_execution_id IS NOT NULL AND NOT EXISTS (
                   SELECT 1 FROM workflows_taskexecution t WHERE t.id = e.task_execution_id))
             UNION ALL
            SELECT 'log', c.id FROM workflows_logchunk c
             WHERE NOT EXISTS (SELECT 1 FROM workflows_taskattempt a
                                WHERE a.task_execution_id = c.task_execution_id AND a.number = c.attempt)
        ) orphans WHERE %(run)s::bigint IS NULL
        """,
    ),
)
