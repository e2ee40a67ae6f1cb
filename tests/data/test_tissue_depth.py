"""The depth table and how depths vary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.landmarks import BY_ABBREVIATION, FRANKFURT
from data.tissue_depth import (
    FULLNESS_LOADING,
    KAPPA,
    LEFT_RIGHT_CORRELATION,
    TissueDepths,
    fullness_of_bmi,
    read_tissue_depths,
)
from flame_jax.errors import InputError

_SHARED = Path(__file__).parents[3] / "shared/data/tissue_depth_t_table_2023.csv"
_NAMES = [name for name in BY_ABBREVIATION if name not in FRANKFURT]
_TABLE = TissueDepths(
    {name: 5.0 + 0.5 * row for row, name in enumerate(_NAMES)},
    {name: 1.0 + 0.1 * row for row, name in enumerate(_NAMES)},
)


def _written(path: Path, table: TissueDepths = _TABLE, head: str = "hard,mean_mm,sd_mm") -> Path:
    lines = [head, *(f"{name},{table.mean[name]},{table.sd[name]}" for name in table.mean)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    table = read_tissue_depths(_written(tmp_path / "depths.csv"))
    assert dict(table.mean) == dict(_TABLE.mean)
    assert dict(table.sd) == dict(_TABLE.sd)
    assert len(table.points()) == 36
    assert set(FULLNESS_LOADING) == set(_NAMES)


def test_the_published_table_is_read() -> None:
    if not _SHARED.exists():
        pytest.skip("the published table is not beside the project")
    table = read_tissue_depths(_SHARED)
    assert (table.mean["n"], table.sd["n"]) == (6.0, 1.5)
    assert len(table.mean) == 25


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "landmarks missing"),
        ("hard,mean_mm,sd_mm\nn,6,1.5\n", "landmarks missing"),
        ("name,depth\nn,6\n", "not a tissue-depth table"),
        ("hard,mean_mm,sd_mm\nn,six,1.5\n", "not a tissue-depth table"),
        ("hard,mean_mm,sd_mm\nn\n", "not a tissue-depth table"),
        (b"\xff\xfe\x00\x01", "not a tissue-depth table"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, content: str | bytes, reason: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=reason) as caught:
        read_tissue_depths(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("figure", [-1.0, 0.0, float("nan"), float("inf")])
def test_figures_that_are_no_depths_are_refused(tmp_path: Path, figure: float) -> None:
    table = TissueDepths(dict(_TABLE.mean) | {"pg": figure}, _TABLE.sd)
    with pytest.raises(InputError, match="without positive figures"):
        read_tissue_depths(_written(tmp_path / "bad.csv", table))


def test_repeated_landmarks_are_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "twice.csv")
    path.write_text(path.read_text(encoding="utf-8") + "\npg,99,1", encoding="utf-8")
    with pytest.raises(InputError, match="twice"):
        read_tissue_depths(path)


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_tissue_depths(tmp_path / "none.csv")
    with pytest.raises(InputError, match="not a tissue-depth table"):
        read_tissue_depths(tmp_path)


def test_depths_are_positive_and_mean_at_zero() -> None:
    for key in _TABLE.points():
        assert _TABLE.at(key) == pytest.approx(_TABLE.mean[key.removesuffix("_l").removesuffix("_r")])
        scores = [_TABLE.at(key, fullness, 2 * fullness) for fullness in (-9.0, -1.0, 0.0, 1.0, 9.0)]
        assert min(scores) > 0.0
        assert (np.diff(scores) > 0).all()


def test_fullness_raises_cheeks_and_jaw_most() -> None:
    rise = {name: np.log(_TABLE.at(BY_ABBREVIATION[name].points()[0], 2.0) / _TABLE.mean[name]) for name in _NAMES}
    per_sd = {name: rise[name] / (KAPPA * _TABLE.sd[name] / _TABLE.mean[name]) for name in _NAMES}
    full = min(per_sd[name] for name in ("go", "mr", "mmb", "zy", "ecm2(s)", "ecm2(i)"))
    thin = max(per_sd[name] for name in ("g", "n", "mn", "rhi", "mso"))
    assert full > 3.0 * thin > 0.0


def test_samples_have_the_tables_mean_and_correlated_sides() -> None:
    rng = np.random.default_rng(0)
    samples = [_TABLE.sample(rng, rng.standard_normal()) for _ in range(1000)]
    drawn = {key: np.array([sample[key] for sample in samples]) for key in _TABLE.points()}
    for key, depths in drawn.items():
        name = key.removesuffix("_l").removesuffix("_r")
        # The median is the table's mean; the mean lies over it by the lognormal's half variance.
        excess = np.exp(0.5 * (KAPPA * _TABLE.sd[name] / _TABLE.mean[name]) ** 2)
        assert depths.mean() == pytest.approx(_TABLE.mean[name] * excess, rel=0.02)
        assert depths.std() == pytest.approx(KAPPA * _TABLE.sd[name], rel=0.1)
    for name, share in FULLNESS_LOADING.items():
        if BY_ABBREVIATION[name].side == "bilateral":
            wanted = share**2 + (1 - share**2) * LEFT_RIGHT_CORRELATION
            left, right = np.log(drawn[name + "_l"]), np.log(drawn[name + "_r"])
            assert np.corrcoef(left, right)[0, 1] == pytest.approx(wanted, abs=0.05)


def test_spread_is_what_fullness_leaves() -> None:
    residuals = np.random.default_rng(1).standard_normal(2000)
    for key in ("g", "zy_l"):
        depths = [_TABLE.at(key, 0.0, float(residual)) for residual in residuals]
        assert np.std(depths) == pytest.approx(_TABLE.spread(key), rel=0.06)


def test_fullness_of_bmi() -> None:
    assert fullness_of_bmi(25.0) == 0.0
    assert fullness_of_bmi(29.5) == pytest.approx(0.6)
    assert fullness_of_bmi(20.5) == pytest.approx(-0.6)
