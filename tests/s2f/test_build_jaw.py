"""`s2f build-jaw`: a made head with teeth, somebody else's and in another frame, opens the shipped prior's mouth."""

from __future__ import annotations

import numpy as np
import pytest

from data.jaw_opening import read_jaw_opening
from s2f.cli import main
from tests.flame_made import write_npz
from tests.jaw_made import OPENING_DEG, jaw_head
from tests.skulls_made import shipped_prior


def test_a_mouth_opens_as_the_model_s(capsys, tmp_path):
    made, out = jaw_head(), tmp_path / "results" / "jaw.npz"
    model = write_npz(tmp_path / "model.npz", made.facekit())
    assert main(["build-jaw", "--head-model", str(model), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"the mandible turns by {OPENING_DEG:.1f} degrees" in shown
    assert "Changed: the displacements of the expression jawOpen" in shown

    opening = read_jaw_opening(out, shipped_prior())
    assert "MIT License" in opening.credit
    assert float(opening.mandible.angle) == pytest.approx(np.radians(OPENING_DEG), abs=1e-3)
    np.testing.assert_allclose(opening.mandible.axis, [1.0, 0.0, 0.0], atol=1e-6)
    # Pivot and displacement come back, in the prior's frame and size; that somebody else's teeth lie elsewhere is known
    # to nobody.
    np.testing.assert_allclose(opening.mandible.pivot, made.motion.pivot, atol=6.0)
    head = made.skin.vertices
    chin = (head[:, 2] > 85.0) & (np.abs(head[:, 0]) < 15.0) & (head[:, 1] < made.line.points[:, 1].min() - 8.0)
    assert chin.sum() > 50
    assert np.linalg.norm(np.asarray(opening.skin)[chin] - made.skin_displacement[chin], axis=1).mean() < 3.0
    still = head[:, 1] > 0.0
    assert not np.asarray(opening.skin)[still].any()

    assert main(["build-jaw", "--head-model", str(model), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
