"""A person in a scanner: skull and skin of one CT, and the mask beside it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import eval.subject
from data.align import Alignment
from eval.scanned_subject import mask_beside, read_scan, scan_name
from fields.distance import DistanceScene
from fields.mesh import Mesh
from tests.skulls_made import alignment, shipped_prior

SPACING = 3.5
T_SCAN_HEAD = np.array([[1.0, 0.0, 0.0, 5.0], [0.0, 0.0, -1.0, -40.0], [0.0, 1.0, 0.0, 12.0], [0.0, 0.0, 0.0, 1.0]])
"""Head frame (y up, z forward) to the scanner's (y back, z up)."""


def write_scan(path: Path) -> Mesh:
    """A CT of the prior's mean person, in the scanner's frame; the head is returned there."""
    prior = shipped_prior()
    head, skull = prior.head_mesh().transformed(T_SCAN_HEAD), prior.skull.transformed(T_SCAN_HEAD)
    low, high = head.vertices.min(axis=0) - 20.0, head.vertices.max(axis=0) + 20.0
    axes = [np.arange(low[axis], high[axis], SPACING) for axis in (2, 1, 0)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)[..., ::-1]
    to_skin = DistanceScene(head).signed_distance(points)
    to_bone, inside = np.full_like(to_skin, np.inf), to_skin < SPACING
    to_bone[inside] = DistanceScene(skull).signed_distance(points[inside])
    # As a scanner shows edges: over about a voxel.
    flesh = np.clip(0.5 - to_skin / SPACING, 0.0, 1.0) * 1040.0
    bone = np.clip(0.5 - to_bone / SPACING, 0.0, 1.0) * 1000.0
    image = sitk.GetImageFromArray((flesh + bone - 1000.0).astype(np.float32))
    image.SetSpacing([SPACING] * 3)
    image.SetOrigin(low.tolist())
    sitk.WriteImage(image, str(path))
    return head


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mesh]:
    path = tmp_path_factory.mktemp("ct") / "mean.nii.gz"
    return path, write_scan(path)


def test_the_truth_is_the_person_s_own_skin_where_the_aligner_puts_it(
    scan: tuple[Path, Mesh], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, head = scan
    marks, given = shipped_prior().landmark_points(), []

    def aligned(skull: Mesh, *args: object, **options: object) -> Alignment:
        given.append(skull)
        return dataclasses.replace(
            alignment(0), T_head_skull=np.linalg.inv(T_SCAN_HEAD), landmarks=marks, bent_landmarks=marks
        )

    monkeypatch.setattr(eval.subject, "align_skull", aligned)
    nose = head.vertices[head.vertices[:, 1].argmin()]
    mask = tmp_path / "mask.json"
    mask.write_text(json.dumps({"spheres_mm": [{"centre": nose.tolist(), "radius": 15.0}]}))
    subject = read_scan(path, shipped_prior(), mask=mask)
    assert subject.name == "mean"
    assert subject.alignment is not None
    assert 200.0 < subject.masked_area_mm2 < 3000.0
    skin = subject.truth.head.vertices[np.unique(subject.truth.head.faces[subject.truth.triangles])]
    assert DistanceScene(shipped_prior().head_mesh()).distance(skin).mean() < 1.0
    # Bone is taken at a quarter of its density, and so a little outside of its surface.
    bone = DistanceScene(shipped_prior().skull.transformed(T_SCAN_HEAD)).distance(given[0].vertices)
    assert np.median(bone) < 1.5
    depths = dict(zip(subject.rays.names, subject.rays.depth_mm, strict=True))
    assert depths["zy_l"] == pytest.approx(shipped_prior().tissue.at("zy_l"), abs=3.0)


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/brain.nii.gz", "brain"), ("a/CT.NRRD", "CT"), ("v1.2.mha", "v1.2"), ("a/odd", "odd")],
)
def test_a_scan_is_named_as_its_file_without_extension(path: str, name: str) -> None:
    assert scan_name(Path(path)) == name


def test_masks_lie_beside_a_file_and_beside_or_in_a_folder(tmp_path: Path) -> None:
    file, folder = tmp_path / "brain.nii.gz", tmp_path / "dicom"
    folder.mkdir()
    assert mask_beside(file) is None
    assert mask_beside(folder) is None
    beside_file, beside_folder = tmp_path / "brain.mask.json", tmp_path / "dicom.mask.json"
    for path in (beside_file, beside_folder):
        path.write_text("{}")
    assert mask_beside(file) == beside_file.resolve()
    assert mask_beside(folder) == beside_folder.resolve()
    (folder / "mask.json").write_text("{}")
    assert mask_beside(folder) == folder / "mask.json"
