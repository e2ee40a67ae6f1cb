"""The credit that a prior carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from s2f import credits
from s2f.provenance import sha256_of

ROOT = Path(__file__).parents[2]


def test_known_credit_is_the_notice_word_for_word():
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    starts = (credits.HEAD, credits.SKULL, credits.DEPTHS)
    for start, credit in zip(starts, credits.KNOWN_SOURCES.values(), strict=True):
        assert credit.startswith(start)
        assert "\n" not in credit
        assert credit in notice


def test_known_credit_belongs_to_the_files_in_development():
    shared = ROOT.parent / "shared" / "data"
    if not shared.exists():
        pytest.skip("needs the development data beside the checkout")
    files = [
        shared / "flame2023open" / "flame2023open_identity60.npz",
        shared / "skull_template" / "skull.obj",
        shared / "tissue_depth_t_table_2023.csv",
    ]
    assert [sha256_of(file) for file in files] == list(credits.KNOWN_SOURCES)


def test_credit_of_a_prior_made_from_other_files(tmp_path):
    model, skull, table = tmp_path / "mine.pkl", tmp_path / "bone.obj", tmp_path / "depths.csv"
    for file in (model, skull, table):
        file.write_text("x")
    shipped = "\n".join(credits.KNOWN_SOURCES.values())
    lines = credits.credit_of_sources(model, "", None, None, shipped_credit=shipped).splitlines()
    assert lines[0].startswith("Head: mine.pkl; see its own licence")
    assert lines[1:] == shipped.splitlines()[1:]
    lines = credits.credit_of_sources(model, "By me,\nCC0.", skull, table, shipped_credit="").splitlines()
    assert lines[0].startswith("Head: By me, CC0. Changed: ")
    assert lines[1].startswith("Skull: bone.obj;")
    assert lines[2] == "Facial soft-tissue depths: depths.csv."
