"""Events: what happened, as immutable facts, and the log that keeps them."""
