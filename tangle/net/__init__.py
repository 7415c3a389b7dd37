"""Floor 2: encrypted, authenticated sessions between peers, and the frames that cross them."""
