"""What all unit tests share."""

from support.hypothesis_profiles import load_profile

load_profile()
