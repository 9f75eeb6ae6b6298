"""What Django's constraints cannot say: legal moves, immutable versions, storage parameters, the default pool."""

from django.db import migrations

MOVES = """
CREATE FUNCTION celeriac_task_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task execution %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;

-- The legal moves stand in WHEN, so that the function is called for an illegal one only: this is the hottest table.
CREATE TRIGGER task_move BEFORE UPDATE OF state ON workflows_taskexecution
    FOR EACH ROW WHEN (
        OLD.state IS DISTINCT FROM NEW.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>queued', 'pending>skipped', 'pending>upstream_failed', 'pending>cancelled',
        'queued>running', 'queued>cancelled',
        'running>success', 'running>failed', 'running>skipped', 'running>retrying', 'running>queued',
        'running>deferred', 'running>cancelled',
        'deferred>success', 'deferred>failed', 'deferred>retrying', 'deferred>cancelled',
        'retrying>queued', 'retrying>cancelled'
    ])
    ) EXECUTE FUNCTION celeriac_task_move();

CREATE FUNCTION celeriac_run_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'run %: a move from % to % is not legal', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;

-- The legal moves stand in WHEN, so that the function is called for an illegal one only: this is the hottest table.
CREATE TRIGGER run_move BEFORE UPDATE OF state ON workflows_dagrun
    FOR EACH ROW WHEN (
        OLD.state IS DISTINCT FROM NEW.state AND (OLD.state || '>' || NEW.state) <> ALL (ARRAY[
        'pending>running', 'pending>cancelled', 'running>success', 'running>failed', 'running>cancelled'
    ])
    ) EXECUTE FUNCTION celeriac_run_move();

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
DELETE FROM workflows_nodepool WHERE name = 'default';
"""


class Migration(migrations.Migration):
    """Add the guards."""

    dependencies = [("workflows", "0001_initial")]

    operations = [migrations.RunSQL(MOVES, UNDO)]
