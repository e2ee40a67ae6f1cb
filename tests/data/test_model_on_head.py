"""A head model laid on the prior's mean head: somebody else's, in another frame and unit."""

from __future__ import annotations

import numpy as np

from data.model_on_head import farthest_first, lay_model
from data.warp import similarity
from fields.distance import DistanceScene
from flame_jax.model_file import read_head_model
from tests.flame_made import write_npz
from tests.jaw_made import jaw_head
from tests.skulls_made import shipped_prior


def test_it_comes_to_lie_on_the_head(tmp_path):
    made = jaw_head()
    model = read_head_model(write_npz(tmp_path / "model.npz", made.facekit()))
    laid = lay_model(model, shipped_prior(), source="model.npz")
    used = np.unique(laid.mesh.faces)
    assert used.max() < len(made.skin.vertices)  # no teeth
    assert len(used) > 0.99 * len(made.skin.vertices)
    assert DistanceScene(shipped_prior().head_mesh()).distance(laid.mesh.vertices[used]).max() < 0.5
    # Not only on the surface, but in its place there.
    assert np.linalg.norm(laid.mesh.vertices[used] - made.skin.vertices[used], axis=1).mean() < 0.5
    wanted = similarity(model.in_millimetres().v_template[used].astype(np.float64), made.skin.vertices[used])
    np.testing.assert_allclose(laid.T_head_model[:3, :3], wanted[:3, :3], atol=0.003)
    np.testing.assert_allclose(laid.T_head_model[:3, 3], wanted[:3, 3], atol=0.3)


def test_points_spread_evenly():
    points = np.random.default_rng(0).random((2000, 3))
    chosen = farthest_first(points, 50)
    assert len(set(chosen.tolist())) == 50
    gaps = np.linalg.norm(points[chosen][:, None] - points[chosen], axis=2) + 10.0 * np.eye(50)
    reach = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
    # No point is farther from the chosen ones than these are from each other.
    assert reach.max() <= gaps.min()
    assert len(farthest_first(points[:5], 50)) == 5
