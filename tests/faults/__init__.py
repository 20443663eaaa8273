"""Faults on purpose: kills, full disks, damaged and hostile files, hostile texts. See README.md in this folder."""
