"""What the commands of `event-platform catalog` do, a module for each, and the files of the schemas."""
