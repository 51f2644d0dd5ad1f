"""What an experiment showed: figures by arm, and what another policy would have earned."""
