"""Characters: from a file to ids, and from ids to batches."""
