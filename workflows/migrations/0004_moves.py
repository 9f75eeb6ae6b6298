"""Moves of an operator's surgery, of waits and of mapped tasks; what goes together in a task row with the new columns."""

from django.db import migrations

SOUND = """
CREATE FUNCTION celeriac_task_sound(
    state text, waiting_on int, upstreams_failed int, upstreams_skipped int, attempt int, failures int, losses int,
    priority int, token uuid, lease_until timestamptz, queued_at timestamptz, started_at timestamptz,
    next_attempt_at timestamptz, ended_at timestamptz, gated boolean, held boolean, slots int, wake_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN state = ANY (ARRAY['pending', 'queued', 'running', 'deferred', 'retrying',
                              'success', 'failed', 'skipped', 'upstream_failed', 'cancelled'])
       -- it has ended if and only if its state is final
       AND (ended_at IS NOT NULL) =
           (state = ANY (ARRAY['success', 'failed', 'skipped', 'upstream_failed', 'cancelled']))
       -- it is held by a worker if and only if it runs
       AND (token IS NOT NULL) = (state = 'running')
       AND (lease_until IS NOT NULL) = (state = 'running')
       AND (state <> 'running' OR started_at IS NOT NULL)
       -- it is due if and only if it waits for another try, and wakes only while it is deferred
       AND (next_attempt_at IS NOT NULL) = (state = 'retrying')
       AND (wake_at IS NULL OR state = 'deferred')
       -- what is ready has an attempt, and tries are attempts
       AND (state NOT IN ('queued', 'running') OR (attempt >= 1 AND queued_at IS NOT NULL))
       AND attempt >= failures + losses
       -- only what is subject to a limit is held back by it, and only until a worker may have it
       AND (NOT held OR (gated AND state = 'queued'))
       AND waiting_on >= 0 AND upstreams_failed >= 0 AND upstreams_skipped >= 0
       AND priority BETWEEN 0 AND 9 AND slots >= 1;
END $$;

-- Added without a scan and without a long lock; checked row by row afterwards, while everything goes on.
ALTER TABLE workflows_taskexecution ADD CONSTRAINT task_sound_2 CHECK (celeriac_task_sound(
    state, waiting_on, upstreams_failed, upstreams_skipped, attempt, failures, losses, priority,
    token, lease_until, queued_at, started_at, next_attempt_at, ended_at, gated, held, slots, wake_at)) NOT VALID;
ALTER TABLE workflows_taskexecution DROP CONSTRAINT task_sound;
ALTER TABLE workflows_taskexecution RENAME CONSTRAINT task_sound_2 TO task_sound;
DROP FUNCTION celeriac_task_sound(
    text, int, int, int, int, int, int, int, uuid, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz);
"""

UNSOUND = """
CREATE FUNCTION celeriac_task_sound(
    state text, waiting_on int, upstreams_failed int, upstreams_skipped int, attempt int, failures int, losses int,
    priority int, token uuid, lease_until timestamptz, queued_at timestamptz, started_at timestamptz,
    next_attempt_at timestamptz, ended_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN state = ANY (ARRAY['pending', 'queued', 'running', 'deferred', 'retrying',
                              'success', 'failed', 'skipped', 'upstream_failed', 'cancelled'])
       -- it has ended if and only if its state is final
       AND (ended_at IS NOT NULL) =
           (state = ANY (ARRAY['success', 'failed', 'skipped', 'upstream_failed', 'cancelled']))
       -- it is held by a worker if and only if it runs
       AND (token IS NOT NULL) = (state = 'running')
       AND (lease_until IS NOT NULL) = (state = 'running')
       AND (state <> 'running' OR started_at IS NOT NULL)
       -- it is due if and only if it waits for another try
       AND (next_attempt_at IS NOT NULL) = (state = 'retrying')
       -- what is ready has an attempt, and tries are attempts
       AND (state NOT IN ('queued', 'running') OR (attempt >= 1 AND queued_at IS NOT NULL))
       AND attempt >= failures + losses
       AND waiting_on >= 0 AND upstreams_failed >= 0 AND upstreams_skipped >= 0
       AND priority BETWEEN 0 AND 9;
END $$;

ALTER TABLE workflows_taskexecution DROP CONSTRAINT task_sound;
DROP FUNCTION celeriac_task_sound(
    text, int, int, int, int, int, int, int, uuid, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz,
    boolean, boolean, int, timestamptz);
ALTER TABLE workflows_taskexecution ADD CONSTRAINT task_sound CHECK (celeriac_task_sound(
    state, waiting_on, upstreams_failed, upstreams_skipped, attempt, failures, losses, priority,
    token, lease_until, queued_at, started_at, next_attempt_at, ended_at)) NOT VALID;
"""

MOVES = """
CREATE OR REPLACE FUNCTION celeriac_task_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>queued', 'pending>skipped', 'pending>upstream_failed', 'pending>cancelled',
        'pending>deferred', 'pending>success', 'pending>failed',
        'queued>running', 'queued>cancelled', 'queued>success', 'queued>failed',
        'running>success', 'running>failed', 'running>skipped', 'running>retrying', 'running>queued',
        'running>deferred', 'running>cancelled',
        'deferred>success', 'deferred>failed', 'deferred>skipped', 'deferred>retrying', 'deferred>cancelled', 'deferred>queued',
        'retrying>queued', 'retrying>cancelled', 'retrying>success', 'retrying>failed',
        'success>pending', 'failed>pending', 'skipped>pending', 'upstream_failed>pending', 'cancelled>pending'
    ]) THEN
        RAISE EXCEPTION 'task execution %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION celeriac_run_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>running', 'pending>cancelled',
        'running>success', 'running>failed', 'running>cancelled',
        'success>running', 'failed>running', 'cancelled>running'
    ]) THEN
        RAISE EXCEPTION 'run %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    """Let the guards know the new moves. On the way back they go on to allow them: a row may have made one."""

    dependencies = [("workflows", "0003_operations")]

    operations = [
        migrations.RunSQL(SOUND, UNSOUND),
        migrations.RunSQL(MOVES, migrations.RunSQL.noop),
        migrations.RunSQL(
            "ALTER TABLE workflows_taskexecution VALIDATE CONSTRAINT task_sound", migrations.RunSQL.noop
        ),
    ]
