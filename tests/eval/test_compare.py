"""A comparison in any frame and unit, its record and its mask."""

import dataclasses
import io
import json

import numpy as np
import pytest
import trimesh
from rich.console import Console

from eval.compare import compare, print_comparison
from eval.exclusion import Exclusion, read_exclusion
from eval.metrics import surface_errors
from eval.regions import region_faces
from eval.skull_record import SkullRecord, read_skull_record
from fields.mesh import Mesh
from flame_jax.errors import InputError

LANDMARKS = {
    "n": [0.0, 22.0, 90.0],
    "me": [0.0, -90.0, 78.0],
    "po_l": [57.0, 0.0, 0.0],
    "po_r": [-57.0, 0.0, 0.0],
}
MORE = {
    "mso_l": [30.0, 40.0, 86.0],
    "mio_l": [30.0, 0.0, 77.0],
    "ac_l": [15.0, -18.0, 84.0],
    "ss": [0.0, -30.0, 90.0],
    "sC_r": [-14.0, -37.0, 87.0],
    "sm": [0.0, -70.0, 80.0],
    "id": [0.0, -56.0, 82.0],
}


def ball(radius: float) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, dtype=np.int64))


def metres_turned() -> np.ndarray:
    """Head frame (mm) to an input frame in metres, turned and moved."""
    transform = trimesh.transformations.rotation_matrix(1.1, [0.3, -1.0, 0.6])
    transform[:3, :3] *= 1e-3
    transform[:3, 3] = [0.4, -1.2, 0.7]
    return transform


def write_record(path, T_head_input, mm_per_unit, landmarks):
    content = {"T_head_input": T_head_input.tolist(), "mm_per_unit": mm_per_unit, "landmarks_head_mm": landmarks}
    path.write_text(json.dumps(content | {"seed": 0}))
    return path


def in_head_frame(landmarks: dict[str, list[float]]) -> SkullRecord:
    return SkullRecord("skull.json", np.eye(4), 1.0, {key: np.array(value) for key, value in landmarks.items()})


@pytest.fixture
def record() -> SkullRecord:
    return in_head_frame(LANDMARKS | MORE)


def test_the_same_answer_in_every_frame_and_unit(tmp_path, record):
    predicted, true = ball(112.0), ball(110.0)
    plain = compare(predicted, true, region="face", skull=record)
    T_input_head = metres_turned()
    path = write_record(tmp_path / "skull.json", np.linalg.inv(T_input_head), 1000.0, LANDMARKS | MORE)
    turned = compare(
        predicted.transformed(T_input_head),
        true.transformed(T_input_head),
        region="face",
        skull=read_skull_record(path),
    )
    assert plain.errors.true_to_predicted.signed_mean_mm == pytest.approx(2.0, abs=0.03)
    assert turned.errors.true_to_predicted.mean_mm == pytest.approx(plain.errors.true_to_predicted.mean_mm, abs=1e-3)
    assert turned.region_area_mm2 == pytest.approx(plain.region_area_mm2, rel=1e-3)
    expected = surface_errors(predicted, true, region_faces(true, "face", record.landmarks))
    assert plain.errors == expected


def test_sub_regions_add_up_to_the_face(record):
    face = compare(ball(113.0), ball(110.0), region="face", skull=record)
    assert sum(part.samples for part in face.sub_regions.values()) == face.errors.true_to_predicted.samples
    head = compare(ball(113.0), ball(110.0), region="head", skull=record)
    assert head.sub_regions == {}
    assert head.region_area_mm2 > face.region_area_mm2


def test_without_the_landmarks_of_sub_regions_the_face_is_still_scored():
    comparison = compare(ball(113.0), ball(110.0), region="face", skull=in_head_frame(LANDMARKS))
    assert comparison.sub_regions == {}
    assert "mso, mio, ac, ss, sC, sm, id" in comparison.warnings[0]


def test_masked_parts_are_not_scored(record):
    true, predicted = ball(110.0), ball(110.0)
    dented = predicted.vertices[:, 0] > 20.0
    predicted.vertices[dented] *= 0.9
    half = Exclusion(half_spaces=((np.array([15.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])),))
    assert compare(predicted, true, region="face", skull=record).errors.true_to_predicted.mean_mm > 2.0
    masked = compare(predicted, true, region="face", skull=record, exclusion=half)
    assert masked.errors.true_to_predicted.mean_mm < 0.05
    assert masked.errors.predicted_to_true.mean_mm < 0.05
    assert masked.masked_area_mm2 > 0.0


def test_masks_are_in_the_input_frame_in_millimetres(tmp_path, record):
    T_input_head = metres_turned()
    path = write_record(tmp_path / "skull.json", np.linalg.inv(T_input_head), 1000.0, LANDMARKS)
    nose_input_mm = 1000.0 * (T_input_head @ [0.0, 0.0, 110.0, 1.0])[:3]
    true = ball(110.0)
    comparison = compare(
        true.transformed(T_input_head),
        true.transformed(T_input_head),
        region="face",
        skull=read_skull_record(path),
        exclusion=Exclusion(spheres=((nose_input_mm, 30.0),)),
    )
    assert comparison.masked_area_mm2 == pytest.approx(
        np.pi * 30.0**2, rel=0.05
    )  # a cap within a chord c has area π c²


