"""The demo's MCP servers: one over all notes, and one that only reads the public ones.

Nothing in here knows of transports or of the guard. The tools are coroutines: threads that a sync
tool would need hold up the end of the process.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from channels.db import aclose_old_connections
from django.db.models import Q, QuerySet
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from pydantic import BaseModel, Field

from project.notes.models import Note

notes = MCPServer("notes", version="1.0", log_level="WARNING", subscriptions=False)
public_notes = MCPServer("public-notes", version="1.0", log_level="WARNING", subscriptions=False)

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL in text

NoteId = Annotated[int, Field(ge=1, le=2**63 - 1, description="the id of a note")]
Title = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Text = Annotated[str, Field(max_length=20_000, pattern=_NO_NUL)]
Limit = Annotated[int, Field(ge=1, le=100, description="how many notes at most")]


class Brief(BaseModel):
    """A note in a list."""

    id: int
    title: str


class Full(Brief):
    """A note with its text."""

    text: str
    public: bool


@notes.tool()
async def search_notes(query: Text, limit: Limit = 20) -> list[Brief]:
    """Return notes whose title or text holds the query, newest first; an empty query finds all."""
    return await _search(await _notes(), query, limit)


@notes.tool()
async def read_note(note_id: NoteId) -> Full:
    """Return one note."""
    return await _read(await _notes(), note_id)


@notes.tool()
async def write_note(title: Title, text: Text, note_id: NoteId | None = None) -> Brief:
    """Write a new note, or over the one with the given id, and return its id and title."""
    rows = await _notes()
    if note_id is None:
        note = await rows.acreate(title=title, text=text)
    else:
        note = await _get(rows, note_id)
        note.title, note.text = title, text
        await note.asave()
    return Brief(id=note.pk, title=note.title)


@notes.tool()
async def delete_note(note_id: NoteId) -> bool:
    """Delete a note; false when there is none with this id."""
    deleted, _ = await (await _notes()).filter(pk=note_id).adelete()
    return deleted > 0


@notes.tool()
async def summarize_notes(
    ctx: Context, pause: Annotated[float, Field(ge=0, le=10, description="seconds per note")] = 0.2
) -> str:
    """Return the number of words of every note, slowly, and report the progress after each one."""
    rows = [note async for note in await _notes()]
    lines = []
    for done, note in enumerate(rows, start=1):
        await asyncio.sleep(pause)
        lines.append(f"{note.title}: {len(note.text.split())} words")
        await ctx.report_progress(done, len(rows), note.title)
    return "\n".join(lines)


@notes.resource("note://{note_id}", name="note", mime_type="text/plain")
async def note_text(note_id: str) -> str:
    """Return the text of a note."""
    return await _text(await _notes(), note_id)


@notes.prompt()
async def summary(topic: Title) -> str:
    """Ask for a summary of the notes on a topic."""
    found = await _search(await _notes(), topic, limit=20)
    titles = "\n".join(f"- {note.title} (note://{note.id})" for note in found)
    return f"Summarize what these notes say about {topic}:\n{titles or '- none found'}"


@public_notes.tool(name="search_notes")
async def search_public_notes(query: Text, limit: Limit = 20) -> list[Brief]:
    """Return public notes whose title or text holds the query, newest first."""
    return await _search((await _notes()).filter(public=True), query, limit)


@public_notes.tool(name="read_note")
async def read_public_note(note_id: NoteId) -> Full:
    """Return one public note."""
    return await _read((await _notes()).filter(public=True), note_id)


@notes.resource("note://public/{note_id}", name="public note", mime_type="text/plain")
@public_notes.resource("note://public/{note_id}", name="public note", mime_type="text/plain")
async def public_note_text(note_id: str) -> str:
    """Return the text of a public note."""
    return await _text((await _notes()).filter(public=True), note_id)


async def _notes() -> QuerySet[Note]:
    """Return all notes, on a connection that works.

    Outside of Django's request cycle nobody else drops one that died.
    """
    await aclose_old_connections()
    return Note.objects.all()


async def _search(rows: QuerySet[Note], query: str, limit: int) -> list[Brief]:
    found = rows.filter(Q(title__icontains=query) | Q(text__icontains=query))[:limit]
    return [Brief(id=note.pk, title=note.title) async for note in found]


async def _get(rows: QuerySet[Note], note_id: int) -> Note:
    note = await rows.filter(pk=note_id).afirst()
    if note is None:
        raise ToolError(f"there is no note {note_id}")
    return note


async def _read(rows: QuerySet[Note], note_id: int) -> Full:
    note = await _get(rows, note_id)
    return Full(id=note.pk, title=note.title, text=note.text, public=note.public)


async def _text(rows: QuerySet[Note], note_id: str) -> str:
    known = note_id.isascii() and note_id.isdigit() and len(note_id) <= 18
    note = await rows.filter(pk=int(note_id)).afirst() if known else None
    if note is None:
        raise ResourceNotFoundError(f"there is no note {note_id[:40]}")
    return note.text
