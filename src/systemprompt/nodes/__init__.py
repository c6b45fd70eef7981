"""One process at work: the clockwork that keeps its time, who it is, what it hands to the runner, and whom it rescues."""
