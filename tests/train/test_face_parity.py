"""Eight devices train a face field as one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device_parity import in_eight_devices
from tests.face_parity_made import PATH, write_constants
from tests.face_training_made import debug_task


def test_eight_devices_compute_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_constants(tmp_path / "constants.pkl", debug_task())
    monkeypatch.setenv(PATH, str(tmp_path / "constants.pkl"))
    parity = in_eight_devices("tests.face_parity_made:double_face_task")
    assert parity.devices == 8
    assert parity.split > 10
    assert parity.loss < 1e-10
    assert len(parity.gradients) > 30
    worst = max(parity.gradients, key=lambda name: parity.gradients[name])
    assert parity.gradients[worst] < 1e-5, worst
