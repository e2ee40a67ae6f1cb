"""The face region is the one that is scored."""

from __future__ import annotations

import numpy as np

from data.face_region import face_triangles
from eval.regions import face_mask
from tests.skulls_made import case


def test_training_looks_where_faces_are_scored():
    head, marks = case(0).head, case(0).landmarks
    found = face_triangles(head, marks)
    centre = head.vertices[head.faces].mean(axis=1)
    np.testing.assert_array_equal(found, face_mask(centre, head.face_normals(), marks))
    assert 0.05 < head.face_areas()[found].sum() / head.face_areas().sum() < 0.25
