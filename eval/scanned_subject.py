"""Skull and skin of one CT as a subject: the person's own skin is the truth."""

from __future__ import annotations

from pathlib import Path

from data.cleaning import clean
from data.ct_surfaces import bone_surface, open_where_scan_ends, skin_surface
from data.prior import AnatomyPrior
from data.volume_files import EXTENSIONS, read_volume
from eval.exclusion import read_exclusion
from eval.subject import MASK, Subject, make_subject


def read_scan(path: Path, prior: AnatomyPrior, *, mask: Path | None = None, series: str | None = None) -> Subject:
    """The subject of a CT, in the scanner's coordinates (mm), placed by our aligner.

    Args:
        path: A volume's file, or a folder of DICOM slices.
        prior: That the skull is aligned with.
        mask: What of the skin is not scored, as `eval.exclusion` reads it; nothing if None. See `mask_beside`.
        series: Which series to read, where a folder holds several.

    Raises:
        InputError: The volume or the mask cannot be read, bone or skin is not found, the aligner refuses the skull, or
            nothing of the face is there.
    """
    exclusion = None if mask is None else read_exclusion(mask)
    volume = read_volume(path, series)
    skull, skin = (open_where_scan_ends(found(volume), volume) for found in (bone_surface, skin_surface))
    return make_subject(scan_name(path), clean(skull), skin, prior, source=str(path), unit="mm", exclusion=exclusion)


def scan_name(path: Path) -> str:
    """Name of a CT: of its file without the extension, or of its folder."""
    name = path.resolve().name
    # The longest first: of brain.nii.gz, .gz alone is no extension of a volume.
    found = [extension for extension in EXTENSIONS if name.lower().endswith(extension) and not path.is_dir()]
    return name[: len(name) - len(max(found, key=len))] if found else name


def mask_beside(path: Path) -> Path | None:
    """The mask that belongs to a CT: `NAME.mask.json` beside it, where NAME is `scan_name`'s, or `mask.json` in a
    folder of DICOM slices. None where there is neither."""
    places = [path.resolve().parent / f"{scan_name(path)}.{MASK}"]
    if path.is_dir():
        places.insert(0, path / MASK)
    return next((place for place in places if place.is_file()), None)
