"""A trained field as the user gives it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from data.prior import read_prior
from data.shipped import PRIOR_ICT
from fields.face_model_file import write_face_model
from flame_jax.errors import InputError
from s2f.field_file import MODEL, SKULL_POINTS, TrainedField, read_field
from s2f.provenance import sha256_of
from tests.fields_made import TEMPERATURE, TINY, tiny_model
from tests.skulls_made import shipped_prior
from train import face_task


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    about = {"credit": "made up", "config": {"data": {"skull_points": 512}}}
    write_face_model(folder / MODEL, tiny_model(), about)
    return folder


def test_a_runs_folder_and_its_file_are_the_same(run):
    field, other = read_field(run), read_field(run / MODEL)
    assert field.path == other.path == run / MODEL
    assert field.sha256 == other.sha256 == sha256_of(run / MODEL)
    assert (field.credit, field.skull_points) == ("made up", 512)
    assert field.model.config == TINY
    assert field.model.temperature == TEMPERATURE
    field.check_goes_with(shipped_prior())


def test_a_run_writes_the_file_that_is_read():
    assert face_task.MODEL == MODEL


def test_what_is_no_field(tmp_path):
    with pytest.raises(InputError, match=r"absent: no such file"):
        read_field(tmp_path / "absent")
    with pytest.raises(InputError, match=r"holds no model\.npz"):
        read_field(tmp_path)
    (tmp_path / MODEL).write_text("nothing")
    with pytest.raises(InputError, match="no face field"):
        read_field(tmp_path)


def test_a_field_of_another_prior_is_refused():
    field = TrainedField(tiny_model(), {}, Path("model.npz"), "")
    assert (field.skull_points, field.credit) == (SKULL_POINTS, "")
    with pytest.raises(InputError, match="another anatomy prior"):
        field.check_goes_with(read_prior(PRIOR_ICT))
    moved = dataclasses.replace(tiny_model().prior, mean=tiny_model().prior.mean + 1.0)
    with pytest.raises(InputError, match="--classic"):
        dataclasses.replace(field, model=dataclasses.replace(tiny_model(), prior=moved)).check_goes_with(
            shipped_prior()
        )
