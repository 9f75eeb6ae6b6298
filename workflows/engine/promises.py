"""The promises of the engine, each as a query for the rows that break it.

The names `runs`, `tasks`, `events` and `attempts` stand for the rows of the runs that are audited. A query is one
statement, so one snapshot: it is right also beside workers. One that only holds when nothing is on its way is marked
`quiescent`. An operator's surgery opens final tasks and ended runs again: what was told before that is history, and
what follows has to be right anew.
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
    SELECT * FROM workflows_dagrun WHERE %(runs)s::bigint[] IS NULL OR id = ANY (%(runs)s::bigint[])
), tasks AS NOT MATERIALIZED (
    SELECT * FROM workflows_taskexecution WHERE %(runs)s::bigint[] IS NULL OR run_id = ANY (%(runs)s::bigint[])
), events AS NOT MATERIALIZED (
    SELECT * FROM workflows_event WHERE %(runs)s::bigint[] IS NULL OR run_id = ANY (%(runs)s::bigint[])
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
           AND NOT (task_execution_id IS NULL AND old = new AND reason = 'late')
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
        title="a task that waits for a child run or for items has some, which go on or ended less than two sweeps ago",
        query="""
        SELECT t.run_id, t.task_id, t.map_index, c.id AS child, c.state AS child_state, i.number AS items
          FROM tasks t
          LEFT JOIN LATERAL (SELECT id, state, ended_at FROM workflows_dagrun WHERE parent_id = t.id
                              ORDER BY id DESC LIMIT 1) c ON true
          LEFT JOIN LATERAL (SELECT count(*) AS number, bool_and(ended_at IS NOT NULL) AS settled, max(ended_at) AS at
                               FROM workflows_taskexecution WHERE run_id = t.run_id AND position = t.position
                                AND map_index >= 0) i ON t.map_index = -1
         WHERE t.state = 'deferred' AND t.waiting_since IS NULL AND CASE
               WHEN c.id IS NOT NULL THEN c.ended_at < now() - make_interval(secs => %(slack)s)
               WHEN i.number > 0 THEN i.settled AND i.at < now() - make_interval(secs => %(slack)s)
               ELSE true END
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
         WHERE t.undecided AND r.state = 'running' AND NOT EXISTS (
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
        id="I6h",
        title="no task is held back for longer than two sweeps by limits of which nothing is in use",
        query="""
        SELECT t.run_id, t.task_id, t.map_index, t.queue, t.queued_at FROM tasks t JOIN runs r ON r.id = t.run_id
         WHERE t.held AND r.state = 'running' AND r.paused_at IS NULL
           AND t.queued_at < now() - make_interval(secs => %(slack)s) AND NOT EXISTS (
               SELECT 1 FROM workflows_taskexecution o WHERE o.gated AND NOT o.held AND o.state IN ('queued', 'running')
                  AND (o.queue = t.queue OR o.run_id = t.run_id))
           AND NOT EXISTS (SELECT 1 FROM workflows_event e WHERE e.run_id = t.run_id
                              AND e.at > now() - make_interval(secs => %(slack)s))
           AND NOT (t.queue = ANY (%(closed)s::text[]))
        """,
    ),
    Invariant(
        id="I7a",
        title="the tasks of a pool never held more slots at one time than it has",
        query="""
        SELECT * FROM (
            SELECT queue, run_id, task_id, event, most, sum(change) OVER (PARTITION BY queue ORDER BY event) AS held
              FROM (
                SELECT t.queue, e.run_id, e.task_id, e.id AS event, p.most,
                       CASE WHEN e.new = 'running' THEN 1 ELSE -1 END * LEAST(t.slots, p.most) AS change,
                       CASE WHEN e.new = 'running' THEN e.at
                            ELSE lag(e.at) OVER (PARTITION BY e.task_execution_id ORDER BY e.id) END AS claimed, p.since
                  FROM unnest(%(pool_queues)s::text[], %(pool_slots)s::int[], %(pool_since)s::timestamptz[])
                       AS p(queue, most, since)
                  JOIN tasks t ON t.queue = p.queue JOIN events e ON e.task_execution_id = t.id
                 WHERE t.gated AND 'running' IN (e.old, e.new)
              ) steps WHERE claimed > since
        ) used WHERE held > most
        """,
    ),
    Invariant(
        id="I7b",
        title="what is let go of a pool's tasks fits into its slots",
        query="""
        SELECT p.queue, p.most, sum(LEAST(t.slots, p.most)) AS held
          FROM unnest(%(pool_queues)s::text[], %(pool_slots)s::int[], %(pool_since)s::timestamptz[])
               AS p(queue, most, since)
          JOIN workflows_taskexecution t ON t.queue = p.queue
         WHERE t.gated AND NOT t.held AND t.state IN ('queued', 'running') AND t.queued_at > p.since
         GROUP BY p.queue, p.most HAVING sum(LEAST(t.slots, p.most)) > p.most
        """,
    ),
    Invariant(
        id="I8a",
        title="failures and losses are as many as the events that counted them, since the task was last opened",
        query="""
        SELECT t.run_id, t.task_id, t.map_index, t.failures, t.losses, COALESCE(told.tries, 0) AS told
          FROM tasks t
          LEFT JOIN (SELECT e.task_execution_id, count(*) AS tries FROM events e
                       LEFT JOIN (SELECT task_execution_id, max(id) AS id FROM events
                                   WHERE new = 'pending' AND task_execution_id IS NOT NULL
                                   GROUP BY task_execution_id) opened ON opened.task_execution_id = e.task_execution_id
                      WHERE e.old IN ('running', 'deferred') AND e.task_execution_id IS NOT NULL
                        AND (opened.id IS NULL OR e.id > opened.id)
                        AND (e.new IN ('failed', 'retrying') AND e.reason NOT IN ('items_failed', 'marked_by_user')
                             OR (e.new = 'queued' AND e.reason IN ('lost', 'killed')))
                      GROUP BY e.task_execution_id) told ON told.task_execution_id = t.id
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
        title="nothing happens to a task after its run has ended, unless somebody opens the run again",
        query="""
        SELECT e.run_id, e.task_id, e.id AS event, e.old, e.new, done.new AS run_state
          FROM events e
          JOIN events done ON done.run_id = e.run_id AND done.task_execution_id IS NULL
           AND done.new IN ('success', 'failed', 'cancelled')
         WHERE e.task_execution_id IS NOT NULL AND e.id > done.id AND e.seq <> done.seq AND NOT EXISTS (
               SELECT 1 FROM events again WHERE again.run_id = e.run_id AND again.task_execution_id IS NULL
                  AND again.new = 'running' AND again.id > done.id AND (again.id < e.id OR again.seq = e.seq))
        """,
    ),
    Invariant(
        id="I11",
        title="a task that its trigger rule settled was never claimed, unless before it was opened again",
        query="""
        SELECT e.run_id, e.task_id, e.new, e.reason FROM events e
         WHERE e.old = 'pending' AND e.new IN ('skipped', 'upstream_failed') AND e.task_execution_id IS NOT NULL
           AND EXISTS (SELECT 1 FROM workflows_taskattempt a WHERE a.task_execution_id = e.task_execution_id)
           AND NOT EXISTS (SELECT 1 FROM events o WHERE o.task_execution_id = e.task_execution_id
                              AND o.run_id = e.run_id AND (o.new = 'pending' OR o.reason = 'item_gone'))
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
        id="I13",
        title="a run is of one DAG: its version, its backfill and the run above it agree",
        query="""
        SELECT r.id AS run_id, r.dag_id, v.dag_id AS of_version, b.dag_id AS of_backfill, p.depth AS depth_above
          FROM runs r JOIN workflows_dagversion v ON v.id = r.version_id
          LEFT JOIN workflows_backfill b ON b.id = r.backfill_id
          LEFT JOIN workflows_taskexecution t ON t.id = r.parent_id LEFT JOIN workflows_dagrun p ON p.id = t.run_id
         WHERE v.dag_id <> r.dag_id OR b.dag_id <> r.dag_id OR (p.id IS NOT NULL AND r.depth <> p.depth + 1)
            OR (r.parent_id IS NULL) <> (r.trigger <> 'subdag')
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
        ) orphans WHERE %(runs)s::bigint[] IS NULL
        """,
    ),
)
