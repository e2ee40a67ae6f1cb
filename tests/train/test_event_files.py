"""Event files, read back record by record."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from flame_jax.errors import InputError
from train.event_files import EventFile


def events_in(folder: Path) -> list[Event]:
    """All events of a folder's files: each record is a length (8 bytes), its checksum (4), the event, its checksum."""
    events = []
    for file in sorted(folder.glob("events.out.*")):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return events


def test_points_come_back(tmp_path):
    with EventFile(tmp_path) as file:
        file.write(3, {"train/loss": 0.5, "train/worst": 2.0})
        file.write(6, {"train/loss": 0.25})
    points = [
        (event.step, value.tag, value.simple_value) for event in events_in(tmp_path) for value in event.summary.value
    ]
    assert points == [(3, "train/loss", 0.5), (3, "train/worst", 2.0), (6, "train/loss", 0.25)]


def test_a_resumed_run_takes_back_what_it_does_again(tmp_path):
    with EventFile(tmp_path, first_step=40):
        pass
    starts = [event.step for event in events_in(tmp_path) if event.HasField("session_log")]
    assert starts == [40]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        EventFile(tmp_path / "file" / "run")
