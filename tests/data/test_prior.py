"""Reading priors that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data import prior as prior_module
from data.prior import FORMAT, read_prior
from data.shipped import PRIOR
from flame_jax.errors import InputError


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    with np.load(PRIOR, allow_pickle=False) as file:
        return {name: file[name] for name in file.files} | {
            "head_modes": file["head_modes"][:2],
            "head_modes_scale": file["head_modes_scale"][:2],
        }


def _refused(path: Path, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_prior(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "build-prior" in str(caught.value)


def _saved(path: Path, stored: dict[str, Any]) -> Path:
    np.savez(path, **stored)
    return path


def test_the_made_file_reads(tmp_path: Path, stored: dict[str, Any]) -> None:
    prior = read_prior(_saved(tmp_path / "prior.npz", stored))
    assert prior.head.shapedirs.shape[2] == 2
    np.testing.assert_array_equal(prior.head.v_template, read_prior(PRIOR).head.v_template)
    np.testing.assert_allclose(np.linalg.norm(prior.directions, axis=1), 1.0)


def test_no_file_or_a_folder(tmp_path: Path) -> None:
    _refused(tmp_path / "none.npz", "no such file")
    _refused(tmp_path, "no such file")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage", b"\x93NUMPY", b"\x80\x04N."])
def test_garbage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prior.npz").write_bytes(content)
    _refused(tmp_path / "prior.npz", "not an anatomy prior")


def test_damaged_files(tmp_path: Path) -> None:
    whole = PRIOR.read_bytes()
    path = tmp_path / "prior.npz"
    for share in (0.1, 0.5, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        _refused(path, "not an anatomy prior, or a damaged one")
    for place in (0.3, 0.6):
        start = int(place * len(whole))
        path.write_bytes(whole[:start] + bytes(200) + whole[start + 200 :])
        _refused(path, "not an anatomy prior, or a damaged one")


def test_other_archives(tmp_path: Path) -> None:
    _refused(_saved(tmp_path / "a.npz", {"vertices": np.zeros((3, 3))}), "not an anatomy prior")
    np.save(tmp_path / "b.npy", np.zeros(3))
    _refused(tmp_path / "b.npy", "not an anatomy prior")
    _refused(_saved(tmp_path / "c.npz", {"about": np.array([object()])}), "not an anatomy prior")
    for text in ("[]", "3", "{}", "not json"):
        _refused(_saved(tmp_path / "d.npz", {"about": np.frombuffer(text.encode(), np.uint8)}), "not an anatomy prior")


def test_another_format(tmp_path: Path, stored: dict[str, Any]) -> None:
    other = FORMAT.replace("1", "9")
    about = stored["about"].tobytes().decode().replace(FORMAT, other)
    _refused(
        _saved(tmp_path / "new.npz", stored | {"about": np.frombuffer(about.encode(), np.uint8)}), f"format '{other}'"
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("head_vertices", lambda a: a[:-1]),
        ("head_vertices", lambda a: a.astype(np.float32)),
        ("head_modes_scale", lambda a: a[:-1]),
        ("head_faces", lambda a: a + np.uint16(9000)),
        ("uv", lambda a: a * np.float32("nan")),
        ("skull_faces", lambda a: a[:, :2]),
        ("landmark_faces", lambda a: a - 10**6),
        ("landmark_weights", lambda a: a[:-1]),
        ("tie_faces", lambda a: a + 10**6),
        ("depths", lambda a: a[None]),
        ("controls", lambda a: a[:0]),
        ("about", lambda a: np.frombuffer(a.tobytes().replace(b'"n", ', b""), np.uint8)),
        ("about", lambda a: np.frombuffer(a.tobytes().replace(b"credit", b"thanks"), np.uint8)),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, stored: dict[str, Any], name: str, change: Any) -> None:
    path = _saved(tmp_path / "prior.npz", stored | {name: change(stored[name])})
    _refused(path, "not an anatomy prior, or a damaged one")


@pytest.mark.parametrize("missing", ["uv", "about", "head_modes_scale", "tie_weights"])
def test_missing_parts(tmp_path: Path, stored: dict[str, Any], missing: str) -> None:
    path = _saved(tmp_path / "prior.npz", {name: array for name, array in stored.items() if name != missing})
    _refused(path, "not an anatomy prior, or a damaged one")


@pytest.mark.parametrize("fault", [TypeError, IndexError, ValueError])
def test_a_fault_of_the_program_is_not_taken_for_a_bad_file(
    monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault("a fault of the program")

    monkeypatch.setattr(prior_module, "HeadModel", broken)
    with pytest.raises(fault, match="a fault of the program"):
        read_prior(PRIOR)
