"""A face field as a file: it comes back, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from fields.face_model import FaceModel
from fields.face_model_file import FORMAT, read_face_model, write_face_model
from flame_jax.errors import InputError
from tests.fields.test_face_model import about, points_of
from tests.fields_made import TEMPERATURE, TINY, tiny_model

ABOUT = {"credit": "made here", "validation": {"surface": 1.5}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.npz"
    write_face_model(path, tiny_model(), ABOUT)
    return path


@functools.cache
def content(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def leaves(model: FaceModel) -> dict[str, np.ndarray]:
    parts = {"params": model.params, "prior": model.prior}
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(parts)
    }


def test_a_model_comes_back_in_half_precision(file: Path) -> None:
    model, said = read_face_model(file)
    assert model.config == TINY
    assert model.temperature == TEMPERATURE
    assert said["validation"] == {"surface": 1.5}
    assert said["credit"] == "made here"
    before, after = leaves(tiny_model()), leaves(model)
    assert after.keys() == before.keys()
    for name, wanted in before.items():
        assert after[name].dtype == wanted.dtype, name
        exact = name in ("prior.mean", "prior.faces", "prior.anchors.points") or name.startswith("prior.grids")
        bound = 0.0 if exact else 2.0**-11
        np.testing.assert_allclose(after[name], wanted, rtol=bound, atol=0.0 if exact else 2.0**-24, err_msg=name)


def test_what_is_read_computes_the_same(file: Path) -> None:
    model, _ = read_face_model(file)
    skull = points_of(0)
    found, wanted = model.read(*skull, 0.5), tiny_model().read(*skull, 0.5)
    np.testing.assert_allclose(found.posterior.mean, wanted.posterior.mean, atol=5e-3)
    latent, points = np.asarray(wanted.posterior.mean), about(1_000)
    asked = model.distances(found, latent)(points)
    np.testing.assert_allclose(asked, tiny_model().distances(wanted, latent)(points), atol=0.05)
    np.testing.assert_allclose(model.head(latent), tiny_model().head(latent), atol=0.03)


def test_single_precision_comes_back_to_the_last_bit(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "model.npz"
    write_face_model(path, tiny_model(), ABOUT, half=False)
    assert file.stat().st_size < 0.7 * path.stat().st_size
    before, after = leaves(tiny_model()), leaves(read_face_model(path)[0])
    for name, wanted in before.items():
        np.testing.assert_array_equal(after[name], wanted, err_msg=name)


@pytest.mark.parametrize("cut", [0, 10, 5_000, -1])
def test_a_file_that_was_cut_short_is_one_line(file: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.npz"
    path.write_bytes(file.read_bytes()[:cut])
    refused(path, "cut.npz: is no face field, or a damaged one; give")


def test_changed_bytes_are_seen(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.npz"
    for at in (3_000, file.stat().st_size // 2):
        whole = bytearray(file.read_bytes())
        whole[at] ^= 0xFF
        path.write_bytes(whole)
        refused(path, "damaged")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("ran",))

    path = tmp_path / "model.npz"
    path.write_bytes(pickle.dumps(Harm()))
    refused(path, "damaged")
    stream = io.BytesIO()
    np.savez(stream, about=np.array([Harm()], dtype=object))
    path.write_bytes(stream.getvalue())
    refused(path, "damaged")


def test_absent_and_foreign_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent.npz", "no such file")
    refused(tmp_path, "no such file")
    path = tmp_path / "other.npz"
    np.savez(path, about=np.frombuffer(b'{"format": "s2f weights 1", "temperature": 1}', np.uint8))
    refused(path, f"format 's2f weights 1' is not '{FORMAT}'")
    for text in (b"[]", b"{", b"3", b"\xff", b"[" * 100_000):
        np.savez(path, about=np.frombuffer(text, np.uint8))
        refused(path, "damaged")
    np.savez(path, about=np.frombuffer(b'{"format": 1}', np.uint8))
    refused(path, f"format '1' is not '{FORMAT}'")
    path.write_text("a face")
    refused(path, "damaged")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.txt", "{}")
    refused(path, "damaged")


def _about(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, np.ndarray]], None]:
    def changed(arrays: dict[str, np.ndarray]) -> None:
        said = json.loads(arrays["about"].tobytes())
        change(said)
        arrays["about"] = np.frombuffer(json.dumps(said).encode(), np.uint8)

    return changed


def _filled(name: str, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.update({name: np.full_like(arrays[name], value)})


def _cut(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.update({name: arrays[name][:-1]})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_about(lambda said: said["field"].pop("encoder")), id="no size"),
        pytest.param(_about(lambda said: said["field"].update(anchors=128)), id="another size"),
        pytest.param(_about(lambda said: said["field"].update(wings=2)), id="unknown part"),
        pytest.param(_about(lambda said: said["field"].update(rank="many")), id="no number"),
        pytest.param(_about(lambda said: said["field"].update(anchors=-64)), id="negative size"),
        pytest.param(_about(lambda said: said["field"]["encoder"].update(heads=0)), id="no heads"),
        pytest.param(_about(lambda said: said.update(temperature=float("nan"))), id="no temperature"),
        pytest.param(_about(lambda said: said.update(temperature=-1.0)), id="cold"),
        pytest.param(lambda arrays: arrays.pop("prior.modes"), id="no modes"),
        pytest.param(lambda arrays: arrays.pop("params.encoder.infer.value"), id="no parameter"),
        pytest.param(_cut("params.encoder.infer.value"), id="short parameter"),
        pytest.param(_cut("prior.modes"), id="short modes"),
        pytest.param(_cut("prior.open_mouth"), id="short mouth"),
        pytest.param(_cut("prior.first.mean"), id="short mean"),
        pytest.param(_cut("prior.first.plenty"), id="short plenty"),
        pytest.param(_cut("prior.anchors.normals"), id="short normals"),
        pytest.param(_filled("params.residual.out.kernel.value", np.nan), id="parameter without value"),
        pytest.param(_filled("prior.modes", np.inf), id="modes without value"),
        pytest.param(_filled("prior.faces", 60_000), id="faces without vertices"),
        pytest.param(
            lambda arrays: arrays.update({"prior.mean": arrays["prior.mean"].astype("U9")}), id="text for numbers"
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    file: Path, tmp_path: Path, change: Callable[[dict[str, np.ndarray]], object]
) -> None:
    arrays = dict(content(file))
    change(arrays)
    path = tmp_path / "changed.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    refused(path, "damaged")


def test_what_half_precision_cannot_hold_is_not_written(tmp_path: Path) -> None:
    for value in (np.nan, 1e6):
        first = dataclasses.replace(tiny_model().prior.first, fullness=np.full(71, value, np.float32))
        model = dataclasses.replace(tiny_model(), prior=dataclasses.replace(tiny_model().prior, first=first))
        with pytest.raises(ValueError, match=r"prior\.first\.fullness has values that are not finite"):
            write_face_model(tmp_path / "model.npz", model, {})
    assert list(tmp_path.iterdir()) == []


def refused(path: Path, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_face_model(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
