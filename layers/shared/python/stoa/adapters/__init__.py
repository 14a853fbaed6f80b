"""The only place that talks to the outside: one typed client per system, in that system's own words."""
