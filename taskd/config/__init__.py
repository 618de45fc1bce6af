"""The config room: from jobs.toml to settings and jobs, or to every problem with its place."""
