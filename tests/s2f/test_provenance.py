"""Checksums in the record."""

from __future__ import annotations

import numpy as np

from s2f.provenance import sha256_of
from tests.volumes_made import as_image, write_dicom_series


def test_checksum_of_a_folder_is_that_of_its_files(tmp_path):
    folder = tmp_path / "dicom"
    write_dicom_series(folder, as_image(np.zeros((3, 8, 8))), "1.2.3")
    whole = sha256_of(folder)
    assert sha256_of(next(folder.glob("*.dcm"))) == whole
    file = sorted(folder.iterdir())[1]
    file.write_bytes(file.read_bytes() + b" ")
    assert sha256_of(folder) != whole
