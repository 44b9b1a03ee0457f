"""Engines that run trials: in worker processes, on Ray, or in the caller's process."""
