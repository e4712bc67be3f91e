"""Client libraries at three nodes, one of which is always somewhere between stop and start."""
