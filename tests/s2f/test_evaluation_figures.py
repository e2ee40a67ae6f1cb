"""An evaluation's figures: which there are, and which cases they show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.evaluation import Evaluation, SubjectResult, SubjectSurfaces
from eval.face_errors import face_errors
from eval.face_uncertainty import calibrate, normal_errors
from eval.field.scores import Score, true_face
from fields.mesh import Mesh
from s2f import case_sheet, evaluation_figures, mean_error_map, picture
from s2f.evaluation_figures import CUMULATIVE, FIGURES, RELIABILITY, extremes, write_figures
from s2f.picture import rounded_head
from s2f.render import Frame, Layer, render_frame
from tests.held_out_made import held_out_case
from tests.skulls_made import shipped_prior


def result(seed: int, *, sure: bool = True, kept: bool = True) -> SubjectResult:
    """The mean head predicted for a made case, known to 3 mm."""
    case, mean = held_out_case(seed), shipped_prior().head_mesh()
    assert case.placed is not None
    truth = true_face(case)
    normal = normal_errors(mean, np.full(len(mean.vertices), 3.0), truth, count=200) if sure else None
    score = Score(face_errors(mean, truth, count=500), normal, 0.1)
    surfaces = SubjectSurfaces(truth, mean, case.placed.skull) if kept else None
    return SubjectResult(f"{seed:06d}", score, {}, {}, None, 0.0, (), surfaces)


def evaluation(*results: SubjectResult) -> Evaluation:
    """Of these and one that was refused."""
    heads = [each.score.normal for each in results if each.score.normal is not None]
    found = calibrate(heads) if heads else None
    return Evaluation("mean head", results, {"000009": "no skull"}, found, False, ("made by the tests",))


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (picture, case_sheet):
        monkeypatch.setattr(module, "PAGE_WIDTH", 900)


@pytest.mark.usefixtures("_small")
def test_figures_are_written_with_their_warnings(tmp_path: Path) -> None:
    said: list[str] = []
    write_figures(evaluation(result(0), result(1), result(1, kept=False)), shipped_prior(), tmp_path, said.append)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(FIGURES)
    assert len(said) == 3
    for name in ("cases.png", "error_map.png"):
        with Image.open(tmp_path / name) as image:
            told = image.info["Description"]
            assert told.startswith("made by the tests. ")
            assert "mean head, 2 of 4 subjects" in told
            assert image.info["Copyright"] == shipped_prior().credit


def test_without_uncertainty_there_is_no_reliability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawn in ("mean_error_map", "case_sheet"):
        monkeypatch.setattr(evaluation_figures, drawn, lambda *_, **__: None)
    (tmp_path / RELIABILITY).write_bytes(b"of another method")
    write_figures(evaluation(result(0, sure=False)), shipped_prior(), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [CUMULATIVE]


def test_best_median_and_worst_are_found() -> None:
    made = result(0, sure=False)
    kept = [with_mean(made, float(place)) for place in np.random.default_rng(0).permutation(21)]
    chosen = extremes(kept)
    assert [which for which, _, _ in chosen] == ["best"] * 2 + ["median"] * 2 + ["worst"] * 4
    assert [each.score.errors.mean_mm() for _, each, _ in chosen] == [0.0, 1.0, 9.0, 10.0, 17.0, 18.0, 19.0, 20.0]
    few = extremes(kept[:3])
    assert [which for which, _, _ in few] == ["1 of 3", "2 of 3", "3 of 3"]


def with_mean(made: SubjectResult, mean_mm: float) -> tuple[SubjectResult, SubjectSurfaces]:
    """The same with another mean error."""
    errors, surfaces = made.score.errors, made.surfaces
    assert surfaces is not None
    whole = dataclasses.replace(
        errors.whole, true_to_predicted=dataclasses.replace(errors.whole.true_to_predicted, mean_mm=mean_mm)
    )
    score = dataclasses.replace(made.score, errors=dataclasses.replace(errors, whole=whole))
    return dataclasses.replace(made, score=score), surfaces


@pytest.mark.usefixtures("_small")
def test_nobodys_own_skin_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither drawn, nor the head that errors are averaged on."""
    drawn: list[Mesh] = []

    def keep(layers: Sequence[Layer], frame: Frame) -> np.ndarray:
        drawn.extend(layer.mesh for layer in layers)
        return render_frame(layers, frame)

    for module in (case_sheet, mean_error_map):
        monkeypatch.setattr(module, "render_frame", keep)
    whose = result(0)
    assert whose.surfaces is not None
    own = dataclasses.replace(whose, surfaces=dataclasses.replace(whose.surfaces, own_skin=True))
    truth = whose.surfaces.truth
    at_home = truth.head.transformed(np.linalg.inv(truth.T_predicted_true))
    skins = [rounded_head(head)[0].vertices for head in (truth.head, at_home)]
    for results, shown in ((whose, True), (own, False)):
        drawn.clear()
        write_figures(evaluation(results), shipped_prior(), tmp_path)
        assert len(drawn) >= 5
        for skin in skins:
            same = [
                mesh
                for mesh in drawn
                if len(mesh.vertices) == len(skin) and np.allclose(mesh.vertices, skin, atol=1e-3)
            ]
            assert bool(same) == shown
