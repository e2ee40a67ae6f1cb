"""Regions of a ball that stands for a head."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from eval.regions import SUB_REGIONS, face_mask, head_mask, region_faces, sub_region_masks
from fields.mesh import Mesh
from flame_jax.errors import InputError

LANDMARKS = {
    "n": np.array([0.0, 22.0, 90.0]),
    "me": np.array([0.0, -90.0, 78.0]),
    "po_l": np.array([57.0, 0.0, 1.0]),
    "po_r": np.array([-57.0, 0.0, -1.0]),
    "mso_l": np.array([30.0, 40.0, 86.0]),
    "mso_r": np.array([-32.0, 40.0, 86.0]),
    "mio_l": np.array([30.0, 0.0, 77.0]),
    "ac_l": np.array([15.0, -18.0, 84.0]),
    "ss": np.array([0.0, -30.0, 90.0]),
    "sC_r": np.array([-14.0, -37.0, 87.0]),
    "sm": np.array([0.0, -70.0, 80.0]),
    "id": np.array([0.0, -56.0, 82.0]),
}


def ball(radius: float, subdivisions: int = 5) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, dtype=np.int64))


def test_bounds_of_the_face():
    forward = np.array([0.0, 0.0, 1.0])
    cases = [
        ([0, 0, 100], forward, True),
        ([60, 0, 25.5], forward, True),
        ([60, 0, 24.5], forward, False),  # 25 mm in front of the mean of both poria
        ([0, -94.5, 80], forward, True),
        ([0, -95.5, 80], forward, False),
        ([0, 66.5, 80], forward, True),
        ([0, 67.5, 80], forward, False),
        ([0, 0, 100], np.array([1.0, 0.0, -0.01]), False),
    ]
    points, normals, expected = (np.array(column, dtype=np.float64) for column in zip(*cases, strict=True))
    np.testing.assert_array_equal(face_mask(points, normals, LANDMARKS), expected.astype(bool))


def test_one_porion_is_enough():
    one = {key: value for key, value in LANDMARKS.items() if key != "po_r"}
    points, normals = np.array([[0.0, 0.0, 25.5]]), np.array([[0.0, 0.0, 1.0]])
    assert not face_mask(points, normals, one)[0]  # the left one lies 1 mm in front of the mean
    assert face_mask(points, normals, LANDMARKS)[0]


@pytest.mark.parametrize("lost", ["n", "me"])
def test_missing_landmarks_are_named(lost):
    rest = {key: value for key, value in LANDMARKS.items() if key != lost and not key.startswith("po")}
    with pytest.raises(InputError, match=f"po, {lost}") as caught:
        region_faces(ball(90.0), "face", rest)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"mso.*nose|mso.*sub-regions"):
        sub_region_masks(np.zeros((1, 3)), {"n": LANDMARKS["n"]})


def test_unknown_region():
    with pytest.raises(InputError, match="one of face, head"):
        region_faces(ball(90.0), "nose", LANDMARKS)


def test_regions_of_a_ball():
    mesh = ball(110.0)
    areas, face = mesh.face_areas(), region_faces(mesh, "face", LANDMARKS)
    # The part of a sphere between two parallel planes has area 2 π r h.
    head = region_faces(mesh, "head", LANDMARKS)
    assert areas[head].sum() == pytest.approx(2 * np.pi * 110.0 * (110.0 + 95.0), rel=0.01)
    assert head[face].all()
    centroids = mesh.vertices[mesh.faces].mean(axis=1)
    assert centroids[face, 2].min() > 25.0
    np.testing.assert_array_equal(head, head_mask(centroids, LANDMARKS))


def test_inner_walls_are_not_skin():
    outer, inner = ball(110.0), ball(60.0)
    cavity = Mesh(inner.vertices, inner.faces[:, ::-1])  # faces inward: the far wall faces forward
    both = Mesh(
        np.concatenate([outer.vertices, cavity.vertices]),
        np.concatenate([outer.faces, cavity.faces + len(outer.vertices)]),
    )
    for region in ("face", "head"):
        mask = region_faces(both, region, LANDMARKS)
        assert not mask[len(outer.faces) :].any()
        np.testing.assert_array_equal(mask[: len(outer.faces)], region_faces(outer, region, LANDMARKS))


def test_sub_regions_part_the_face():
    mesh = ball(110.0)
    points = mesh.vertices[mesh.faces].mean(axis=1)[region_faces(mesh, "face", LANDMARKS)]
    masks = sub_region_masks(points, LANDMARKS)
    assert list(masks) == [rule.name for rule in SUB_REGIONS]
    np.testing.assert_array_equal(np.sum(list(masks.values()), axis=0), 1)
    for name, mask in masks.items():
        assert mask.any(), name
        assert points[mask, 0].mean() == pytest.approx(0.0, abs=1.0), name


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ([31, 20, 80], "eyes"),
        ([-31, 20, 80], "eyes"),
        ([0, -10, 115], "nose"),
        ([2, -45, 100], "lips"),
        ([0, 50, 90], "brow"),
        ([0, -85, 90], "jaw"),
        ([50, -75, 40], "jaw"),
        ([45, -15, 70], "cheeks"),
    ],
)
def test_points_of_each_sub_region(point, name):
    masks = sub_region_masks(np.array([point], dtype=np.float64), LANDMARKS)
    assert [key for key, mask in masks.items() if mask[0]] == [name]


def test_ears_of_the_mean_head_are_not_scored():
    file = Path(__file__).parents[2].parent / "shared/data/flame2023open/flame2023open_identity60.npz"
    if not file.exists():
        pytest.skip("the open head model of ../shared is absent")
    with np.load(file) as model:
        mesh = Mesh(model["v_template"].astype(np.float64) * 1000.0, model["faces"].astype(np.int64))
    mesh = Mesh(mesh.vertices + np.array([0.0, -9.5, 42.0]), mesh.faces)  # its meatus to the origin, roughly
    face = region_faces(mesh, "face", LANDMARKS)
    used = mesh.vertices[np.unique(mesh.faces[face])]
    assert np.abs(used[:, 0]).max() < 75.0  # the auricles stand out to 90 mm
    share = mesh.face_areas()[face].sum() / mesh.face_areas().sum()
    assert 0.15 < share < 0.3
