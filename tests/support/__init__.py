"""What several tests share: readers, tables and strategies, none of them taken from the product."""
