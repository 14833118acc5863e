"""Sample records → an envelope for them, with the evidence for each choice."""
