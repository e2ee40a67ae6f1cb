"""The studies of the cohort's anatomy, on a few people: they measure what was drawn, and see what is wrong."""

from __future__ import annotations

import dataclasses
import functools
import io

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial import cKDTree

from data.cohort.generator import deviation_names
from data.cohort.variants import TRAIN
from data.jaw_opening import read_jaw_opening
from data.landmarks import abbreviation_of
from data.shipped import JAW_OPEN
from eval.bench.cohort import Counts, distance_parity, samples_per_second
from eval.cohort.bones import measure_bones
from eval.cohort.inversion import invert
from eval.cohort.left_out import measure_left_out
from eval.cohort.people import People
from eval.cohort.report import print_study
from eval.cohort.scan_depths import ScanDepth, scan_depths
from eval.cohort.study import AnatomyStudy
from eval.cohort.thickness import Thickness, measure_thickness
from s2f.cli import BAD_INPUT, main
from tests.cohort_made import QUERIES, SEED, SKULL_POINTS, train_people, train_stream
from tests.skeleton_made import shipped_skeleton
from tests.skulls_made import shipped_prior

LANDMARKS = ("g", "pg", "go", "zy", "ss")


@functools.cache
def thickness() -> tuple[Thickness, ...]:
    return tuple(measure_thickness(train_people(), TRAIN, LANDMARKS))


def test_what_is_measured_is_what_was_drawn() -> None:
    """Straight rays in open3d find the depths that were drawn, at midline landmarks and on both sides."""
    people = train_people()
    names = deviation_names(people.prior, TRAIN)
    for one in thickness():
        rows = [row for row, name in enumerate(names) if abbreviation_of(name) == one.landmark]
        drawn = people.deviations[:, rows]
        assert one.missed == 0
        assert one.mean_mm == pytest.approx(float(drawn.mean()), abs=0.6), one.landmark
        assert one.sd_mm == pytest.approx(float(np.sqrt(drawn.var(axis=0).mean())), abs=0.8), one.landmark


def test_skin_that_is_moved_out_is_measured_thicker() -> None:
    people = train_people()
    direction = people.prior.directions[people.prior.control_names.index("g")]
    thicker = dataclasses.replace(people, heads=people.heads + (2.0 * direction).astype(np.float32))
    (before,) = (one for one in thickness() if one.landmark == "g")
    (after,) = measure_thickness(thicker, TRAIN, ("g",))
    assert after.mean_mm - before.mean_mm == pytest.approx(2.0, abs=0.3)


def test_bone_stays_under_skin_and_no_side_is_favoured() -> None:
    people = train_people()
    bones = measure_bones(people)
    assert bones.out_of_skin == 0
    assert bones.farthest_out_mm < -0.5
    assert bones.people == len(people)
    moved = measure_bones(dataclasses.replace(people, skulls=people.skulls + np.array([0.0, 0.0, 20.0], np.float32)))
    assert moved.out_of_skin > 100
    assert moved.farthest_out_mm > 5.0
    lopsided = people.skulls + np.where(people.skulls[:, :, :1] > 0.0, 3.0, 0.0).astype(np.float32)
    assert measure_bones(dataclasses.replace(people, skulls=lopsided)).asymmetry_mm > bones.asymmetry_mm + 0.5


def test_a_skull_that_gives_its_face_away_is_found_out() -> None:
    """A regression finds the face of skulls that move as the skin does; the cohort's it cannot."""
    people = _split(train_people())
    train, test = (dataclasses.replace(part, skulls=_following(part, people[0])) for part in people)
    known = invert(train, test)
    real = invert(*people)
    assert known.ridge_mm < 0.75 * real.ridge_mm
    assert real.ridge_mm > 1.0
    # The same heads, though the skulls say a little differently where the face ends.
    assert real.mean_head_mm == pytest.approx(known.mean_head_mm, abs=0.2)
    assert (real.trained_on, real.tested_on) == (14, 6)


def test_a_landmark_that_does_not_drive_is_interpolated() -> None:
    prior = shipped_prior()
    (one,) = measure_left_out(
        prior, TRAIN, shipped_skeleton(), read_jaw_opening(JAW_OPEN, prior), ("sm",), people=20, seed=SEED
    )
    assert not one.drives
    assert one.mean_mm == pytest.approx(one.table_mean_mm, abs=2.0)


def test_a_scan_is_set_beside_the_cohort() -> None:
    """The scan is one of the people, so that its depths are known."""
    people = train_people()
    sites, marks = people.prior.control_names, people.landmarks(0)
    directions = dict(zip(sites, people.prior.directions, strict=True))
    found = {one.point: one for one in scan_depths(marks, directions, people.head(0), thickness())}
    assert set(found) == {"g", "pg", "ss", "go_l", "go_r", "zy_l", "zy_r"}
    names = deviation_names(people.prior, TRAIN)
    assert found["pg"].depth_mm == pytest.approx(float(people.deviations[0, names.index("pg")]), abs=1.5)
    assert abs(found["pg"].deviation) < 3.5


def test_the_program_is_timed_and_its_distances_are_open3ds() -> None:
    counts = Counts(pairs=0, samples=1, people=2, skull_points=SKULL_POINTS, queries=QUERIES)
    parity = distance_parity(shipped_prior(), train_stream(), counts)
    assert parity.largest_mm < 1e-3
    assert parity.signs_differ <= 1e-4 * parity.compared
    assert samples_per_second(train_stream(), counts) > 0.0


def test_the_tables_mark_what_departs() -> None:
    people = _split(train_people())
    good = Thickness("g", 5.5, 0.9, 5.5, 0.8, 0.05, 0, True)
    bad = Thickness("pg", 12.0, 3.0, 11.0, 1.5, -0.4, 2, True)
    study = AnatomyStudy(
        "train",
        invert(*people),
        measure_bones(people[1]),
        [good, bad],
        [dataclasses.replace(bad, mean_mm=14.0, drives=False)],
        [ScanDepth("pg", 9.0, 11.0, 2.0)],
    )
    text = io.StringIO()
    print_study(study, Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    (line,) = (line for line in lines if line.strip().startswith("pg") and "left out" in line)
    assert "mean, sd, bone, left out, 2 rays missed" in line
    assert "+3.00" in line
    assert not [line for line in lines if line.strip().startswith("g ") and "mean" in line]
    assert any("-1.0" in line for line in lines if line.strip().startswith("pg"))


def test_half_a_scan_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "anatomy", "--skull", "skull.ply"]) == BAD_INPUT
    assert "give both --skull and --skin" in capsys.readouterr().err


def _following(people: People, others: People) -> np.ndarray:
    """Skulls whose every vertex moves as the nearest skin of the others' mean does: they tell all."""
    skull, head = others.skulls.mean(axis=0), others.heads.mean(axis=0)
    nearest = cKDTree(head).query(skull)[1]
    return skull + (people.heads - head)[:, nearest]


def _split(people: People) -> tuple[People, People]:
    def part(chosen: slice) -> People:
        arrays = {
            field.name: getattr(people, field.name)[chosen]
            for field in dataclasses.fields(people)
            if field.name != "prior"
        }
        return dataclasses.replace(people, **arrays)

    return part(slice(0, 14)), part(slice(14, None))
