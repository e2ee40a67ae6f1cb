"""Regions by rule: on the shipped head always, on FLAME and ICT-FaceKit where they lie."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from data.prior import read_prior
from flame_jax import InputError, read_head_model
from flame_jax.model import HeadModel
from flame_jax.regions import RegionMasks, region_masks
from tests.data_made import sphere
from tests.heads_made import bare, in_unit, subdivided

_ROOT = Path(__file__).parents[2]
_SHARED = _ROOT.parent / "shared/data"
_FLAME = _SHARED / "flame2023open/flame2023open_identity60.npz"
_ICT = _SHARED / "ict_facekit/ict_facekit.npz"
_PARTS = ("face", "left_ear", "right_ear", "scalp", "neck", "eyeballs", "inside")
_OF_FACE = ("nose", "lips", "left_eye_region", "right_eye_region")

# MediaPipe Face Mesh's vertices: outer border of the lips and the fissure between them, tip and bridge of the nose,
# upper and lower lids.
_LIPS_BORDER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
_NOSE = (4, 5, 195, 197, 6)
_RIGHT_LIDS = (246, 161, 160, 159, 158, 157, 173, 7, 163, 144, 145, 153, 154, 155)
_LEFT_LIDS = (466, 388, 387, 386, 385, 384, 398, 249, 390, 373, 374, 380, 381, 382)


@functools.cache
def _prior() -> HeadModel:
    return read_prior(_ROOT / "s2f/assets/prior.npz").head


@functools.cache
def _flame() -> HeadModel:
    return read_head_model(_FLAME)


@functools.cache
def _ict() -> HeadModel:
    with np.load(_ICT) as file:
        quads, vertices = file["quads"], file["vertices"]
    faces = np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, [0, 2, 3]]]).astype(np.int32)
    like = HeadModel(vertices, np.zeros((len(vertices), 3, 1), np.float32), faces, metres_per_unit=0.01, name="ICT")
    return bare(like, vertices, faces)


def _flame_with(betas: np.ndarray) -> HeadModel:
    model = _flame()
    vertices = model.v_template + model.shapedirs[:, :, : len(betas)] @ betas.astype(np.float32)
    return dataclasses.replace(model, v_template=vertices)


@functools.cache
def _masks(head: Callable[[], HeadModel]) -> RegionMasks:
    return region_masks(head())


_needs_flame = pytest.mark.skipif(not _FLAME.exists(), reason="FLAME 2023 Open is not beside the project")
_needs_ict = pytest.mark.skipif(not _ICT.exists(), reason="ICT-FaceKit is not beside the project")
_every_head = pytest.mark.parametrize(
    "head", [_prior, pytest.param(_flame, marks=_needs_flame), pytest.param(_ict, marks=_needs_ict)]
)


def _check_nested(masks: RegionMasks) -> None:
    assert (sum(getattr(masks, part).astype(int) for part in _PARTS) == 1).all()
    count = sum(getattr(masks, part).astype(int) for part in _OF_FACE)
    assert count.max() == 1
    assert not (count.astype(bool) & ~masks.face).any()
    assert all(getattr(masks, part).any() for part in (*_PARTS, *_OF_FACE) if part not in ("eyeballs", "inside"))


def _area(model: HeadModel, mask: np.ndarray) -> float:
    corners = model.v_template[model.faces].astype(np.float64) * model.metres_per_unit * 1e3
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return float((areas * mask[model.faces].mean(axis=1)).sum())


@_every_head
def test_parts_are_a_partition_and_regions_nest(head: Callable[[], HeadModel]) -> None:
    _check_nested(_masks(head))


@_every_head
def test_areas_are_those_of_a_head(head: Callable[[], HeadModel]) -> None:
    model, masks = head(), _masks(head)
    # Square centimetres, wide around an adult's: an auricle has two sides of about 20, the lips are about 5 by 1.5.
    ranges = {
        "face": (250.0, 600.0),
        "nose": (20.0, 60.0),
        "lips": (5.0, 20.0),
        "left_eye_region": (6.0, 25.0),
        "right_eye_region": (6.0, 25.0),
        "left_ear": (25.0, 80.0),
        "right_ear": (25.0, 80.0),
        "scalp": (450.0, 1000.0),
    }
    for name, (low, high) in ranges.items():
        assert low < _area(model, getattr(masks, name)) / 100.0 < high, name


@_every_head
def test_left_and_right_mirror_each_other(head: Callable[[], HeadModel]) -> None:
    model, masks = head(), _masks(head)
    points = model.v_template.astype(np.float64) * model.metres_per_unit * 1e3
    outside = ~masks.inside & ~masks.eyeballs
    middle = np.median(points[masks.nose, 0])
    mirrored = [2.0 * middle, 0.0, 0.0] - points * [1.0, -1.0, -1.0]
    distance, nearest = cKDTree(points[outside]).query(mirrored)
    partner = np.flatnonzero(outside)[nearest]
    pairs = [(name, name) for name in ("face", "nose", "lips", "scalp", "neck")]
    pairs += [("left_eye_region", "right_eye_region"), ("left_ear", "right_ear")]
    for one, other in pairs:
        mask = getattr(masks, one) & (distance < 4.0)
        assert getattr(masks, other)[partner[mask]].mean() > 0.85, one
        assert _area(model, getattr(masks, one)) == pytest.approx(_area(model, getattr(masks, other)), rel=0.1)


@_every_head
def test_regions_lie_where_they_belong(head: Callable[[], HeadModel]) -> None:
    model, masks = head(), _masks(head)
    points = model.v_template.astype(np.float64) * model.metres_per_unit * 1e3
    middle = {
        name: points[getattr(masks, name)].mean(axis=0) for name in (*_PARTS, *_OF_FACE) if getattr(masks, name).any()
    }
    assert masks.nose[np.argmax(np.where(masks.face, points[:, 2], -np.inf))]
    assert middle["left_eye_region"][0] > 20.0 > -20.0 > middle["right_eye_region"][0]
    assert middle["left_ear"][0] > 55.0 > -55.0 > middle["right_ear"][0]
    assert middle["scalp"][1] > middle["left_eye_region"][1] > middle["nose"][1] > middle["lips"][1] > middle["neck"][1]
    assert middle["left_ear"][2] < points[masks.nose, 2].min() - 40.0
    # The lips end above the chin and below the nose; the scalp leaves a forehead of at least 4 cm.
    assert points[masks.lips, 1].max() < points[masks.nose, 1].min()
    near_middle = np.abs(points[:, 0]) < 10.0
    brow = points[masks.nose, 1].max()
    hair = points[masks.scalp & near_middle & (points[:, 2] > middle["scalp"][2]), 1].min()
    assert 40.0 < hair - brow < 80.0


@pytest.mark.parametrize("head", [_prior, pytest.param(_flame, marks=_needs_flame)])
def test_finer_triangles_change_no_region(head: Callable[[], HeadModel]) -> None:
    model, masks = head(), _masks(head)
    fine = subdivided(model)
    again = region_masks(fine)
    for name in ("face", "nose", "left_ear", "right_ear", "scalp", "neck", "left_eye_region", "right_eye_region"):
        assert _area(fine, getattr(again, name)) == pytest.approx(_area(model, getattr(masks, name)), rel=0.1), name
        old = getattr(again, name)[: len(model.v_template)]
        assert (old & getattr(masks, name)).sum() > 0.9 * (old | getattr(masks, name)).sum(), name
    assert _area(fine, again.lips) == pytest.approx(_area(model, masks.lips), rel=0.15)


def test_unit_is_of_no_importance() -> None:
    masks = region_masks(in_unit(_prior(), 1.0))
    for name in (*_PARTS, *_OF_FACE):
        assert (getattr(masks, name) != getattr(_masks(_prior), name)).mean() < 0.002


@_needs_flame
def test_flames_landmarks_fall_into_their_regions() -> None:
    model, masks = _flame(), _masks(_flame)
    with np.load(_FLAME) as file:
        place = {int(index): row for row, index in enumerate(file["landmark_indices"])}
    assert model.lmk_face_idx is not None
    assert model.lmk_b_coords is not None
    corners, weights = model.faces[model.lmk_face_idx], model.lmk_b_coords

    def share(indices: tuple[int, ...], mask: np.ndarray) -> np.ndarray:
        rows = [place[index] for index in indices]
        return (mask[corners[rows]] * weights[rows]).sum(axis=1)

    assert (share(_NOSE, masks.nose) > 0.99).all()
    assert (share(_LEFT_LIDS, masks.left_eye_region | masks.inside) > 0.99).all()
    assert (share(_RIGHT_LIDS, masks.right_eye_region | masks.inside) > 0.99).all()
    # On the border itself about half of a triangle's corners are lips.
    border = share(_LIPS_BORDER, masks.lips)
    assert 0.25 < border.mean() < 0.75
    # Every vertex of the lips is close to the polygon of their border.
    points = np.einsum("lc,lcd->ld", weights, model.v_template[corners])[[place[index] for index in _LIPS_BORDER]] * 1e3
    lips = model.v_template[masks.lips] * 1e3
    assert np.abs(lips[:, 0]).max() < np.abs(points[:, 0]).max() + 3.0
    assert lips[:, 1].max() < points[:, 1].max() + 2.0
    assert lips[:, 1].min() > points[:, 1].min() - 2.0


@_needs_ict
def test_icts_landmarks_fall_into_their_regions() -> None:
    # Vertices of ICT-FaceKit's own table of the 68 landmarks, and its list of what its ranges of vertices are.
    masks = _masks(_ict)
    assert masks.nose[[4527, 4942, 4857]].all()
    assert (masks.right_eye_region | masks.inside)[[1507, 1542, 1537, 1528, 1518, 1511]].all()
    assert (masks.left_eye_region | masks.inside)[[3742, 3751, 3756, 3721, 3725, 3732]].all()
    points = _ict().v_template * 10.0
    border = points[[5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841]]
    distance, _ = cKDTree(points[masks.lips]).query(border)
    assert distance.max() < 4.0
    lips = points[masks.lips]
    assert (lips[:, :2].min(axis=0) > border[:, :2].min(axis=0) - 2.0).all()
    assert (lips[:, :2].max(axis=0) < border[:, :2].max(axis=0) + 2.0).all()
    assert masks.eyeballs[21451:24591].all()
    assert not masks.eyeballs[:21451].any()
    assert masks.inside[11248:14062].mean() > 0.9  # the sockets of mouth and eyes
    assert masks.inside[14062:21451].all()  # gums, tongue, teeth
    assert not masks.inside[:9409].mean() > 0.1


@_needs_flame
@pytest.mark.parametrize("seed", range(5))
def test_heads_that_vary(seed: int) -> None:
    betas = np.random.default_rng(seed).standard_normal(60).clip(-2.0, 2.0)
    if seed % 2:
        betas = 2.0 * np.sign(betas[:10])
    masks, mean = region_masks(_flame_with(betas)), _masks(_flame)
    _check_nested(masks)
    # FLAME's vertices keep their meaning, so a person's regions are about the mean head's.
    for name, least in {
        "face": 0.85,
        "nose": 0.8,
        "lips": 0.6,
        "left_ear": 0.75,
        "right_ear": 0.75,
        "scalp": 0.7,
    }.items():
        one, other = getattr(masks, name), getattr(mean, name)
        assert (one & other).sum() > least * (one | other).sum(), name


def test_what_is_no_head_is_refused() -> None:
    ball = sphere(100.0)
    model = bare(_prior(), ball.vertices.astype(np.float32), ball.faces)
    with pytest.raises(InputError, match="no face is found"):
        region_masks(model)


def test_a_head_that_looks_backwards_is_refused() -> None:
    model = _prior()
    turned = bare(model, model.v_template * np.array([-1.0, 1.0, -1.0], dtype=np.float32), model.faces)
    with pytest.raises(InputError, match="look along"):
        region_masks(turned)


def test_a_head_without_ears_is_refused() -> None:
    model, masks = _prior(), _masks(_prior)
    ears = masks.left_ear | masks.right_ear
    others = np.flatnonzero(~ears & ~masks.inside)
    flat = model.v_template.copy()
    # Pressed down to where the nearest skin beside them is.
    nearest = others[
        cKDTree(flat[others, 1:] + 1e3 * np.sign(flat[others, :1])).query(
            flat[ears, 1:] + 1e3 * np.sign(flat[ears, :1])
        )[1]
    ]
    flat[ears, 0] = flat[nearest, 0]
    with pytest.raises(InputError, match="ear"):
        region_masks(bare(model, flat, model.faces))
