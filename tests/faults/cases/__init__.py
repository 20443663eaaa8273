"""The 95 ways in which things go wrong for a user, and how each is tried."""
