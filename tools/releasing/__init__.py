"""What `tools/release.py` makes a release of.

facts.py      what stands in the way of a release
changelog.py  the section of a version
archives.py   tar files that are the same for the same content
contents.py   what is installed in an image
sbom.py       the bill of materials of it
parts.py      the files of a release
"""
