"""Where tasks run: a pool of processes on this machine, or a Dask cluster. What a task does is in `pipeline`."""
