"""Seal the audit trail: the one row of its ends, and on PostgreSQL triggers against changing what was recorded.

Whoever may run SQL may switch the triggers off; they stop mistakes, and the chain shows the rest. TRUNCATE is
not refused, because Django empties the tables of a test with it.
"""

from typing import Any

from django.db import migrations, models

from mcp_guard.audit import seal

FUNCTION = """
CREATE OR REPLACE FUNCTION mcp_guard_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('mcp_guard.sealing', true) = 'on' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL
        AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit events are sealed and pruned by mcp_guard only'
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""

TRIGGER = """
CREATE TRIGGER mcp_guard_keep_audit BEFORE UPDATE OR DELETE ON mcp_guard_auditevent
    FOR EACH ROW EXECUTE FUNCTION mcp_guard_keep_audit()
"""


def make_seal(apps: Any, schema_editor: Any) -> None:
    """Make the row that holds both ends of the chain, with its MAC."""
    seal.make_empty(schema_editor.connection.alias, apps.get_model("mcp_guard", "AuditSeal"))


def add_trigger(apps: Any, schema_editor: Any) -> None:
    """Add the trigger; other databases than PostgreSQL have no setting that lives as long as a transaction."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
        schema_editor.execute(TRIGGER)


def drop_trigger(apps: Any, schema_editor: Any) -> None:
    """Take the trigger away again."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS mcp_guard_keep_audit ON mcp_guard_auditevent")
        schema_editor.execute("DROP FUNCTION IF EXISTS mcp_guard_keep_audit()")


class Migration(migrations.Migration):
    dependencies = [("mcp_guard", "0006_shipment_lease")]

    operations = [
        migrations.AlterModelOptions(
            name="auditevent",
            options={
                "ordering": ("-at", "-pk"),
                "permissions": [("export_auditevent", "Can export audit event")],
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
            },
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(condition=models.Q(("seq", None)), fields=["id"], name="mcp_guard_unsealed"),
        ),
        migrations.RunPython(make_seal, migrations.RunPython.noop),
        migrations.RunPython(add_trigger, drop_trigger),
    ]
