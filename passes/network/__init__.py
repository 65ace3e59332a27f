"""What the passes from the network to the quantised level share."""
