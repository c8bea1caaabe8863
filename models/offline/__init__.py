"""From a fitted estimator to the files of a version. A server imports nothing from this folder."""
