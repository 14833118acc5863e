"""What is wrong with an installation, and what to do: a check for each thing that it needs; none stops another."""
