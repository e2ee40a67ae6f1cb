"""The anatomy prior: of a made head model in FLAME's layout, and the shipped one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import trimesh

from data.build_prior import PriorSize, build_prior, learn_modes
from data.fittable_head import FittableHead
from data.landmarks import ALL_KEYS, FRANKFURT, abbreviation_of
from data.prior import AnatomyPrior, read_prior, write_prior
from data.shipped import PRIOR, PRIOR_ICT
from data.skull_in_head import HAIR_CAP_MM, SCALP
from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax import HeadModel, read_head_model
from flame_jax.errors import InputError
from tests.data_made import sphere
from tests.flame_made import write_npz
from tests.prior_made import MODES, made_flame

_FLAME = Path(__file__).parents[3] / "shared/data/flame2023open/flame2023open_identity60.npz"
_FLAME_SKIN = 3931
"""FLAME's vertices from here on are eyeballs."""
_SIZE = PriorSize(head_vertices=6000, skull_vertices=6000, sampled_heads=2000, modes=10, voxel_mm=2.0)
_CREDIT = "Made for a test, CC0"


@dataclasses.dataclass(frozen=True)
class Built:
    model: HeadModel
    skin: int
    prior: AnatomyPrior
    steps: list[str]


@pytest.fixture(scope="module")
def shipped() -> AnatomyPrior:
    return read_prior(PRIOR)


@pytest.fixture(scope="module")
def built(shipped: AnatomyPrior, tmp_path_factory: pytest.TempPathFactory) -> Built:
    parts, skin = made_flame(shipped)
    model = read_head_model(write_npz(tmp_path_factory.mktemp("flame") / "made.npz", parts))
    assert model.shapedirs.shape[2] == 300
    assert model.posedirs is not None
    steps: list[str] = []
    prior = build_prior(
        model,
        shipped.skull,
        shipped.landmark_points(),
        shipped.tissue,
        credit=_CREDIT,
        size=_SIZE,
        progress=steps.append,
    )
    return Built(model, skin, prior, steps)


@pytest.fixture(scope="module")
def shipped_ict() -> AnatomyPrior:
    return read_prior(PRIOR_ICT)


@pytest.fixture(params=["built", "shipped", "shipped_ict"])
def prior(request: pytest.FixtureRequest) -> AnatomyPrior:
    found = request.getfixturevalue(request.param)
    return found.prior if isinstance(found, Built) else found


