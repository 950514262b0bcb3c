"""A statement with one of its settings replaced, as ``with``, ``vary`` and ``--set`` do it."""

from __future__ import annotations

from dataclasses import replace

from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

INSTEAD = {"preserve": "side", "side": "preserve"}
"""Settings of which a rule has one or the other."""

LAYER = "layer"
"""The key under which the layer of a rule is replaced."""


def overridden(
    statement: s.Operation | s.Include, key: s.Word, value: s.Value
) -> s.Operation | s.Include:
    """The same statement with ``key value`` in place of what it says of ``key``.

    An operation gets the setting into its block; an ``include`` passes it on.
    """
    if isinstance(statement, s.Include):
        return _passed_on(statement, key, value)
    if key.text == LAYER and not isinstance(value, s.Text):
        return replace(statement, layer=s.Word(value.text, value.span))
    gone = (key.text, INSTEAD.get(key.text))
    kept = [
        item
        for item in statement.block.items
        if not (isinstance(item, s.Setting) and item.key.text in gone)
    ]
    setting = s.Setting(key, value, None, Span(key.span.start, value.span.end))
    return replace(statement, block=replace(statement.block, items=(*kept, setting)))


def _passed_on(statement: s.Include, key: s.Word, value: s.Value) -> s.Include:
    block = statement.block or s.Block((), statement.span)
    gone = (key.text, INSTEAD.get(key.text))
    kept = [item for item in block.items if item.key.text not in gone]
    item = s.Override(key, value, Span(key.span.start, value.span.end))
    return replace(statement, block=replace(block, items=(*kept, item)))
