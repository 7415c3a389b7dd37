"""Data that ships with the package; `PROVENANCE.md` beside this file says where it comes from."""
