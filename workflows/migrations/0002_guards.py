"""What Django's constraints cannot say: legal moves, immutable versions, storage parameters, the default pool."""

from django.db import migrations

MOVES = """
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

ALTER TABLE workflows_taskexecution ADD CONSTRAINT task_sound CHECK (celeriac_task_sound(
    state, waiting_on, upstreams_failed, upstreams_skipped, attempt, failures, losses, priority,
    token, lease_until, queued_at, started_at, next_attempt_at, ended_at));

CREATE FUNCTION celeriac_task_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>queued', 'pending>skipped', 'pending>upstream_failed', 'pending>cancelled',
        'queued>running', 'queued>cancelled',
        'running>success', 'running>failed', 'running>skipped', 'running>retrying', 'running>queued',
        'running>deferred', 'running>cancelled',
        'deferred>success', 'deferred>failed', 'deferred>retrying', 'deferred>cancelled',
        'retrying>queued', 'retrying>cancelled'
    ]) THEN
        RAISE EXCEPTION 'task execution %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER task_move BEFORE UPDATE OF state ON workflows_taskexecution
    FOR EACH ROW EXECUTE FUNCTION celeriac_task_move();

CREATE FUNCTION celeriac_run_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>running', 'pending>cancelled', 'running>success', 'running>failed', 'running>cancelled'
    ]) THEN
        RAISE EXCEPTION 'run %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER run_move BEFORE UPDATE OF state ON workflows_dagrun
    FOR EACH ROW EXECUTE FUNCTION celeriac_run_move();

CREATE FUNCTION celeriac_version_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'version % of a DAG is immutable: publish a new one', OLD.number
        USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER version_frozen
    BEFORE UPDATE OF number, content_hash, document, source, source_format, plan, task_count
    ON workflows_dagversion FOR EACH ROW EXECUTE FUNCTION celeriac_version_frozen();

-- A task row is updated about four times in its life: room in the page keeps its versions together.
ALTER TABLE workflows_taskexecution SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE workflows_taskattempt SET (fillfactor = 85);

INSERT INTO workflows_nodepool (name, description) VALUES ('default', 'The pool of tasks that name none.');
"""

UNDO = """
DROP TRIGGER version_frozen ON workflows_dagversion;
DROP FUNCTION celeriac_version_frozen();
DROP TRIGGER run_move ON workflows_dagrun;
DROP FUNCTION celeriac_run_move();
DROP TRIGGER task_move ON workflows_taskexecution;
DROP FUNCTION celeriac_task_move();
ALTER TABLE workflows_taskexecution DROP CONSTRAINT task_sound;
DROP FUNCTION celeriac_task_sound;
DELETE FROM workflows_nodepool WHERE name = 'default';
"""


class Migration(migrations.Migration):
    """Add the guards."""

    dependencies = [("workflows", "0001_initial")]

    operations = [migrations.RunSQL(MOVES, UNDO)]
