"""`s2f doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Say what is installed, what is missing, and how to get it; exit status 1 if something needed is missing."""

    def run(self) -> int:
        """Look, print, and return the exit status."""
        from s2f.doctor import doctor

        return doctor()
