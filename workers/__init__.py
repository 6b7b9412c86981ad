"""The processes behind the web: RQ jobs and the sweeper."""
