"""Sans-IO byte transformers, one a file, composed into a pipeline per connection.

The nouns of the room: a **preset** (``base``) turns bytes into effects in two directions, *encode*
towards the wire and *decode* towards the application; the **registry** turns the ``presets`` of a
configuration into a maker of **pipelines**; a **pipeline** runs the presets of one connection in
order and folds their effects. ``socks_address`` is the form in which several of them write targets.

A new preset is one file here and one line in ``registry``; one of a user's own is a file anywhere
that ``own`` loads. What its author needs is named below.
"""

from __future__ import annotations

from blinktun.address import Address
from blinktun.effects import Chunk, ConnectTo, Effect, Forward, Reject, Reply
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets.base import (
    AddressingPreset,
    Preset,
    PresetContext,
    PresetMaker,
    Role,
    choose,
    file_param,
    text_param,
)

__all__ = [
    "Address",
    "AddressingPreset",
    "Chunk",
    "ConfigError",
    "ConnectTo",
    "Effect",
    "Forward",
    "LocalError",
    "Preset",
    "PresetContext",
    "PresetMaker",
    "Reject",
    "RemoteError",
    "Reply",
    "Role",
    "choose",
    "file_param",
    "text_param",
]
