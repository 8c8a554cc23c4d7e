"""What the stream benchmark is made of: upstream, readers, targets, measures and goals."""
