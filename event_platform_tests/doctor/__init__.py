"""What the doctor finds, where all is well and where it is not."""
