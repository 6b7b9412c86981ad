"""Officers: who they are, how they prove it, what they may ask."""
