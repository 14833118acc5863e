"""The work, cut into pure functions that a pool or a cluster runs: read files, write files, return add actions."""
