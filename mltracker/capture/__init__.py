"""What a run was: the facts of its session."""
