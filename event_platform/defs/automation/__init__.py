"""What makes the platform run by itself: sensors that see what is due, and a schedule that asks for the rest."""
