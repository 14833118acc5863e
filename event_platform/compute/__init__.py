"""Where tasks run: a pool of processes on this machine, or a Dask cluster. The tasks themselves are in `pipeline`."""
