"""Head models of FLAME's full layout, made from real heads, laid into the head frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.fittable_head import FittableHead
from data.parametric import fit_head, posed_mesh
from data.warp import similarity
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from flame_jax import HeadModel, read_head_model
from flame_jax.errors import InputError
from tests.data_made import box
from tests.flame_made import CORRECTIVES, EXPRESSIONS, IDENTITIES, JOINTS, flame_parts, write_npz
from tests.skulls_made import alignment, shipped_prior

FLAME_OPEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "flame2023open" / "flame2023open_identity60.npz"


def full_flame(head: Mesh, modes: np.ndarray) -> dict[str, np.ndarray]:
    """FLAME's full layout around a head in metres and its first identity modes; all else is made and small."""
    rng, count = np.random.default_rng(5), len(head.vertices)
    shapedirs = 1e-5 * rng.standard_normal((count, 3, IDENTITIES + EXPRESSIONS), dtype=np.float32)
    shapedirs[:, :, : modes.shape[2]] = modes
    regressor = np.zeros((JOINTS, count))
    for joint in range(JOINTS):
        regressor[joint, rng.choice(count, 8, replace=False)] = 1 / 8
    weights = rng.random((count, JOINTS))
    return {
        "v_template": head.vertices,
        "shapedirs": shapedirs,
        "posedirs": 1e-5 * rng.standard_normal((count, 3, CORRECTIVES), dtype=np.float32),
        "J_regressor": regressor,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.uint32),
        "f": head.faces.astype(np.uint32),
    }


def of_the_prior() -> dict[str, np.ndarray]:
    """The prior's mean with its own modes, in metres, in a frame of its own."""
    prior = shipped_prior()
    own = np.eye(4)
    own[:3, :3] = 1e-3 * Rotation.from_rotvec([0.3, -0.1, 0.05]).as_matrix()
    own[:3, 3] = [0.002, 0.04, -0.03]
    modes = np.einsum("ij,vjk->vik", own[:3, :3], prior.head.shapedirs[:, :, :40])
    return full_flame(prior.head_mesh().transformed(own), modes)


def of_flame_open() -> dict[str, np.ndarray]:
    """FLAME 2023 Open, which has identity modes only."""
    with np.load(FLAME_OPEN, allow_pickle=False) as stored:
        head = Mesh(stored["v_template"].astype(np.float64), stored["faces"])
        return full_flame(head, stored["shapedirs"])


MADE = {
    "of the prior": of_the_prior,
    "of FLAME 2023 Open": of_flame_open,
}


@pytest.fixture(
    scope="module",
    params=[
        "of the prior",
        pytest.param(
            "of FLAME 2023 Open",
            marks=pytest.mark.skipif(not FLAME_OPEN.is_file(), reason="../shared is not there"),
        ),
    ],
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HeadModel:
    path = write_npz(tmp_path_factory.mktemp("flame") / "full.npz", MADE[request.param]())
    return read_head_model(path)


@pytest.fixture(scope="module")
def placed(model: HeadModel) -> FittableHead:
    return FittableHead.of_model(model, shipped_prior(), source="full.npz")


def mean_of(head: FittableHead) -> Mesh:
    return Mesh(head.model.v_template.astype(np.float64), head.model.faces)


def test_the_mean_lies_on_the_prior_s_mean(placed):
    prior = shipped_prior()
    own, theirs = mean_of(placed), prior.head_mesh()
    # Eyeballs and the inside of the mouth, which some models have, lie under the skin.
    outer = DistanceScene(theirs).signed_distance(own.vertices) > -6.0
    assert outer.mean() > 0.7
    assert DistanceScene(theirs).distance(own.vertices[outer]).mean() < 3.0
    above_the_neck = theirs.vertices[:, 1] > theirs.vertices[:, 1].min() + 60.0
    assert DistanceScene(own).distance(theirs.vertices[above_the_neck]).mean() < 3.0


def test_it_is_moved_as_a_whole_in_millimetres(model, placed):
    assert placed.model.metres_per_unit == 1e-3
    assert placed.model.shapedirs.shape == (len(model.v_template), 3, IDENTITIES)
    assert placed.model.exprdirs is None
    before, after = model.v_template.astype(np.float64), placed.model.v_template.astype(np.float64)
    transform = similarity(before, after)
    assert np.cbrt(np.linalg.det(transform[:3, :3])) == pytest.approx(1000.0, rel=1e-5)
    np.testing.assert_allclose(transform_points(transform, before), after, atol=1e-2)
    betas = np.random.default_rng(0).standard_normal(40)
    shaped = transform_points(transform, before + model.shapedirs[:, :, :40] @ betas)
    np.testing.assert_allclose(shaped, after + placed.model.shapedirs[:, :, :40] @ betas, atol=1e-2)


def test_ties_lie_over_the_prior_s_controls(placed):
    prior = shipped_prior()
    of_prior = FittableHead.of_prior(prior)
    assert len(placed.ties.points) == len(prior.control_names)
    mean_skin = Mesh(mean_of(placed).vertices, placed.skin.faces)
    np.testing.assert_allclose(placed.ties.on(mean_skin), placed.ties.points, atol=1e-2)
    # A head model may have no shoulders or neck, but over the bones it has skin.
    assert np.median(np.linalg.norm(placed.ties.points - of_prior.ties.points, axis=1)) < 3.0


def test_it_can_be_fitted(placed):
    fit = fit_head(placed, alignment(0), shipped_prior())
    misses = [abs(fit.depths_mm[key] - target) for key, target in fit.depth_targets_mm.items() if key in fit.depths_mm]
    assert len(fit.betas) == IDENTITIES
    assert np.mean(misses) < 1.5
    assert fit.least_cover_mm >= 0.5


def test_the_prior_s_own_head_needs_no_registration():
    prior = shipped_prior()
    own = FittableHead.of_prior(prior)
    assert own.model is prior.head
    x = np.zeros(own.model.shapedirs.shape[2] + 6, dtype=np.float32)
    np.testing.assert_allclose(own.ties.on(posed_mesh(own.model, x)), own.ties.points, atol=1e-4)
    # From bone along the depths' directions to the skin.
    reached = prior.controls + prior.depths[:, None] * prior.directions
    np.testing.assert_allclose(reached, own.ties.points, atol=0.1)


def test_a_lump_is_no_head(tmp_path):
    lump = read_head_model(write_npz(tmp_path / "lump.npz", flame_parts()))
    with pytest.raises(InputError, match=r"lump\.npz: its mean .*head"):
        FittableHead.of_model(lump, shipped_prior(), source="lump.npz")


@pytest.mark.parametrize("size", [(0.15, 0.3, 0.2), (0.05, 0.5, 0.05)])
def test_a_box_is_no_head(tmp_path, size):
    made = box(size)
    parts = full_flame(made, np.zeros((len(made.vertices), 3, 1), dtype=np.float32))
    boxed = read_head_model(write_npz(tmp_path / "box.npz", parts))
    with pytest.raises(InputError, match=r"box\.npz: its mean .*head"):
        FittableHead.of_model(boxed, shipped_prior(), source="box.npz")
