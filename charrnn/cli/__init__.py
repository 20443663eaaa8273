"""The commands, their options, and errors turned into exit codes. Nothing here computes."""
