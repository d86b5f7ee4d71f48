"""Make the one revision row, and have PostgreSQL raise it for policy rows written by hand in SQL."""

from typing import Any

from django.db import migrations

TABLES = (
    "mcp_guard_scope",
    "mcp_guard_client",
    "mcp_guard_client_scopes",
    "mcp_guard_allowedorigin",
    "mcp_guard_token",
    "mcp_guard_token_scopes",
    "mcp_guard_tokensecret",
    "mcp_guard_endpointstate",
)

FUNCTION = """
CREATE OR REPLACE FUNCTION mcp_guard_raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    IF current_setting('mcp_guard.writing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    INSERT INTO mcp_guard_revision AS revision (id, n, epoch) VALUES (1, 1, gen_random_uuid())
        ON CONFLICT (id) DO UPDATE SET n = revision.n + 1 RETURNING n INTO raised;
    INSERT INTO mcp_guard_change (revision, subject, subject_id, at)
        VALUES (raised, 'sql', left(TG_TABLE_NAME, 80), clock_timestamp());
    PERFORM pg_notify('mcp_guard_policy', '');
    RETURN NULL;
END
$$
"""

TRIGGER = """
CREATE TRIGGER mcp_guard_raise_revision
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION mcp_guard_raise_revision()
"""


def make_revision(apps: Any, schema_editor: Any) -> None:
    """Make the row whose number orders all changes."""
    apps.get_model("mcp_guard", "Revision").objects.using(schema_editor.connection.alias).get_or_create(pk=1)


def add_triggers(apps: Any, schema_editor: Any) -> None:
    """Add the triggers; other databases than PostgreSQL have no setting that lives as long as a transaction."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FUNCTION)
    for table in TABLES:
        schema_editor.execute(TRIGGER.format(table=table))


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    """Take the triggers away again."""
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS mcp_guard_raise_revision ON {table}")
    schema_editor.execute("DROP FUNCTION IF EXISTS mcp_guard_raise_revision()")


class Migration(migrations.Migration):
    dependencies = [("mcp_guard", "0001_initial")]

    operations = [
        migrations.RunPython(make_revision, migrations.RunPython.noop),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
