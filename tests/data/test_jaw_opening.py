"""Open jaws: written and read, the shipped ones, and how well rigid bone follows ICT-FaceKit's teeth."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.build_jaw_opening import build_jaw_opening, lower_teeth, opening_displacement
from data.jaw import mandible_mask
from data.jaw_opening import JawOpening, read_jaw_opening, write_jaw_opening
from data.landmark_rules import Relief
from data.mandible_motion import MandibleMotion
from data.prior import AnatomyPrior, read_prior
from data.shipped import JAW_OPEN, JAW_OPEN_ICT, PRIOR_ICT
from data.soft_landmarks import soft_landmarks
from fields.distance import DistanceScene
from fields.mesh import Mesh, transform_points
from flame_jax.errors import InputError
from flame_jax.model_file import read_head_model
from tests.flame_made import identity_model
from tests.jaw_made import jaw_head
from tests.skulls_made import shipped_prior

FACEKIT = Path(__file__).parents[3] / "shared" / "data" / "ict_facekit" / "ict_facekit.npz"
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@functools.cache
def ict_prior() -> AnatomyPrior:
    return read_prior(PRIOR_ICT)


def made() -> JawOpening:
    skin = 20.0 * np.random.default_rng(0).standard_normal(shipped_prior().head.v_template.shape)
    return JawOpening(skin.astype(np.float32), jaw_head().motion.in_single_precision(), "Made for a test, CC0")


# Files


def test_writing_and_reading_back(tmp_path):
    path = tmp_path / "folder" / "jaw.npz"
    write_jaw_opening(path, made(), shipped_prior())
    again = read_jaw_opening(path, shipped_prior())
    np.testing.assert_allclose(again.skin, made().skin, atol=0.51 * np.abs(made().skin).max() / 32767)
    for field in dataclasses.fields(MandibleMotion):
        np.testing.assert_array_equal(getattr(again.mandible, field.name), getattr(made().mandible, field.name))
    assert again.credit == made().credit
    assert [entry.name for entry in path.parent.iterdir()] == ["jaw.npz"]


def altered(path: Path, **changes: np.ndarray | None) -> Path:
    """A written opening with arrays replaced, or left out."""
    write_jaw_opening(path, made(), shipped_prior())
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def about(**changes: object) -> np.ndarray:
    return np.frombuffer(json.dumps(changes).encode(), np.uint8)


DAMAGED: dict[str, dict[str, np.ndarray | None]] = {
    "no skin": {"skin": None},
    "skin of floats": {"skin": np.zeros((9602, 3))},
    "skin in a plane": {"skin": np.zeros((9602, 2), np.int16)},
    "no hinge": {"pivot": None},
    "long axis": {"axis": np.array([2.0, 0.0, 0.0])},
    "endless angle": {"angle": np.asarray(np.inf)},
    "no text": {"about": None},
    "text of noise": {"about": np.arange(9, dtype=np.uint8)},
    "text without credit": {"about": about(format="s2f jaw opening 1", head="0")},
    "credit that is no text": {"about": about(format="s2f jaw opening 1", head="0", credit=3)},
    "code": {"skin": np.array([{}], dtype=object)},
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged(tmp_path, case):
    with pytest.raises(InputError, match=r"jaw\.npz: not a jaw opening, or a damaged one; make one with s2f build-jaw"):
        read_jaw_opening(altered(tmp_path / "jaw.npz", **DAMAGED[case]), shipped_prior())


@pytest.mark.parametrize("content", [b"", b"not an archive", bytes(range(256)) * 8])
def test_no_archive(tmp_path, content):
    path = tmp_path / "jaw.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"jaw\.npz: not a jaw opening"):
        read_jaw_opening(path, shipped_prior())


def test_cut_short(tmp_path):
    path = altered(tmp_path / "jaw.npz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"jaw\.npz: not a jaw opening"):
        read_jaw_opening(path, shipped_prior())


def test_not_there(tmp_path):
    with pytest.raises(InputError, match=r"absent\.npz: no such file; make one with s2f build-jaw"):
        read_jaw_opening(tmp_path / "absent.npz", shipped_prior())


def test_a_later_format(tmp_path):
    path = altered(tmp_path / "jaw.npz", about=about(format="s2f jaw opening 9", head="0", credit=""))
    with pytest.raises(InputError, match=r"jaw\.npz: format 's2f jaw opening 9'"):
        read_jaw_opening(path, shipped_prior())


def test_of_another_head(tmp_path):
    with pytest.raises(InputError, match=r"jaw_open\.npz: opens another head than the prior's"):
        read_jaw_opening(JAW_OPEN, ict_prior())
    path = altered(tmp_path / "jaw.npz", skin=np.zeros((12, 3), np.int16))
    with pytest.raises(InputError, match=r"jaw\.npz: opens another head than the prior's"):
        read_jaw_opening(path, shipped_prior())


def test_models_that_do_not_open():
    model = identity_model()
    with pytest.raises(InputError, match="made: has no expression jawOpen; give ICT-FaceKit"):
        build_jaw_opening(model, shipped_prior(), credit="", source="made")
    toothless = dataclasses.replace(model, exprdirs=np.ones((42, 3, 1)), expression_names=("jawOpen",))
    with pytest.raises(InputError, match="made: has no teeth that jawOpen moves; give ICT-FaceKit"):
        build_jaw_opening(toothless, shipped_prior(), credit="", source="made")


def test_of_a_person_whose_mandible_lies_elsewhere():
    offset = np.array([1.0, -4.0, 3.0])
    theirs = made().of_person(offset)
    points = np.array([[0.0, -60.0, 80.0], [30.0, -40.0, 20.0]])
    for weight in WEIGHTS:
        here = transform_points(np.asarray(made().mandible_transform(weight), np.float64), points)
        there = transform_points(np.asarray(theirs.mandible_transform(weight), np.float64), points + offset)
        np.testing.assert_allclose(there, here + offset, atol=1e-3)


def test_a_pytree():
    assert len(jax.tree.leaves(made())) == 5
    turned = jax.jit(lambda opening, weight: opening.mandible_transform(weight))(made(), jnp.float32(0.5))
    np.testing.assert_allclose(turned, made().mandible_transform(0.5), atol=1e-5)


# The shipped ones


@dataclasses.dataclass(frozen=True)
class Shipped:
    prior: AnatomyPrior
    opening: JawOpening

    def head(self, weight: float) -> Mesh:
        closed = self.prior.head_mesh()
        return Mesh(closed.vertices + weight * np.asarray(self.opening.skin, np.float64), closed.faces)

    def mandible_at(self, weight: float) -> np.ndarray:
        return np.asarray(self.opening.mandible_transform(weight), np.float64)


@functools.cache
def of(path: Path) -> Shipped:
    prior = ict_prior() if path == JAW_OPEN_ICT else shipped_prior()
    return Shipped(prior, read_jaw_opening(path, prior))


@pytest.fixture(params=[JAW_OPEN, JAW_OPEN_ICT], ids=["FLAME", "ICT"])
def shipped(request: pytest.FixtureRequest) -> Shipped:
    assert request.param.stat().st_size < 20_000
    return of(request.param)


def test_shipped_motion(shipped):
    motion, marks = shipped.opening.mandible, shipped.prior.landmark_points()
    assert np.degrees(motion.angle) == pytest.approx(25.3, abs=0.1)
    np.testing.assert_array_equal(motion.axis, [1.0, 0.0, 0.0])
    # It turns about the condyles, in front of and below the poria.
    condyles = 0.5 * (marks["po_l"] + marks["po_r"]) + [0.0, -5.0, 14.0]
    assert np.linalg.norm(motion.hinge() - condyles) < 7.0
    gap = np.linalg.norm(transform_points(shipped.mandible_at(1.0), marks["id"]) - marks["pr"])
    assert 25.0 < gap - np.linalg.norm(marks["id"] - marks["pr"]) < 40.0


def test_shipped_skin_stays_above_the_line(shipped):
    marks, head = shipped.prior.landmark_points(), shipped.prior.head_mesh().vertices
    moving = np.any(np.asarray(shipped.opening.skin) != 0.0, axis=1)
    assert 0.2 < moving.mean() < 0.3
    assert head[moving, 1].max() < -0.5
    nose = (np.abs(head[:, 0]) < abs(marks["ac_l"][0])) & (head[:, 1] > marks["mp"][1])
    ears = (np.abs(head[:, 0]) > 72.0) & (head[:, 1] > -40.0)
    assert nose.sum() > 100
    assert ears.sum() > 100
    assert not moving[nose | ears].any()


@pytest.mark.parametrize("weight", WEIGHTS[1:])
def test_shipped_skin_keeps_its_depth_over_the_chin(shipped, weight):
    marks, prior, head = shipped.prior.landmark_points(), shipped.prior, DistanceScene(shipped.head(weight))
    rigid = shipped.mandible_at(weight)
    keys = ("sm", "pg", "gn", "me", "mmb_l", "mmb_r")
    rows = [prior.control_names.index(key) for key in keys]
    bone = transform_points(rigid, np.stack([marks[key] for key in keys]))
    depth = head.cast(bone, prior.directions[rows] @ rigid[:3, :3].T).distance
    np.testing.assert_allclose(depth, prior.depths[rows], atol=1.5)


def test_shipped_skin_covers_the_bone(shipped):
    prior, rigid = shipped.prior, shipped.mandible_at(1.0)
    jaw = mandible_mask(prior.skull, prior.landmark_points())
    bone = np.where(jaw[:, None], transform_points(rigid, prior.skull.vertices), prior.skull.vertices)
    assert DistanceScene(shipped.head(1.0)).signed_distance(bone).max() < -1.5


def test_shipped_membrane_lies_behind_the_lips(shipped):
    marks = soft_landmarks(shipped.prior.head_mesh())
    vertices = shipped.prior.head_mesh().vertices
    near = [int(np.argmin(np.linalg.norm(vertices - marks[key], axis=1))) for key in ("ls", "li")]
    upper, lower = shipped.head(1.0).vertices[near]
    assert upper[1] - lower[1] > 30.0
    relief = Relief(DistanceScene(shipped.head(1.0)))
    y = np.linspace(lower[1] + 8.0, upper[1] - 8.0, 20)
    chord = np.interp(y, [lower[1], upper[1]], [lower[2], upper[2]])
    behind = chord - relief.front(np.zeros_like(y), y)
    assert behind.max() > 4.0
    assert behind[3:-3].min() > 1.0


def test_shipped_skin_is_not_torn(shipped):
    closed, opened = shipped.prior.head_mesh(), shipped.head(1.0)
    turned = np.einsum("fd,fd->f", closed.face_normals(), opened.face_normals()) < -0.3
    # Skin folds where the underside of the chin meets the neck, and the membrane's few triangles turn with the lips.
    assert turned.sum() < 0.003 * len(turned)
    middles = closed.vertices[closed.faces[turned]].mean(axis=1)
    mouth = np.abs(middles[:, 1] - soft_landmarks(closed)["sto"][1]) < 3.0
    assert (mouth | (middles[:, 1] < -80.0)).all()
    assert opened.face_areas().min() > 0.0


def test_shipped_credit(shipped):
    for word in (
        "ICT-FaceKit",
        "Copyright (c) 2020 USC Institute for Creative Technologies",
        "MIT License",
        "Changed:",
    ):
        assert word in shipped.opening.credit


# ICT-FaceKit


def test_rigid_bone_follows_the_teeth():
    if not FACEKIT.exists():
        pytest.skip("ICT-FaceKit is not beside the project")
    model = read_head_model(FACEKIT).in_millimetres()
    displacement = opening_displacement(model, "ICT")
    teeth = lower_teeth(model, displacement, "ICT")
    assert np.linalg.norm(displacement[teeth], axis=1).min() > 18.8
    closed = model.v_template[teeth].astype(np.float64)
    motion = MandibleMotion.of_points(closed, displacement[teeth])
    assert np.degrees(motion.angle) == pytest.approx(25.3, abs=0.05)
    most, mean = [], []
    for weight in np.linspace(0.0, 1.0, 9):
        rigid = np.asarray(motion.at(float(weight)), np.float64)
        off = np.linalg.norm(transform_points(rigid, closed) - closed - weight * displacement[teeth], axis=1)
        most.append(off.max())
        mean.append(off.mean())
    assert max(most) == pytest.approx(0.76, abs=0.02)
    assert max(mean) == pytest.approx(0.39, abs=0.02)
