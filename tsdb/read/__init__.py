"""Plans of reads, and the batches that they return."""
