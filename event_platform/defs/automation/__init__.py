"""What makes the platform run by itself: sensors that see what is due, and a schedule that sweeps up the rest."""