def test_bad_input(tmp_path, record):
    true = ball(110.0)
    with pytest.raises(InputError, match="--skull"):
        compare(true, true, region="face", skull=None)
    bare = SkullRecord("bare.json", np.eye(4), 1.0, {})
    with pytest.raises(InputError, match=r"bare\.json.*po, me, n"):
        compare(true, true, region="face", skull=bare)
    away = Mesh(true.vertices - [0.0, 900.0, 0.0], true.faces)
    with pytest.raises(InputError, match=r"skull\.json.*nothing of the true surface"):
        compare(true, away, region="face", skull=record)
    inward = Mesh(true.vertices, true.faces[:, ::-1])
    with pytest.raises(InputError, match="face outward"):
        compare(true, inward, region="face", skull=record)
    assert compare(Mesh(true.vertices + 300.0, true.faces), true, region="face", skull=record).warnings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "T_head_input, mm_per_unit, landmarks_head_mm"),
        ({"T_head_input": [[1, 0], [0, 1]]}, "T_head_input is not 4×4"),
        ({"mm_per_unit": None}, "mm_per_unit is not a number"),
        ({"mm_per_unit": 1000.0}, "scale by mm_per_unit"),
        ({"T_head_input": np.diag([-1.0, 1.0, 1.0, 1.0]).tolist()}, "turn, move and scale"),
        ({"landmarks_head_mm": {"n": [1, 2]}}, "landmark n is not 3 numbers"),
        ({"landmarks_head_mm": [1, 2]}, "landmarks_head_mm is not a table"),
    ],
)
def test_bad_records(tmp_path, content, message):
    path = tmp_path / "skull.json"
    if isinstance(content, dict):
        good = {"T_head_input": np.eye(4).tolist(), "mm_per_unit": 1.0, "landmarks_head_mm": {}}
        path.write_text(json.dumps(good | content))
    elif content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_skull_record(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mask_file(tmp_path):
    path = tmp_path / "mask.json"
    path.write_text(
        json.dumps(
            {
                "boxes_mm": [[[0, 0, 0], [1, 1, 1]]],
                "spheres_mm": [{"centre": [5, 0, 0], "radius": 1}],
                "half_spaces_mm": [{"point": [0, 0, 10], "direction": [0, 0, 2]}],
            }
        )
    )
    points = np.array([[0.5, 0.5, 0.5], [5.5, 0, 0], [0, 0, 11], [3, 0, 0], [0, 0, 9], [6.1, 0, 0]], dtype=np.float64)
    np.testing.assert_array_equal(read_exclusion(path).holds(points), [True, True, True, False, False, False])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"box": []}, "box is unknown"),
        ({"boxes_mm": [[1, 2, 3]]}, "box is not 2×3"),
        ({"boxes_mm": {}}, "not a list"),
        ({"spheres_mm": [{"centre": [0, 0, 0]}]}, "radius is not a number"),
        ({"spheres_mm": [5]}, "centre is not 3"),
    ],
)
def test_bad_masks(tmp_path, content, message):
    path = tmp_path / "mask.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_exclusion(path)


def test_table_and_json(record):
    comparison = compare(ball(112.0), ball(110.0), region="face", skull=record)
    console = Console(width=120, record=True, file=io.StringIO())
    print_comparison(comparison, console)
    text = console.export_text()
    for part in ("true → predicted", "+2.0", "nose"):
        assert part in text
    plain = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    assert plain["errors"]["true_to_predicted"]["mean_mm"] == pytest.approx(2.0, abs=0.03)


def test_a_prediction_elsewhere_is_said_so(record):
    back = ball(110.0)
    back.vertices[:, 2] = -np.abs(back.vertices[:, 2]) - 200.0
    comparison = compare(back, ball(110.0), region="face", skull=record)
    assert any("frame and unit" in warning for warning in comparison.warnings)
    json.dumps(comparison.as_dict(), allow_nan=False)


def test_a_cut_scan_is_said_so():
    # Tilted forward, so that the cut's plane faces a little to the front.
    tilted = dataclasses.replace(
        in_head_frame(LANDMARKS | MORE), T_head_input=trimesh.transformations.rotation_matrix(0.2, [1.0, 0.0, 0.0])
    )
    true = ball(110.0)
    true.vertices[:, 1] = np.minimum(true.vertices[:, 1], 50.0)
    assert any("--mask" in warning for warning in compare(true, true, region="face", skull=tilted).warnings)
    above = Exclusion(half_spaces=((np.array([0.0, 49.0, 0.0]), np.array([0.0, 1.0, 0.0])),))
    assert compare(true, true, region="face", skull=tilted, exclusion=above).warnings == ()
    assert compare(ball(110.0), ball(110.0), region="face", skull=tilted).warnings == ()