def test_the_head_is_one_closed_outward_surface_without_handles(prior: AnatomyPrior) -> None:
    head = prior.head_mesh()
    solid = trimesh.Trimesh(head.vertices, head.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.euler_number == 2
    assert solid.body_count == 1
    assert 2.5e6 < solid.volume < 6e6  # mm³
    assert head.face_areas().min() > 0.0


def test_the_skull_lies_inside_the_skin(prior: AnatomyPrior) -> None:
    cover = -DistanceScene(prior.head_mesh()).signed_distance(prior.skull.vertices)
    assert cover.min() > 0.5


def test_landmarks_lie_on_the_skull_and_define_the_frame(prior: AnatomyPrior) -> None:
    points = prior.landmark_points()
    assert prior.landmark_names == ALL_KEYS
    assert DistanceScene(prior.skull).distance(np.stack(list(points.values()))).max() < 0.1
    for key in ("po_l", "po_r", "or_l"):
        assert abs(points[key][1]) < 0.5
    np.testing.assert_allclose((points["po_l"] + points["po_r"])[1:] / 2, 0.0, atol=0.5)


def test_depths_under_the_mean_head_are_the_tables(prior: AnatomyPrior) -> None:
    points, skin = prior.landmark_points(), DistanceScene(prior.head_mesh())
    rows = [row for row, key in enumerate(prior.control_names) if key in prior.tissue.points()]
    assert len(rows) == 36
    keys = [prior.control_names[row] for row in rows]
    names = [abbreviation_of(key) for key in keys]
    assert not set(names) & set(FRANKFURT)
    wanted = np.array([prior.tissue.mean[name] + (HAIR_CAP_MM if name in SCALP else 0.0) for name in names])
    np.testing.assert_allclose(prior.depths[rows], wanted, atol=1.5)
    rays = skin.cast(np.stack([points[key] for key in keys]), prior.directions[rows])
    off = np.abs(rays.distance - wanted)
    assert off.max() < 1.5, keys[int(off.argmax())]


def test_texture_coordinates(prior: AnatomyPrior) -> None:
    uv, faces = prior.head.uv, prior.head.uv_faces
    assert uv is not None
    assert faces is not None
    assert faces.shape == prior.head.faces.shape
    assert uv.min() >= 0.0
    assert uv.max() <= 1.0
    np.testing.assert_array_equal(np.unique(faces), np.arange(len(uv)))
    # Each coordinate belongs to one vertex.
    vertex_of = np.empty(len(uv), dtype=np.int64)
    vertex_of[faces] = prior.head.faces
    np.testing.assert_array_equal(vertex_of[faces], prior.head.faces)
    ab, ac = (uv[faces[:, corner]].astype(np.float64) - uv[faces[:, 0]] for corner in (1, 2))
    assert (ab[:, 0] * ac[:, 1] > ab[:, 1] * ac[:, 0]).all()


def test_the_skull_follows_the_head_and_the_depths(prior: AnatomyPrior) -> None:
    count = prior.head.shapedirs.shape[2]
    same = prior.skull_of(np.zeros(count), {})
    np.testing.assert_allclose(same.vertices, prior.skull.vertices, atol=0.05)
    row = prior.control_names.index("pg")
    deeper = prior.skull_of(np.zeros(count), {"pg": float(prior.depths[row]) + 5.0})
    moved = prior.landmark_points(deeper)["pg"] - prior.landmark_points()["pg"]
    np.testing.assert_allclose(moved, -5.0 * prior.directions[row], atol=1.5)
    other = prior.skull_of(np.random.default_rng(0).standard_normal((count,)), {})
    assert np.linalg.norm(other.vertices - prior.skull.vertices, axis=1).mean() > 1.0


def test_modes_are_ordered_and_credit_is_kept(built: Built, shipped: AnatomyPrior, shipped_ict: AnatomyPrior) -> None:
    size = [np.linalg.norm(built.prior.head.shapedirs[:, :, k]) for k in range(MODES)]
    assert built.prior.head.shapedirs.shape[2] == MODES  # the other components move nothing
    assert (np.diff(size) < 0).all()
    assert built.prior.credit == built.prior.head.credit == _CREDIT
    assert built.steps
    for word in ("FLAME 2023 Open", "CC BY 4.0", "YahooJAPAN", "CC BY 3.0", "10.1007/s00414-023-03087-x", "Changed:"):
        assert word in shipped.credit
    for word in ("ICT-FaceKit", "(c) 2020 USC Institute for Creative Technologies, MIT License", "YahooJAPAN"):
        assert word in shipped_ict.credit


def test_the_bone_of_the_shipped_priors_is_well_covered(shipped: AnatomyPrior, shipped_ict: AnatomyPrior) -> None:
    for prior, least in ((shipped, 2.0), (shipped_ict, 1.5)):
        assert -DistanceScene(prior.head_mesh()).signed_distance(prior.skull.vertices).max() > least


def test_writing_and_reading_back(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "prior.npz"
    write_prior(path, built.prior)
    assert path.stat().st_size < 10e6
    assert PRIOR.stat().st_size < 10e6
    again = read_prior(path)
    for name in ("v_template", "shapedirs"):
        off = getattr(again.head, name) - getattr(built.prior.head, name)
        assert np.abs(off).max() < 0.01
    for name in ("faces", "uv", "uv_faces", "name", "credit"):
        np.testing.assert_array_equal(getattr(again.head, name), getattr(built.prior.head, name))
    np.testing.assert_allclose(again.skull.vertices, built.prior.skull.vertices, atol=0.01)
    np.testing.assert_array_equal(again.skull.faces, built.prior.skull.faces)
    np.testing.assert_allclose(again.landmarks.points, built.prior.landmarks.points, atol=0.01)
    np.testing.assert_array_equal(again.tie_faces, built.prior.tie_faces)
    for name, tolerance in (("controls", 0.01), ("directions", 1e-4), ("depths", 1e-4), ("tie_weights", 1e-6)):
        np.testing.assert_allclose(getattr(again, name), getattr(built.prior, name), atol=tolerance)
    for name in ("landmark_names", "control_names", "tissue", "credit"):
        assert getattr(again, name) == getattr(built.prior, name)
    assert [file.name for file in tmp_path.iterdir()] == ["prior.npz"]


def _errors_of_reproduction(prior: AnatomyPrior, model: HeadModel, skin: int, seed: int) -> np.ndarray:
    """Mean distance in mm from each of some sampled heads of `model` to the prior's head of the best coefficients,
    over the skin's vertices that the prior covers."""
    placed = FittableHead.of_model(model, prior, source="test").model
    mean = placed.v_template[:skin].astype(np.float64)
    head = prior.head_mesh()
    covered = DistanceScene(head).distance(mean) < 1.0
    assert covered.mean() > 0.6
    near = DistanceScene(head).closest(mean[covered])
    corners = prior.head.shapedirs[head.faces[near.face_ids]]
    modes = np.einsum("pc,pcdk->pdk", near.barycentric, corners).reshape(-1, corners.shape[-1])
    rng, errors = np.random.default_rng(seed), []
    for _ in range(4):
        drawn = placed.shapedirs[:skin][covered] @ rng.standard_normal(placed.shapedirs.shape[2])
        betas = np.linalg.lstsq(modes, (mean[covered] + drawn - near.points).ravel())[0]
        errors.append(DistanceScene(prior.head_mesh(betas)).distance(mean[covered] + drawn).mean())
    return np.array(errors)


def test_sampled_training_heads_are_reproduced(built: Built, tmp_path: Path) -> None:
    write_prior(tmp_path / "prior.npz", built.prior)
    again = read_prior(tmp_path / "prior.npz")
    # Components without any effect cost time only.
    model = dataclasses.replace(built.model.with_identities(MODES), exprdirs=None, posedirs=None)
    assert _errors_of_reproduction(again, model, built.skin, seed=5).max() < 0.3


def test_the_shipped_prior_reproduces_flames_heads(shipped: AnatomyPrior) -> None:
    if not _FLAME.exists():
        pytest.skip("FLAME 2023 Open is not beside the project")
    assert _errors_of_reproduction(shipped, read_head_model(_FLAME), _FLAME_SKIN, seed=5).max() < 0.3


def test_modes_of_a_linear_model_are_its_own_span() -> None:
    rng = np.random.default_rng(0)
    components = rng.normal(size=(5, 40, 3)) * np.array([5.0, 3.0, 2.0, 1.0, 0.0])[:, None, None]
    mean, modes = learn_modes(components, samples=5000, most=100, seed=1)
    assert modes.shape == (4, 40, 3)
    assert np.abs(mean).max() < 1.0
    # Unit-variance coefficients of the modes have the covariance of the components'.
    wanted, got = (np.einsum("kvi,kwj->viwj", part, part) for part in (components, modes))
    assert np.linalg.norm(got - wanted) < 0.06 * np.linalg.norm(wanted)
    few = learn_modes(components, samples=5000, most=2, seed=1)[1]
    np.testing.assert_allclose(few, modes[:2])


def test_a_model_without_eyeballs_is_refused(shipped: AnatomyPrior) -> None:
    for mesh in (sphere(0.1), shipped.head_mesh()):
        model = HeadModel(
            mesh.vertices.astype(np.float32), np.zeros((*mesh.vertices.shape, 2), np.float32), mesh.faces, name="bald"
        )
        with pytest.raises(InputError, match="'bald' has no two eyeballs"):
            build_prior(model, shipped.skull, None, shipped.tissue, credit="", size=_SIZE)


def test_skulls_of_other_heads_keep_their_topology(shipped: AnatomyPrior) -> None:
    other = shipped.skull_of(np.full(shipped.head.shapedirs.shape[2], 0.2), {})
    assert isinstance(other, Mesh)
    np.testing.assert_array_equal(other.faces, shipped.skull.faces)
    assert set(shipped.landmark_points(other)) == set(ALL_KEYS)
