"""The use cases: start a turn, drive it, follow it, stop it."""
