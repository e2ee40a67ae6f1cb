"""The synthetic cohort: skull–face pairs made by anatomy, as files and as a pure JAX program."""
