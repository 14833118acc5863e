"""What things cost, measured: commands that anybody can run again."""
