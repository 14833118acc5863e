"""The work of the commands of `event-platform catalog`, a module for each, and the files of the schemas."""
