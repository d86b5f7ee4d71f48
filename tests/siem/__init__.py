"""Shipping of audit events: their texts, the outbox, and collectors that take them or do not."""
