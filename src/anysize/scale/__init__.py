"""Engines: what starts a team of workers and lets them work as one."""
