"""`s2f fit-flame`: heads come back from scans, in any pose and unit; what is no head is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from data.mesh_files import read_mesh, write_mesh
from data.prior import read_prior
from data.shipped import PRIOR
from fields.distance import DistanceScene
from fields.mesh import Mesh, submesh, transform_points
from fields.sampling import sample_surface
from flame_jax import HeadModel, InputError, read_head_model
from flame_jax.flame import Flame
from flame_jax.landmark_embedding import LandmarkEmbedding, LandmarkEmbeddings
from s2f import picture
from s2f.cli import main
from s2f.fit_picture import fit_picture
from s2f.flame_fitting import fit_flame
from s2f.scan_landmarks import ScanLandmarks
from s2f.scan_placing import cleaned_scan
from tests.data_made import box, inside_out, joined, sphere

SHARED = Path(__file__).parents[3] / "shared" / "data"
FLAME_OPEN = SHARED / "flame2023open" / "flame2023open_identity60.npz"
FACEKIT = SHARED / "ict_facekit" / "ict_facekit.npz"


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return read_prior(PRIOR).head


def person(model: HeadModel, seed: int) -> Mesh:
    """Somebody, in the model's unit."""
    betas = np.random.default_rng(seed).normal(size=model.shapedirs.shape[2])
    return Mesh((model.v_template + model.shapedirs @ betas).astype(np.float64), model.faces)


def pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = np.eye(4)
    made[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    made[:3, 3] = 200 * rng.normal(size=3)
    return made


def noisy(mesh: Mesh, sd: float) -> Mesh:
    return Mesh(mesh.vertices + sd * np.random.default_rng(0).normal(size=mesh.vertices.shape), mesh.faces)


def without(mesh: Mesh, share: float) -> Mesh:
    """What is left after balls of 15 to 45 mm have taken so much of the area."""
    rng = np.random.default_rng(0)
    area = np.bincount(mesh.faces.ravel(), np.repeat(mesh.face_areas() / 3, 3), len(mesh.vertices))
    keep = np.ones(len(mesh.vertices), bool)
    while area[~keep].sum() < share * area.sum():
        centre = mesh.vertices[rng.integers(len(keep))]
        keep &= np.linalg.norm(mesh.vertices - centre, axis=1) > rng.uniform(15, 45)
    return submesh(mesh, keep)


def scaled(mesh: Mesh, factor: float) -> Mesh:
    return Mesh(mesh.vertices * factor, mesh.faces)


def mean_distance(true: Mesh, fitted: Mesh) -> float:
    return float(DistanceScene(fitted).distance(sample_surface(true, 10_000, 0).points).mean())


def rebuilt(record: dict[str, Any], model: HeadModel) -> np.ndarray:
    """The vertices in the scan's unit, from nothing but the record and the model: what another program would do."""
    values: dict[str, Any] = {name: np.array(value) for name, value in record["parameters"].items()}
    scale, transl, betas = values.pop("scale"), values.pop("transl"), values.pop("betas")
    posed = Flame.of(model.in_millimetres()).shaped(betas).posed(**values)
    return (scale * np.asarray(posed.vertices, np.float64) + transl) / record["mm_per_unit"]


@pytest.fixture(scope="module")
def fitted(head: HeadModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A head turned inside out, with noise and holes, beside a chair, in metres and far away; fitted by the command."""
    folder = tmp_path_factory.mktemp("fit")
    true = without(person(head, 3), 0.3).transformed(pose(3))
    chair = box((60.0, 300.0, 200.0), subdivisions=2)
    beside = Mesh(chair.vertices + true.vertices.mean(axis=0) + [260.0, 0.0, 0.0], chair.faces)
    scan = scaled(inside_out(joined(noisy(true, 0.5), beside)), 1e-3)
    write_mesh(folder / "scan.ply", scan)
    status = main(["fit-flame", str(folder / "scan.ply"), "--out", str(folder / "fitted.obj"), "--no-picture"])
    return {"status": status, "folder": folder, "true": true}


def test_a_head_with_noise_holes_and_a_chair_comes_back(fitted, head):
    assert fitted["status"] == 0
    result = read_mesh(fitted["folder"] / "fitted.obj")
    assert (result.faces == head.faces).all()
    assert mean_distance(fitted["true"], scaled(result, 1e3)) < 0.5


def test_the_record_rebuilds_the_mesh(fitted, head):
    record = json.loads((fitted["folder"] / "fitted.json").read_text())
    result = read_mesh(fitted["folder"] / "fitted.obj")
    np.testing.assert_allclose(rebuilt(record, head), result.vertices, atol=2e-6)
    transform = np.array(record["T_scan_model"])
    shape = head.v_template + head.shapedirs @ np.array(record["parameters"]["betas"])
    np.testing.assert_allclose(transform_points(transform, shape), result.vertices, atol=2e-6)
    assert set(record["parameters"]) == {"betas", "global_orient", "transl", "scale"}
    assert record["parameters"]["scale"] == 1.0


def test_the_record_tells_what_was_done(fitted, head):
    record = json.loads((fitted["folder"] / "fitted.json").read_text())
    assert record["unit"] == "m"
    assert "unit taken for m" in record["warnings"][0]
    assert record["start"]["by"] == "registration"
    assert record["landmarks"] is None
    assert len(record["betas_sd"]) == 60
    assert 0.0 < min(record["betas_sd"]) < max(record["betas_sd"]) < 1.0
    distance = record["distance_scan_to_head_mm"]
    assert distance["median"] < distance["mean"] < distance["percentile_95"] < 2.0
    assert 0.3 < distance["matched_share"] < 0.9  # the chair is not on the head
    assert record["credit"].startswith("Head: FLAME 2023 Open")
    assert "fitted to a scan" in record["credit"]
    assert len(record["input"]["sha256"]) == 64
    assert record["configuration"]["neutral"] is False
    assert not (fitted["folder"] / "fitted.png").exists()


def test_what_is_no_head_is_refused_and_kept_by_force(head, tmp_path, capsys):
    write_mesh(tmp_path / "box.ply", box())
    arguments = ["fit-flame", str(tmp_path / "box.ply"), "--out", str(tmp_path / "out.obj")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "does not look like a head" in said
    assert "--landmarks" in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["box.ply"]
    assert main([*arguments, "--force", "--no-picture"]) == 0
    assert (tmp_path / "out.obj").exists()


def landmarked(model: HeadModel, count: int = 51) -> LandmarkEmbedding:
    """Points on the front of a model."""
    centroids = model.v_template[model.faces].mean(axis=1)
    front = np.flatnonzero(centroids[:, 2] > np.percentile(centroids[:, 2], 80))
    chosen = np.random.default_rng(0).choice(front, count, replace=False).astype(np.int32)
    return LandmarkEmbedding(chosen, np.full((count, 3), 1 / 3, np.float32), name="made")


def jointed(head: HeadModel) -> HeadModel:
    """The head with three expressions and FLAME's joints, of which the jaw alone turns anything."""
    rng = np.random.default_rng(1)
    vertices = head.v_template
    centre = np.array([[0, -80, 20], [0, -80, 20], [0, 0, 10], [30, 20, 60], [-30, 20, 60]])
    regressor = np.zeros((5, len(vertices)))
    for joint, place in enumerate(centre):
        regressor[joint, np.argsort(np.linalg.norm(vertices - place, axis=1))[:20]] = 1 / 20
    jaw = np.clip(-(vertices[:, 1] + 20) / 30, 0, 1) * np.clip((vertices[:, 2] - 20) / 30, 0, 1)
    weights = np.zeros((len(vertices), 5))
    weights[:, 2], weights[:, 1] = jaw, 1 - jaw
    bumps = [np.exp(-np.sum((vertices - [x, y, 95]) ** 2, axis=1) / 500) for x, y in ((0, -30), (30, -20), (-30, -20))]
    exprdirs = np.stack([bump[:, None] * rng.normal(0, 2, 3) for bump in bumps], axis=2)
    return dataclasses.replace(
        head.with_identities(10),
        exprdirs=exprdirs.astype(np.float32),
        posedirs=np.zeros((len(vertices), 3, 36), np.float32),
        j_regressor=regressor.astype(np.float32),
        kintree_parents=np.array([-1, 0, 1, 1, 1]),
        lbs_weights=weights.astype(np.float32),
    )


def test_expression_and_jaw_are_found_from_landmarks(head):
    model = jointed(head)
    betas = np.random.default_rng(2).normal(size=10)
    jaw = np.array([0.2, 0.0, 0.0])
    posed = Flame.of(model).shaped(betas).posed(expression=np.array([1.0, -1.0, 0.5]), jaw_pose=jaw)
    true = Mesh(np.asarray(posed.vertices, np.float64), model.faces).transformed(pose(5))
    embedding = landmarked(model)
    points = true.vertices[model.faces[embedding.face_idx]].mean(axis=1)
    points[4] = np.nan
    result = fit_flame(true, model, landmarks=points, embeddings=LandmarkEmbeddings(static=embedding))
    record = result.record
    assert mean_distance(true, result.mesh) < 0.3
    np.testing.assert_allclose(record["parameters"]["jaw_pose"], jaw, atol=0.05)
    assert record["landmarks"]["used"] == 50
    assert record["landmarks"]["residual_mm"][4] is None
    assert record["landmarks"]["residual_mean_mm"] < 0.5
    assert record["start"]["by"] == "landmarks"
    np.testing.assert_allclose(rebuilt(record, model), result.mesh.vertices, atol=2e-3)
    neutral = fit_flame(true, model, landmarks=points, embeddings=LandmarkEmbeddings(static=embedding), neutral=True)
    assert neutral.record["fitted_groups"] == ["betas", "global_orient", "transl"]
    assert not np.any(neutral.record["parameters"]["jaw_pose"])
    assert mean_distance(true, neutral.mesh) > mean_distance(true, result.mesh)


@pytest.mark.skipif(not FLAME_OPEN.exists(), reason="needs FLAME 2023 Open in the shared data")
def test_a_head_of_unknown_size_comes_back_from_mediapipe_landmarks():
    model = read_head_model(FLAME_OPEN)
    true = without(person(model.in_millimetres(), 8), 0.3)
    full = person(model.in_millimetres(), 8).vertices
    assert model.lmk_face_idx is not None
    assert model.lmk_b_coords is not None
    marks = np.einsum("lc,lcd->ld", model.lmk_b_coords, full[model.faces[model.lmk_face_idx]])
    marks = marks + np.random.default_rng(0).normal(size=marks.shape)
    marks[:10] = np.nan
    away = pose(8)
    away[:3, :3] *= 1.6
    result = fit_flame(
        noisy(true, 0.5).transformed(away), model, landmarks=transform_points(away, marks), unit="mm", scaled=True
    )
    assert mean_distance(true.transformed(away), result.mesh) < 1.6 * 0.5
    assert result.record["parameters"]["scale"] == pytest.approx(1.6, rel=0.03)


@pytest.mark.skipif(not FACEKIT.exists() or not FLAME_OPEN.exists(), reason="needs the shared head models")
def test_the_narrow_face_of_another_models_person_is_found_without_landmarks():
    kit = read_head_model(FACEKIT)
    everything = person(kit, 1001)
    face = submesh(everything, np.arange(len(everything.vertices)) < 6706).transformed(pose(6))
    result = fit_flame(face, read_head_model(FLAME_OPEN))
    assert result.record["unit"] == "cm"
    assert mean_distance(scaled(face, 10), scaled(result.mesh, 10)) < 0.95


def test_landmarks_are_paired_by_their_number(head):
    embedding = landmarked(head)
    points = head.v_template[head.faces[embedding.face_idx]].mean(axis=1).astype(np.float64)
    mean = head.v_template.astype(np.float64)
    static = LandmarkEmbeddings(static=embedding)
    pairs = ScanLandmarks.of(transform_points(pose(1), points), head, static, source="scan")
    assert pairs.first == 0
    np.testing.assert_allclose(pairs.place(mean, scaled=False, source="scan"), pose(1), atol=1e-4)
    with_contour = np.concatenate([np.zeros((17, 3)), points])
    pairs = ScanLandmarks.of(with_contour, head, static, source="scan")
    assert pairs.first == 17
    np.testing.assert_allclose(pairs.on(mean), points, atol=1e-3)
    with pytest.raises(InputError, match="landmark-embedding"):
        ScanLandmarks.of(points, head, source="scan")
    with pytest.raises(InputError, match="at least 4"):
        ScanLandmarks.of(np.where(np.arange(51)[:, None] < 48, np.nan, points), head, static, source="scan")
    shuffled = ScanLandmarks.of(points[::-1].copy(), head, static, source="scan")
    with pytest.raises(InputError, match="order"):
        shuffled.place(mean, scaled=False, source="scan")
    small = ScanLandmarks.of(points / 10, head, static, source="scan")
    with pytest.raises(InputError, match="unit"):
        small.place(mean, scaled=False, source="scan")


def test_an_open_scan_is_turned_outward():
    ball = sphere(100.0)
    cap = submesh(ball, ball.vertices[:, 2] > 0.0)
    for given in (cap, inside_out(cap)):
        mesh = cleaned_scan(given, source="scan")
        assert (mesh.face_normals()[:, 2] > -0.1).all()


def test_options_are_checked_before_work(tmp_path, capsys):
    write_mesh(tmp_path / "scan.ply", sphere(100.0))
    scan, out = str(tmp_path / "scan.ply"), str(tmp_path / "out.obj")
    assert main(["fit-flame", scan, "--out", out, "--landmark-embedding", "x.npz"]) == 2
    assert "--landmarks" in capsys.readouterr().err
    assert main(["fit-flame", str(tmp_path), "--out", out]) == 2
    assert "--tissue skin" in capsys.readouterr().err
    assert main(["fit-flame", scan, "--out", scan]) == 2
    assert "is read and would be written" in capsys.readouterr().err
    (tmp_path / "out.json").write_text("{}")
    assert main(["fit-flame", scan, "--out", out]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_picture_shows_distances_and_credits_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "PAGE_WIDTH", 700)
    head, scan = sphere(100.0, subdivisions=4), sphere(102.0, subdivisions=4)
    texts = []
    for name, distance in (("near.png", 0.1), ("far.png", 2.0)):
        values = np.where(scan.vertices[:, 0] > 0, distance, 3.0)
        fit_picture(tmp_path / name, scan=scan, head=head, distance_mm=values, caption="A ball", credit="Nobody, CC0")
        with Image.open(tmp_path / name) as image:
            texts.append(dict(image.text))  # type: ignore[attr-defined]
            assert image.width == 700
    assert texts[0] == {"Description": "A ball", "Copyright": "Nobody, CC0"}
    near, far = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("near.png", "far.png"))
    assert near.shape == far.shape
    assert (np.abs(near - far).max(axis=2) > 20).mean() > 0.01
