"""What is deployed: images, machines and Dagster's settings for them."""
